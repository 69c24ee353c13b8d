"""Videos that a listing already says cannot be had yet: they wait without a Job. Pure.

| the listing says | waits as | until |
|---|---|---|
| `live_status` is_upcoming | NotYet, Premiere; of a Stream LiveScheduled | its start, else the first pause of NotYet |
| is_live | NotYet, Live | the first pause of NotYet |
| post_live | NotYet, PostLive | the first pause of NotYet |
| `availability` subscriber_only, and no cookies | NeedsAccess, MembersOnly | the first pause of NeedsAccess |

When its time comes a Job looks at it, and from then on Jobs' endings alone decide. As long as none has, a later listing
that shows it ready sends it to the queue at once, and one that announces another time moves it there. A start further
ahead than MAX_SITE_WAIT is put off again and again, without a Job: every time half of that has passed, and not at each
listing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from trawler_downloader.contract.listing import EntryLine, Kind
from trawler_downloader.contract.outcomes import LedgerState
from trawler_downloader.contract.reasons import Reason
from trawler_operator.domain.launches.transitions import announced_time, first_deferral, queue_anew
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.pauses import MAX_SITE_WAIT

SEEN_BY_LISTING = "the listing says so; no download was tried"
_BY_LIVE_STATUS = {"is_upcoming": Reason.PREMIERE, "is_live": Reason.LIVE, "post_live": Reason.POST_LIVE}
_MEMBERS_ONLY = "subscriber_only"


@dataclass(frozen=True, slots=True)
class Wait:
    """Why a listed video cannot be had, and when it is looked at.

    Args:
        reason: the downloader's word for the same.
        until: when a Job looks at it.
        announced: the site says so.
    """

    reason: Reason
    until: datetime
    announced: bool = False


def wait_of(line: EntryLine, now: datetime, *, has_cookies: bool) -> Wait | None:
    """What a listed video waits for; None: nothing that the listing tells of.

    Args:
        line: as listed.
        now: the present.
        has_cookies: the spec brings some: whether they do for members-only videos, a Job finds out.
    """
    reason = _BY_LIVE_STATUS.get(line.live_status or "")
    if reason is Reason.PREMIERE and line.kind is Kind.STREAM:
        reason = Reason.LIVE_SCHEDULED
    if reason in {Reason.PREMIERE, Reason.LIVE_SCHEDULED} and (at := announced_time(line.release_at, now)):
        return Wait(reason, at, announced=True)
    if reason is None and line.availability == _MEMBERS_ONLY and not has_cookies:
        reason = Reason.MEMBERS_ONLY
    return None if reason is None else Wait(reason, first_deferral(line.key, reason.outcome, now))


def make_wait(entry: LedgerEntry, wait: Wait) -> LedgerEntry:
    """A new entry that was to be queued, as one that waits."""
    return replace(
        entry,
        state=LedgerState.WAITING,
        outcome=wait.reason.outcome,
        reason=wait.reason.value,
        message=SEEN_BY_LISTING,
        deferrals=1,
        retry_at=wait.until,
    )


def relisted(
    lines: Iterable[EntryLine], active: Mapping[str, LedgerEntry], now: datetime, *, has_cookies: bool
) -> dict[str, LedgerEntry]:
    """Entries that wait on the word of a listing, and that a new listing has another word for.

    Args:
        lines: all that was listed.
        active: the ledger's active entries.
        now: the present.
        has_cookies: the spec brings some.
    """
    changed: dict[str, LedgerEntry] = {}
    for line in lines:
        entry = active.get(line.key)
        if entry is None or entry.state is not LedgerState.WAITING or entry.launches:
            continue
        wait = wait_of(line, now, has_cookies=has_cookies)
        if wait is None:
            changed[line.key] = queue_anew(entry)
        elif wait.announced and not _waits_long_enough(entry, wait, now):
            changed[line.key] = replace(entry, reason=wait.reason.value, retry_at=wait.until)
    return changed


def _waits_long_enough(entry: LedgerEntry, wait: Wait, now: datetime) -> bool:
    """Whether the time at which it is looked at suits an announced start."""
    if wait.until < now + MAX_SITE_WAIT or entry.retry_at is None:
        return wait.until == entry.retry_at
    return MAX_SITE_WAIT / 2 < entry.retry_at - now <= MAX_SITE_WAIT
