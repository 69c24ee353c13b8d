"""Videos that a listing already says cannot be had."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from builders import NOON, entry_line, ledger_entry
from trawler_downloader.contract.listing import REMOVED, EntryLine, Kind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.domain.checks.readiness import SEEN_BY_LISTING, apply_verdict, judge, relisted
from trawler_operator.domain.ledger.entry import LedgerEntry

MIN, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AT = int(NOON.timestamp())


def line(kind: Kind = Kind.VIDEO, **fields: Any) -> EntryLine:
    return entry_line("a", kind=kind).model_copy(update=fields)


@dataclass(frozen=True)
class Row:
    name: str
    line: EntryLine
    reason: str | None
    after: timedelta | None = timedelta()
    before: timedelta = timedelta()
    has_cookies: bool = False


ROWS = (
    Row("ordinary", line(), None),
    Row("was live", line(live_status="was_live"), None),
    Row("premiere", line(live_status="is_upcoming"), "Premiere", HOUR, 1.2 * HOUR),
    Row(
        "premiere in three days",
        line(live_status="is_upcoming", release_at=AT + 3 * 86_400),
        "Premiere",
        3 * DAY + MIN,
        3 * DAY + MIN,
    ),
    Row(
        "premiere in a year",
        line(live_status="is_upcoming", release_at=AT + 365 * 86_400),
        "Premiere",
        14 * DAY,
        14 * DAY,
    ),
    Row("premiere that is late", line(live_status="is_upcoming", release_at=AT), "Premiere", HOUR, 1.2 * HOUR),
    Row("stream to come", line(Kind.STREAM, live_status="is_upcoming"), "LiveScheduled", HOUR, 1.2 * HOUR),
    Row("live", line(Kind.STREAM, live_status="is_live", release_at=AT + 60), "Live", HOUR, 1.2 * HOUR),
    Row("just over", line(Kind.STREAM, live_status="post_live"), "PostLive", HOUR, 1.2 * HOUR),
    Row("members only", line(availability="subscriber_only"), "MembersOnly", DAY, 1.2 * DAY),
    Row("members only, cookies are there", line(availability="subscriber_only"), None, has_cookies=True),
    Row(
        "premiere for members: its start comes first",
        line(live_status="is_upcoming", availability="subscriber_only"),
        "Premiere",
        HOUR,
        1.2 * HOUR,
    ),
    Row("unlisted", line(availability="unlisted"), None),
    Row("a word of a newer yt-dlp", line(availability="friends_only"), None),
    Row("private", line(availability="private"), "Private", DAY, 1.2 * DAY),
    Row("private, cookies are there", line(availability="private"), None, has_cookies=True),
    Row("asks for a sign-in", line(availability="needs_auth"), "LoginRequired", DAY, 1.2 * DAY),
    Row("for money", line(availability="premium_only"), "Payment", None),
    Row("for money, cookies are there", line(availability="premium_only"), None, has_cookies=True),
    Row("deleted", line(availability=REMOVED), "VideoRemoved", None),
    Row("deleted: no cookies help", line(availability=REMOVED), "VideoRemoved", None, has_cookies=True),
    Row("deleted before its start", line(availability=REMOVED, live_status="is_upcoming"), "VideoRemoved", None),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_verdicts(row: Row) -> None:
    """One row per line of the documented table."""
    verdict = judge(row.line, NOON, has_cookies=row.has_cookies)

    assert (verdict.reason.value if verdict else None) == row.reason
    if row.after is None:
        assert verdict is not None
        assert verdict.until is None
    elif verdict is not None:
        assert verdict.until is not None
        assert NOON + row.after <= verdict.until <= NOON + row.before


def judged(seen: EntryLine, **fields: Any) -> LedgerEntry:
    """The entry of a video on which a listing has spoken."""
    verdict = judge(seen, NOON, has_cookies=False)
    assert verdict is not None
    return replace(apply_verdict(ledger_entry(LedgerState.PENDING, launches=0), verdict), **fields)


def test_entry_that_waits() -> None:
    """As if a Job had found it so once, and without one."""
    entry = judged(line(live_status="is_live"))

    assert (entry.state, entry.outcome, entry.reason) == (LedgerState.WAITING, OutcomeClass.NOT_YET, "Live")
    assert (entry.launches, entry.deferrals, entry.message) == (0, 1, SEEN_BY_LISTING)


def test_entry_that_is_given_up() -> None:
    """As a Job would leave it, and without one; it stays in memory, since a listing may take its word back."""
    entry = judged(line(availability=REMOVED))

    assert (entry.state, entry.outcome, entry.reason) == (
        LedgerState.DEAD_LETTER,
        OutcomeClass.TERMINAL,
        "VideoRemoved",
    )
    assert (entry.launches, entry.retry_at, entry.message) == (0, None, SEEN_BY_LISTING)
    assert entry.is_active
    assert not replace(entry, launches=1).is_active


LIVE = judged(line(live_status="is_live"))
PRIVATE = judged(line(availability="private"))
DELETED = judged(line(availability=REMOVED))
PREMIERE = judged(line(live_status="is_upcoming", release_at=AT + 3600))
IN_A_YEAR = line(live_status="is_upcoming", release_at=AT + 365 * 86_400)


def far_off(ahead: timedelta) -> LedgerEntry:
    """A premiere in a year, as it waits when so much is left of its wait."""
    return replace(judged(IN_A_YEAR), retry_at=NOON + ahead)


@pytest.mark.parametrize(
    ("entry", "seen"),
    [
        pytest.param(LIVE, line(live_status="is_live"), id="still live"),
        pytest.param(PREMIERE, line(live_status="is_upcoming", release_at=AT + 3600), id="the same time"),
        pytest.param(PREMIERE, line(live_status="is_upcoming"), id="no time any more"),
        pytest.param(far_off(14 * DAY), IN_A_YEAR, id="in a year"),
        pytest.param(far_off(7 * DAY + MIN), IN_A_YEAR, id="in a year, as it said less than a week ago"),
        pytest.param(PRIVATE, line(availability="private"), id="still private"),
        pytest.param(DELETED, line(availability=REMOVED), id="still deleted"),
        pytest.param(replace(LIVE, launches=1), line(), id="a Job has looked at it"),
        pytest.param(replace(DELETED, launches=1), line(), id="a Job has given it up"),
        pytest.param(ledger_entry(LedgerState.PENDING, launches=0), line(), id="queued"),
        pytest.param(None, line(), id="on disk, or new"),
    ],
)
def test_nothing_else_is_known(entry: LedgerEntry | None, seen: EntryLine) -> None:
    """Nothing is written then."""
    active = {} if entry is None else {seen.key: entry}

    assert relisted([seen], active, NOON, has_cookies=False) == {}


@pytest.mark.parametrize(
    ("entry", "seen", "has_cookies"),
    [
        pytest.param(LIVE, line(live_status="was_live"), False, id="the stream is over"),
        pytest.param(PREMIERE, line(), False, id="the premiere began"),
        pytest.param(
            judged(line(availability="subscriber_only")), line(availability="subscriber_only"), True, id="cookies came"
        ),
        pytest.param(PRIVATE, line(), False, id="it is public now"),
        pytest.param(DELETED, line(), False, id="it is back"),
    ],
)
def test_ready(entry: LedgerEntry, seen: EntryLine, has_cookies: bool) -> None:
    """It is queued at once, as if it had just been found."""
    assert relisted([seen], {seen.key: entry}, NOON, has_cookies=has_cookies) == {
        seen.key: ledger_entry(LedgerState.PENDING, launches=0, title=seen.title)
    }


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(PREMIERE, id="it was to be soon"),
        pytest.param(far_off(7 * DAY), id="it said so a week ago"),
        pytest.param(far_off(15 * DAY), id="the clock was ahead"),
        pytest.param(replace(PREMIERE, retry_at=None), id="without a time, by hand"),
    ],
)
def test_put_off_far(entry: LedgerEntry) -> None:
    """A start beyond the longest wait: looked at by then at the latest, and no Job is spent on it before."""
    moved = relisted([IN_A_YEAR], {IN_A_YEAR.key: entry}, NOON, has_cookies=False)

    assert moved == {IN_A_YEAR.key: replace(entry, retry_at=NOON + 14 * DAY)}


def test_moved() -> None:
    """A premiere that is put off is looked at then."""
    seen = line(live_status="is_upcoming", release_at=AT + 7200)
    moved = relisted([seen], {seen.key: PREMIERE}, NOON, has_cookies=False)

    assert moved == {seen.key: replace(PREMIERE, retry_at=NOON + 2 * HOUR + MIN)}


@pytest.mark.parametrize(
    ("entry", "seen"),
    [
        pytest.param(PRIVATE, line(availability=REMOVED), id="private, then deleted"),
        pytest.param(DELETED, line(availability="private"), id="deleted, then private"),
        pytest.param(PREMIERE, line(live_status="is_live"), id="the premiere is on"),
    ],
)
def test_another_reason(entry: LedgerEntry, seen: EntryLine) -> None:
    """The last listing is right."""
    assert relisted([seen], {seen.key: entry}, NOON, has_cookies=False) == {seen.key: judged(seen)}


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(12 * HOUR, id="half a day before its time"),
        pytest.param(-HOUR, id="its time has passed"),
        pytest.param(None, id="without a time, by hand"),
    ],
)
def test_access_that_is_still_missing(left: timedelta | None) -> None:
    """Put off without a Job, for longer each time: it would find what the listing says."""
    entry = replace(PRIVATE, retry_at=None if left is None else NOON + left)
    (put_off,) = relisted([line(availability="private")], {line().key: entry}, NOON, has_cookies=False).values()

    assert put_off == replace(entry, deferrals=2, retry_at=put_off.retry_at)
    assert put_off.retry_at is not None
    assert 2 * DAY <= put_off.retry_at - NOON <= 2 * 1.2 * DAY


def test_the_title_comes_with_the_video() -> None:
    """While it was private the listing told none."""
    seen = line(title="What is a number?", duration_seconds=61)
    (entry,) = relisted([seen], {seen.key: replace(PRIVATE, title=None)}, NOON, has_cookies=False).values()

    assert (entry.title, entry.duration_seconds) == ("What is a number?", 61)
