"""Whether a site accepts a Subscription's cookies: what launches and listings say of them, as a condition. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.listing import ListingEnd, TrailerLine
from trawler_downloader.contract.reasons import Reason
from trawler_operator.api.conditions import Condition, ConditionStatus, ConditionType, make_condition
from trawler_operator.api.reasons import ConditionReason, message

_UNUSABLE = {
    Reason.COOKIES_MISSING.value: ConditionReason.COOKIES_MISSING,
    Reason.COOKIES_MALFORMED.value: ConditionReason.COOKIES_MALFORMED,
}


@dataclass(frozen=True, slots=True)
class CookiesVerdict:
    """What is known of the cookies now.

    Args:
        reason: reason of the condition.
        detail: text for people if the finder has one; empty for the usual text.
    """

    reason: ConditionReason
    detail: str = ""


def cookies_verdict(told: DownloadResult | TrailerLine | None) -> CookiesVerdict | None:
    """What the end of a launch or listing says of the cookies; None if it says nothing."""
    if told is None:
        return None
    if told.reason in _UNUSABLE:
        return CookiesVerdict(_UNUSABLE[told.reason], told.message or "")
    if told.cookies_invalid:
        return CookiesVerdict(ConditionReason.COOKIES_REJECTED)
    return CookiesVerdict(ConditionReason.COOKIES_ACCEPTED) if told.cookies_used else None


def cookies_found(previous: Iterable[Condition]) -> CookiesVerdict | None:
    """The verdict after the Secret was read: if it was missing before, that is over, and nothing is known."""
    return _no_longer(ConditionReason.COOKIES_MISSING, previous)


def cookies_read(trailer: TrailerLine, previous: Iterable[Condition]) -> CookiesVerdict | None:
    """The verdict after a listing with cookies that says nothing of them: if they were malformed, that is over."""
    return None if trailer.end is ListingEnd.ERROR else _no_longer(ConditionReason.COOKIES_MALFORMED, previous)


def _no_longer(trouble: ConditionReason, previous: Iterable[Condition]) -> CookiesVerdict | None:
    said = (ConditionType.COOKIES_VALID, trouble)
    return (
        CookiesVerdict(ConditionReason.NOT_CHECKED_YET) if any((c.type, c.reason) == said for c in previous) else None
    )


def cookies_condition(
    previous: Iterable[Condition], verdict: CookiesVerdict | None, secret: str, *, generation: int, now: datetime
) -> Condition | None:
    """The condition CookiesValid; None if the Subscription names no cookies.

    Args:
        previous: the present conditions.
        verdict: what this pass found out; None: nothing new. A new generation may name other cookies.
        secret: the Secret that holds the cookies; empty: none.
        generation: generation of the spec.
        now: the present.
    """
    if not secret:
        return None
    previous = tuple(previous)
    kept = next((c for c in previous if c.type == ConditionType.COOKIES_VALID), None)
    if verdict is None and kept is not None and kept.observed_generation == generation:
        return kept
    reason = verdict.reason if verdict else ConditionReason.NOT_CHECKED_YET
    match reason:
        case ConditionReason.COOKIES_ACCEPTED:
            status = ConditionStatus.TRUE
        case ConditionReason.NOT_CHECKED_YET:
            status = ConditionStatus.UNKNOWN
        case _:
            status = ConditionStatus.FALSE
    text = (verdict.detail if verdict else "") or message(reason, secret=secret)
    return make_condition(previous, ConditionType.COOKIES_VALID, status, reason, text, generation=generation, now=now)
