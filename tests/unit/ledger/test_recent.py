"""The newest finished entries: what is kept of them, and that it is never a guess."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from builders import NOON, ledger_entry
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.status import MAX_RECENT
from trawler_operator.domain.ledger.codec import encode_entry
from trawler_operator.domain.ledger.entry import LaunchTimes, LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.ledger.recent import KEPT, RecentEntries, ended
from trawler_operator.domain.ledger.shards import Shard


def write(ledger: Ledger, entries: Mapping[str, LedgerEntry]) -> None:
    """As the store does, without a cluster."""
    for place, write in enumerate(ledger.plan_writes(Changes(entries))):
        ledger.applied(write, f"{write.number}.{place}.{len(ledger)}")


def test_recent_ones() -> None:
    """The newest ten of each kind, newest first."""
    ledger = Ledger()
    done = {
        f"youtube.v{n}": ledger_entry(
            LedgerState.SUCCEEDED if n % 2 else LedgerState.WAITING,
            seq=n,
            times=LaunchTimes(finished=NOON + timedelta(minutes=n)),
        )
        for n in range(100)
    }
    write(ledger, done)
    assert [f"youtube.v{n}" for n in range(99, 79, -2)] == [shown.key for shown in ledger.recent_successes()]
    assert [f"youtube.v{n}" for n in range(98, 78, -2)] == [shown.key for shown in ledger.recent_failures()]


def dead(seq: int) -> LedgerEntry:
    """A dead letter that ended at minute `seq`."""
    times = LaunchTimes(finished=NOON + timedelta(minutes=seq))
    return ledger_entry(LedgerState.DEAD_LETTER, seq=seq, times=times)


def test_recent_ones_are_the_newest_whatever_goes() -> None:
    """More are kept than are shown; what was dropped for want of room is asked for when too many have gone."""
    recent = RecentEntries()
    for seq in range(KEPT + 1):
        recent.put(f"v{seq}", dead(seq))
    assert [shown.key for shown in recent.newest(2)] == [f"v{KEPT}", f"v{KEPT - 1}"]
    for seq in range(KEPT, MAX_RECENT, -1):
        recent.remove(f"v{seq}")
    recent.remove("unknown")
    assert not recent.is_starved
    recent.put("older-than-what-was-dropped", dead(-1))
    assert [shown.key for shown in recent.newest()] == [f"v{seq}" for seq in range(MAX_RECENT, 0, -1)]
    recent.remove("v1")
    assert recent.is_starved


def test_memory_of_a_hundred_finished_videos() -> None:
    """Of all that they have only the index and what the status shows is resident: 38 KiB (measured), 97 with all."""
    finished = {
        f"youtube.v{n:010}": replace(
            ledger_entry(
                LedgerState.SUCCEEDED, seq=n, url=f"https://www.youtube.com/watch?v=v{n:010}", path=f"Show/{n}.mp4"
            ),
            title=f"What is a number? Part {n}",
            times=LaunchTimes(*(NOON + timedelta(seconds=n + step) for step in range(6))),
        )
        for n in range(100)
    }
    data = {key: encode_entry(entry) for key, entry in finished.items()}
    ledgers = [Ledger() for _ in range(20)]
    tracemalloc.start()
    for ledger in ledgers:
        ledger.load(Shard(0, "1", json.loads(json.dumps(data)), {}))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(ledgers) < 56 * 1024


def test_what_is_kept_of_an_entry_is_what_is_shown_of_it() -> None:
    """Of a success where its file is, of a failure its title, why, and until when."""
    times = LaunchTimes(finished=NOON)
    done = ledger_entry(LedgerState.SUCCEEDED, path="a.mp4", reason="Published", message="well", times=times)
    failed = ledger_entry(LedgerState.FAILED, reason="R", message="m", failures=2, retry_at=NOON, times=times)
    shown = [ended("youtube.a", entry) for entry in (done, failed)]
    assert [(one.title, one.path, one.reason, one.message) for one in shown] == [
        (None, "a.mp4", None, None),
        ("What is a number?", None, "R", "m"),
    ]
    assert [(one.failures, one.finished, one.retry_at) for one in shown] == [(0, NOON, None), (2, NOON, NOON)]


def test_ledger_of_many_dead_letters_is_read_anew_when_the_newest_have_gone() -> None:
    """They are tried again: older ones, which memory does not hold, are the newest now."""
    ledger = Ledger()
    write(ledger, {f"youtube.v{seq}": dead(seq) for seq in range(1, KEPT + 2)})
    assert not ledger.needs_reload
    retried = {f"youtube.v{seq}": replace(dead(seq), state=LedgerState.PENDING) for seq in range(MAX_RECENT, KEPT + 2)}
    write(ledger, retried)
    assert ledger.needs_reload
