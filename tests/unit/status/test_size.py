"""How large a status is: thousands are stored, and each goes whole to every watcher when it changes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import LISTING_DIGEST, NOON, built_status, ledger_entry, subscription
from trawler_downloader.contract.download import Layout, LibraryPlace
from trawler_downloader.contract.listing import ListingEnd
from trawler_downloader.contract.message import LARGEST
from trawler_downloader.contract.outcomes import LedgerState
from trawler_downloader.library.layouts import EpisodeNumber, folder_of, stems
from trawler_operator.api.reasons import ConditionReason
from trawler_operator.api.status import GateStatus, LastHandled, LibraryStatus, SubscriptionStatus
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.ledger.entry import LaunchTimes, LedgerEntry
from trawler_operator.domain.ledger.recent import ended
from trawler_operator.domain.status.build import Digests, LedgerFacts, build_status
from trawler_operator.domain.status.condition_rules import CheckReport
from trawler_operator.domain.status.cookies import CookiesVerdict
from trawler_operator.domain.status.punctuality import Turn

KIB = 1024
CHANNEL = "Lighthouses of the North"
SHORTER = "How do fog signals work? | Lenses, lamps and horns, part 12.5"
LONGER = "Why the keeper never sleeps: a night at the tower, hour by hour #211"
JAPANESE = (
    "灯台の霧笛はなぜ聞こえるのか、その仕組みと歴史を"
    "わかりやすく解説します、第百十九回、北の海をめぐる長い旅の終わりに。"
)
CHECK = CheckReport(
    NOON,
    ListingEnd.COMPLETE,
    source_id="UCxxxxxxxxxxxxxxxxxxxxxx",
    source_title=CHANNEL,
    requested="2026-11-21T12:00:00Z",
)


def stored_bytes(status: SubscriptionStatus) -> int:
    """As the API server writes JSON: without blanks, and not escaped to ASCII."""
    return len(json.dumps(status.to_dict(), ensure_ascii=False, separators=(",", ":")).encode())


def downloaded(
    number: int, title: str, *, section: str = "", channel: str = CHANNEL, layout: Layout = Layout.SHOW
) -> LedgerEntry:
    """The entry of a video that the library's own rules have given its name, published some days before."""
    finished = NOON - timedelta(days=3 * number)
    folder = folder_of(LibraryPlace(path=section, layout=layout), channel, None, "youtube")
    stem = next(stems(layout, folder, title, f"dQw4w9WgXc{number}", EpisodeNumber(finished.date())))
    return ledger_entry(
        LedgerState.SUCCEEDED,
        title=title,
        path=f"{stem}.mp4",
        claim="library",
        bytes=834_123_456,
        times=LaunchTimes(finished=finished),
    )


def steady(
    title: str, *, section: str = "", channel: str = CHANNEL, layout: Layout = Layout.SHOW, cookies: bool = False
) -> SubscriptionStatus:
    """Of a Subscription that has been watched for months: all conditions at rest, ten recent videos, no failures."""
    entries = [downloaded(number, title, section=section, channel=channel, layout=layout) for number in range(10)]
    facts = LedgerFacts(
        counts={LedgerState.SUCCEEDED: 1_287, LedgerState.SKIPPED: 9_012},
        total_bytes=1_287 * 834_123_456,
        shards=52,
        recent_successes=[ended(f"youtube.dQw4w9WgXc{number}", entry) for number, entry in enumerate(entries)],
    )
    spec: dict[str, Any] = {"access": {"cookiesSecretRef": {"name": "youtube-cookies"}}} if cookies else {}
    return build_status(
        subscription(spec, {}, generation=12, name="lighthouses-of-the-north"),
        facts,
        library=LibraryStatus(claim_name="library", path=section, layout=layout.value),
        check=CHECK,
        blocker=None,
        gate=None,
        next_check=NOON + timedelta(hours=1),
        now=NOON,
        digests=Digests("0123456789abcdef", "fedcba9876543210"),
        cookies=CookiesVerdict(ConditionReason.COOKIES_ACCEPTED) if cookies else None,
        turn=Turn(timedelta(0), "youtube.com", due=1, places=2, spacing=1, has_come=True),
    )


@pytest.mark.parametrize(
    "status",
    [
        pytest.param(steady(SHORTER), id="titles of 61 characters"),
        pytest.param(steady(LONGER), id="titles of 68 characters"),
        pytest.param(steady(LONGER, layout=Layout.FLAT), id="ids in the names"),
        pytest.param(steady(SHORTER, cookies=True), id="with cookies"),
        pytest.param(steady(LONGER, section="science"), id="in a folder of the claim"),
    ],
)
def test_a_steady_status_is_small(status: SubscriptionStatus) -> None:
    """At most 4 KiB with ten recent videos, wherever names have the usual length."""
    assert len(status.recent_videos) == 10
    assert {condition.status for condition in status.conditions} == {"True"}
    assert stored_bytes(status) < 4 * KIB


def test_a_steady_status_of_another_script_takes_what_its_characters_take() -> None:
    """Three bytes for each of Japanese: above 4 KiB, and what a person may want to read is not cut for that."""
    status = steady(JAPANESE, channel="北の灯台をたずねて")

    assert 4 * KIB < stored_bytes(status) < 5.25 * KIB


def test_a_steady_status_is_bounded() -> None:
    """The longest names that the library gives, in the deepest folder that a spec can name."""
    longest = steady("t" * 500, section="/".join(["s" * 254, "s" * 254]), channel="c" * 500, cookies=True)

    assert {len(video.path or "") for video in longest.recent_videos} == {1013}
    assert {(video.path or "")[-4:] for video in longest.recent_videos} == {".mp4"}  # whole
    assert stored_bytes(longest) < 14 * KIB


@pytest.mark.parametrize("character", ["x", '"', "é", "\U0001f3ac"], ids=["ASCII", "escaped", "two bytes", "four"])
def test_any_status_is_bounded(character: str) -> None:
    """All that a stranger may write at its longest, in every field at once: far from what etcd takes, 1.5 MiB."""
    long = character * 100_000
    entry = ledger_entry(title=long, path=long, claim=long, reason=long, message=long, failures=LARGEST, retry_at=NOON)
    shown = [
        ended(long, replace(entry, state=state)) for state in (LedgerState.SUCCEEDED, LedgerState.DEAD_LETTER) * 10
    ]
    request = {"id": long, "time": "2026-11-21T12:00:00Z", "accepted": LARGEST, "unknown": LARGEST, "message": long}
    status = built_status(
        {"access": {"cookiesSecretRef": {"name": "c"}}},
        {"lastCheckDigest": LISTING_DIGEST, "lastHandled": dict.fromkeys(LastHandled.model_fields, request)},
        ledger=LedgerFacts(
            counts=dict.fromkeys(LedgerState, LARGEST),
            waiting={long: LARGEST},
            total_bytes=LARGEST,
            shards=LARGEST,
            recent_successes=shown,
            recent_failures=shown,
            broken=[f"{long}/{long}"] * 10,
        ),
        check=CheckReport(NOON, ListingEnd.COMPLETE, source_id=long, source_title=long, requested=long),
        blocker=Blocker("B" * 64, long),
        gate=GateStatus(
            epoch=LARGEST,
            since_time=NOON,
            paused_time=NOON,
            until_time=NOON + timedelta(hours=1),
            step=LARGEST,
            reason=long,
            message=long,
        ),
    )

    assert stored_bytes(status) < 128 * KIB
