"""Videos that a listing shows as unavailable: they wait, or are given up, without a Job. Pure.

| the listing says | becomes | until |
|---|---|---|
| `live_status` is_upcoming | Waiting, NotYet, Premiere (a Stream: LiveScheduled) | its start, else the first pause |
| is_live | Waiting, NotYet, Live | the first pause of NotYet |
| post_live | Waiting, NotYet, PostLive | the first pause of NotYet |
| `availability` removed | DeadLetter, Terminal, VideoRemoved | a listing shows the video again |
| premium_only, and no cookies | DeadLetter, Terminal, Payment | a listing says otherwise, or cookies come |
| private, and no cookies | Waiting, NeedsAccess, Private | the first pause of NeedsAccess |
| subscriber_only, and no cookies | Waiting, NeedsAccess, MembersOnly | the first pause of NeedsAccess |
| needs_auth, and no cookies | Waiting, NeedsAccess, LoginRequired | the first pause of NeedsAccess |

Reason and class are the ones that a Job would report. `unlisted` and `public` are no obstacle. A listing does not show
age and country limits; a Job finds those. If the spec has cookies, only a Job can find out whether they give access.

When the time of a waiting video comes, a Job looks at it, and from then on only the endings of Jobs decide. Until then:

- a listing that shows the video ready sends it to the queue at once;
- a listing that gives another reason is believed;
- a premiere that is announced for another time waits until that time;
- a start further ahead than MAX_SITE_WAIT is put off again each time half of that has passed, not at each listing;
- a video that still needs access is put off again, for longer each time, shortly before a Job would look at it in vain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from trawler_downloader.contract.listing import REMOVED, EntryLine, Kind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_operator.domain.launches.transitions import announced_time, first_deferral, queue_anew
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.pauses import DEFERRED_PAUSES, MAX_SITE_WAIT, backoff, spread

SEEN_BY_LISTING = "the listing says so; no download was tried"
_BY_LIVE_STATUS = {"is_upcoming": Reason.PREMIERE, "is_live": Reason.LIVE, "post_live": Reason.POST_LIVE}
_WITHOUT_COOKIES = {
    "private": Reason.PRIVATE,
    "subscriber_only": Reason.MEMBERS_ONLY,
    "needs_auth": Reason.LOGIN_REQUIRED,
    "premium_only": Reason.PAYMENT,
}
"""yt-dlp's availabilities (`InfoExtractor._availability`) of videos that nobody sees without an account."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a listed video is unavailable, and when it is looked at.

    Args:
        reason: the downloader's word for it.
        until: when a Job looks at the video; None: never, it is given up.
        announced: whether the site announces that time.
    """

    reason: Reason
    until: datetime | None
    announced: bool = False


def judge(line: EntryLine, now: datetime, *, has_cookies: bool) -> Verdict | None:
    """Why a listed video is unavailable; None if the listing shows no obstacle.

    Args:
        line: the video as listed.
        now: the present.
        has_cookies: whether the spec has cookies.
    """
    reason = _reason(line, has_cookies=has_cookies)
    if reason is None:
        return None
    if reason.outcome is OutcomeClass.TERMINAL:
        return Verdict(reason, None)
    if reason in {Reason.PREMIERE, Reason.LIVE_SCHEDULED} and (at := announced_time(line.release_at, now)):
        return Verdict(reason, at, announced=True)
    return Verdict(reason, first_deferral(line.key, reason.outcome, now))


def apply_verdict(entry: LedgerEntry, verdict: Verdict) -> LedgerEntry:
    """An entry that no Job has looked at, now waiting or given up."""
    given_up = verdict.until is None
    return replace(
        entry,
        state=LedgerState.DEAD_LETTER if given_up else LedgerState.WAITING,
        outcome=verdict.reason.outcome,
        reason=verdict.reason.value,
        message=SEEN_BY_LISTING,
        deferrals=0 if given_up else 1,
        retry_at=verdict.until,
    )


def relisted(
    lines: Iterable[EntryLine], active: Mapping[str, LedgerEntry], now: datetime, *, has_cookies: bool
) -> dict[str, LedgerEntry]:
    """Entries that only listings have judged so far, and that a new listing changes.

    Args:
        lines: all that was listed.
        active: the ledger's active entries.
        now: the present.
        has_cookies: whether the spec has cookies.
    """
    changed: dict[str, LedgerEntry] = {}
    for line in lines:
        entry = active.get(line.key)
        if entry is None or entry.launches or not (entry.state is LedgerState.WAITING or entry.was_listed_as_gone):
            continue
        again = _judge_again(entry, line, judge(line, now, has_cookies=has_cookies), now)
        if again != entry:
            changed[line.key] = again
    return changed


def _reason(line: EntryLine, *, has_cookies: bool) -> Reason | None:
    if line.availability == REMOVED:
        return Reason.VIDEO_REMOVED
    reason = _BY_LIVE_STATUS.get(line.live_status or "")
    if reason is Reason.PREMIERE and line.kind is Kind.STREAM:
        return Reason.LIVE_SCHEDULED
    if reason is None and not has_cookies:
        return _WITHOUT_COOKIES.get(line.availability or "")
    return reason


def _judge_again(entry: LedgerEntry, line: EntryLine, verdict: Verdict | None, now: datetime) -> LedgerEntry:
    if verdict is None:
        # The listing had a placeholder where the title is, so the entry has no title yet.
        title, duration = line.title or entry.title, line.duration_seconds or entry.duration_seconds
        return replace(queue_anew(entry), title=title, duration_seconds=duration)
    if verdict.reason != entry.reason:
        return apply_verdict(entry, verdict)
    if verdict.announced and not _waits_long_enough(entry, verdict.until, now):
        return replace(entry, retry_at=verdict.until)
    if verdict.reason.outcome is OutcomeClass.NEEDS_ACCESS:
        return _put_off(line.key, entry, now)
    return entry


def _put_off(key: str, entry: LedgerEntry, now: datetime) -> LedgerEntry:
    pause = DEFERRED_PAUSES[OutcomeClass.NEEDS_ACCESS]
    if entry.retry_at is not None and entry.retry_at > now + pause.first / 2:
        return entry
    deferrals = entry.deferrals + 1
    return replace(
        entry,
        deferrals=deferrals,
        retry_at=now + spread(backoff(pause.first, pause.longest, deferrals), key, 0),
    )


def _waits_long_enough(entry: LedgerEntry, until: datetime | None, now: datetime) -> bool:
    """Whether the time at which a Job looks at the video suits its announced start."""
    if until is None or entry.retry_at is None or until < now + MAX_SITE_WAIT:
        return until == entry.retry_at
    return MAX_SITE_WAIT / 2 < entry.retry_at - now <= MAX_SITE_WAIT
