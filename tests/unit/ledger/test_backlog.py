"""Whose turn it is, among all that waits for a launch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOON, ledger_entry
from trawler_downloader.contract.download import FollowUpKind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.domain.ledger.backlog import Backlog, Rank, is_eligible, rank_of
from trawler_operator.domain.ledger.entry import FollowUp, Found, LaunchTimes, LedgerEntry
from trawler_operator.domain.pauses import LONGEST_WAIT
from trawler_operator.domain.sites import site_of

LATER = NOON + timedelta(minutes=5)
SITE = "youtube.com"
ELSEWHERE = "https://vimeo.com/1"
ALL = 1000


def backlog(entries: Mapping[str, LedgerEntry]) -> Backlog:
    made = Backlog()
    for key, entry in entries.items():
        made.put(key, entry)
    return made


def revivable(built_from: str | None, **fields: Any) -> LedgerEntry:
    """A dead letter that another spec revives."""
    return ledger_entry(LedgerState.DEAD_LETTER, outcome=OutcomeClass.CONFIGURATION, built_from=built_from, **fields)


def followed_up(at: datetime, claimed: datetime | None = None, **fields: Any) -> LedgerEntry:
    """A video on disk, to which something is still to be added."""
    follow_up = FollowUp(FollowUpKind.THUMBNAIL, at, claimed=claimed)
    return ledger_entry(LedgerState.SUCCEEDED, follow_up=follow_up, **fields)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        pytest.param(ledger_entry(LedgerState.PENDING), True, id="queued"),
        pytest.param(ledger_entry(LedgerState.PENDING, retry_at=LATER), False, id="put off"),
        pytest.param(ledger_entry(LedgerState.FAILED, retry_at=LATER), False, id="failed, not yet"),
        pytest.param(ledger_entry(LedgerState.FAILED, retry_at=NOON), True, id="failed, its time has come"),
        pytest.param(ledger_entry(LedgerState.WAITING, retry_at=NOON), True, id="premiere, its time has come"),
        pytest.param(ledger_entry(LedgerState.WAITING, retry_at=NOON + LONGEST_WAIT), False, id="put off for longest"),
        pytest.param(
            ledger_entry(LedgerState.WAITING, retry_at=NOON + LONGEST_WAIT + timedelta(seconds=1)),
            True,
            id="put off by a clock that ran ahead",
        ),
        pytest.param(ledger_entry(LedgerState.RUNNING), False, id="running"),
        pytest.param(ledger_entry(LedgerState.SUCCEEDED), False, id="on disk"),
        pytest.param(followed_up(NOON), True, id="on disk, its follow-up is due"),
        pytest.param(followed_up(LATER), False, id="on disk, its follow-up is not due"),
        pytest.param(followed_up(NOON, claimed=NOON), False, id="on disk, its follow-up is under way"),
        pytest.param(ledger_entry(LedgerState.SKIPPED), False, id="not wanted"),
        pytest.param(ledger_entry(LedgerState.DEAD_LETTER, outcome=OutcomeClass.TERMINAL), False, id="given up"),
        pytest.param(revivable("b"), False, id="same spec"),
        pytest.param(revivable("a"), True, id="new spec"),
        pytest.param(revivable(None), True, id="a dead letter made by hand, for no spec"),
    ],
)
def test_is_eligible(entry: LedgerEntry, expected: bool) -> None:
    """What may be claimed at noon, under digest b; the backlog has a turn for just that."""
    assert expected == is_eligible(entry, "b", NOON)
    assert backlog({"a": entry}).turns("b", NOON, ALL) == ({SITE: ["a"]} if expected else {})


def test_order_of_turns() -> None:
    """The newest first; what a live Job works on is left out."""
    waiting = {name: ledger_entry(LedgerState.PENDING, seq=seq) for name, seq in (("c", 3), ("a", 1), ("b", 2))}
    assert backlog(waiting).turns("a", NOON, ALL, busy={"b"}) == {SITE: ["c", "a"]}


@pytest.mark.parametrize(
    ("entry", "rank"),
    [
        pytest.param(ledger_entry(found=Found.UPLOAD), Rank.UPLOAD, id="published since the first check"),
        pytest.param(ledger_entry(found=Found.WINDOW), Rank.WINDOW, id="of the first check"),
        pytest.param(
            ledger_entry(LedgerState.WAITING, outcome=OutcomeClass.NOT_YET, launches=0, found=Found.UPLOAD),
            Rank.UPLOAD,
            id="a premiere that no Job has looked at",
        ),
        pytest.param(
            ledger_entry(LedgerState.WAITING, outcome=OutcomeClass.NOT_YET, launches=1, found=Found.UPLOAD),
            Rank.SECOND_LOOK,
            id="a premiere that was not ready when a Job looked",
        ),
        pytest.param(
            ledger_entry(LedgerState.WAITING, outcome=OutcomeClass.NEEDS_ACCESS, found=Found.UPLOAD),
            Rank.SECOND_LOOK,
            id="not for us at the last look",
        ),
        pytest.param(
            ledger_entry(LedgerState.PENDING, launches=1, outcome=OutcomeClass.TERMINATED, found=Found.UPLOAD),
            Rank.UPLOAD,
            id="evicted: no fault of its own",
        ),
        pytest.param(ledger_entry(LedgerState.FAILED, found=Found.UPLOAD), Rank.SECOND_LOOK, id="failed"),
        pytest.param(revivable("a", found=Found.UPLOAD), Rank.SECOND_LOOK, id="revived by a changed spec"),
        pytest.param(ledger_entry(found=Found.BACK_CATALOGUE), Rank.BACK_CATALOGUE, id="older than all that was known"),
        pytest.param(
            ledger_entry(LedgerState.FAILED, found=Found.BACK_CATALOGUE), Rank.BACK_CATALOGUE, id="the same, failed"
        ),
        pytest.param(followed_up(NOON, found=Found.UPLOAD), Rank.FOLLOW_UP, id="something is to be added to it"),
    ],
)
def test_rank(entry: LedgerEntry, rank: Rank) -> None:
    """What people wait for goes first."""
    assert rank_of(entry) is rank


def test_ranks_go_before_age() -> None:
    """Within each, the newest first."""
    waiting = {
        "window": ledger_entry(LedgerState.PENDING, seq=9),
        "failed": ledger_entry(LedgerState.FAILED, seq=8, retry_at=NOON),
        "upload": ledger_entry(LedgerState.PENDING, seq=1, found=Found.UPLOAD),
        "later upload": ledger_entry(LedgerState.PENDING, seq=2, found=Found.UPLOAD),
        "old": ledger_entry(LedgerState.PENDING, seq=10, found=Found.BACK_CATALOGUE),
        "on disk": followed_up(NOON, seq=11, found=Found.UPLOAD),
    }
    in_turn = ["later upload", "upload", "window", "failed", "old", "on disk"]
    assert backlog(waiting).turns("a", NOON, ALL) == {SITE: in_turn}


def test_sites_take_the_turn_of_their_first() -> None:
    """Each with as many as are asked for; one whose videos are all worked on has no turn."""
    waiting = {
        "here, third": ledger_entry(LedgerState.PENDING, seq=3),
        "here, fourth": ledger_entry(LedgerState.PENDING, seq=4),
        "here, fifth": ledger_entry(LedgerState.PENDING, seq=5),
        "there, second": ledger_entry(LedgerState.PENDING, seq=2, url=ELSEWHERE),
        "busy, first": ledger_entry(LedgerState.PENDING, seq=1, url="https://example.com/1"),
    }
    found = backlog(waiting).turns("a", NOON, 2, busy={"busy, first"})
    assert list(found.items()) == [(SITE, ["here, fifth", "here, fourth"]), ("vimeo.com", ["there, second"])]


def test_next_retry() -> None:
    """The earliest of the times that lie ahead; what is due already waits for a slot, not for a time."""
    due = {
        "queued": ledger_entry(LedgerState.PENDING),
        "due": ledger_entry(LedgerState.FAILED, retry_at=NOON - timedelta(minutes=1)),
        "running": ledger_entry(LedgerState.RUNNING, retry_at=LATER),
    }
    ahead = {
        "tomorrow": ledger_entry(LedgerState.WAITING, retry_at=LATER + timedelta(days=1)),
        "soon": followed_up(LATER),
    }
    assert backlog(due | ahead).next_retry("a", NOON) == LATER
    assert backlog(due).next_retry("a", NOON) is None


def test_what_was_taken_out_has_no_turn() -> None:
    """Whichever way it waited."""
    waiting = {
        "queued": ledger_entry(LedgerState.PENDING),
        "due": ledger_entry(LedgerState.FAILED, retry_at=NOON),
        "put off": ledger_entry(LedgerState.FAILED, retry_at=LATER),
        "on disk": followed_up(LATER),
        "under way": followed_up(NOON, claimed=NOON),
        "revived": revivable("a"),
        "given up under this spec": revivable("b"),
    }
    made = backlog(waiting)
    assert made.turns("b", NOON, ALL) == {SITE: ["queued", "due", "revived"]}
    for key, entry in waiting.items():
        made.remove(key, entry)
    assert made.turns("c", LATER, ALL) == {}
    assert made.next_retry("c", NOON) is None


def test_time_and_digest_may_go_back() -> None:
    """A clock that is set back makes waits longer; a digest comes again with a spec that is changed back."""
    made = backlog({"put off": ledger_entry(LedgerState.FAILED, retry_at=LATER), "given up": revivable("a")})
    assert made.turns("b", LATER, ALL) == {SITE: ["given up", "put off"]}
    assert made.turns("a", NOON, ALL) == {}
    assert made.next_retry("a", NOON) == LATER


def test_a_clock_that_is_behind_for_a_while() -> None:
    """What then seems to be put off for longer than anything is waits on once the clock is set right."""
    members = ledger_entry(LedgerState.WAITING, retry_at=NOON + timedelta(days=14))
    made = backlog({"members": members})
    assert made.next_retry("a", NOON) == members.retry_at
    assert made.turns("a", NOON - timedelta(days=3), ALL) == {SITE: ["members"]}
    assert made.next_retry("a", NOON - timedelta(days=3)) is None
    assert made.turns("a", NOON, ALL) == {}
    assert made.next_retry("a", NOON) == members.retry_at


def test_probes_take_turns() -> None:
    """Never tried comes first, then what was tried longest ago; of equals the newest. Follow-ups come last."""
    waiting = {
        "on disk": followed_up(NOON, seq=9, times=LaunchTimes(finished=NOON - timedelta(days=2))),
        "just": ledger_entry(LedgerState.PENDING, seq=1, times=LaunchTimes(finished=NOON)),
        "long ago": ledger_entry(LedgerState.PENDING, seq=4, times=LaunchTimes(finished=NOON - timedelta(days=1))),
        "never, found later": ledger_entry(LedgerState.PENDING, seq=3),
        "never": ledger_entry(LedgerState.PENDING, seq=2),
        "never, of another site": ledger_entry(LedgerState.PENDING, seq=0, url=ELSEWHERE),
    }
    made = backlog(waiting)
    made.turns("a", NOON, 1)
    assert made.probes(SITE, ALL) == ["never, found later", "never", "long ago", "just", "on disk"]
    assert made.probes(SITE, 1, busy={"never, found later"}) == ["never"]
    assert made.probes("example.com", 1) == []


NEAR = st.integers(-3, 3).map(lambda hours: NOON + timedelta(hours=hours))
FAR = NEAR.map(lambda time: time + LONGEST_WAIT)
HOURS = NEAR | FAR | FAR.map(lambda time: time + LONGEST_WAIT)
"""Close to each other, and as far apart as nothing is put off."""
FOLLOW_UPS = st.builds(followed_up, HOURS, claimed=st.none() | HOURS, seq=st.integers(0, 5))
ENTRIES = FOLLOW_UPS | st.builds(
    ledger_entry,
    st.sampled_from([LedgerState.PENDING, LedgerState.WAITING, LedgerState.DEAD_LETTER, LedgerState.RUNNING]),
    seq=st.integers(0, 5),
    url=st.sampled_from(["https://www.youtube.com/watch?v=1", ELSEWHERE]),
    retry_at=st.none() | HOURS,
    outcome=st.sampled_from([None, OutcomeClass.NEEDS_ACCESS, OutcomeClass.CONFIGURATION]),
    built_from=st.none() | st.sampled_from("abc"),
    times=st.builds(LaunchTimes, finished=st.none() | HOURS),
)
CHANGES = st.tuples(st.sampled_from(["k1", "k2", "k3", "k4", "k5", "k6"]), st.none() | ENTRIES)
"""Of a key: another entry, or none."""
LOOKS = st.tuples(st.sampled_from("abc"), HOURS)
"""Digest and time, which may go back."""


@given(st.lists(CHANGES | LOOKS, max_size=30))
def test_the_order_is_that_of_a_look_at_everything(steps: list[tuple[Any, Any]]) -> None:
    """However entries, times and digests came and went."""
    kept, present = Backlog(), dict[str, LedgerEntry]()
    for first, second in steps:
        if len(first) > 1:
            if first in present:
                kept.remove(first, present.pop(first))
            if second is not None:
                present[first] = second
                kept.put(first, second)
        else:
            _compare(kept, present, first, second)


def _compare(kept: Backlog, present: Mapping[str, LedgerEntry], digest: str, now: datetime) -> None:
    may = {key: entry for key, entry in present.items() if is_eligible(entry, digest, now)}
    in_turn = sorted(may, key=lambda key: (rank_of(may[key]), -may[key].seq, key))
    sites = dict.fromkeys(site_of(may[key].url) for key in in_turn)
    by_site = {site: [key for key in in_turn if site_of(may[key].url) == site] for site in sites}
    assert list(kept.turns(digest, now, ALL).items()) == list(by_site.items())
    for site, keys in by_site.items():
        assert sorted(kept.probes(site, ALL)) == sorted(keys)
    times = [
        entry.follow_up.at if entry.follow_up is not None else entry.retry_at
        for entry in present.values()
        if entry.state in {LedgerState.PENDING, LedgerState.WAITING, LedgerState.SUCCEEDED} and not entry.is_claimed
    ]
    ahead = [at for at in times if at is not None and now < at <= now + LONGEST_WAIT]
    assert kept.next_retry(digest, now) == min(ahead, default=None)
