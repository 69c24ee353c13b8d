"""What a Subscription's conditions say: one method per condition, each reading like its definition. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from trawler_downloader.contract.listing import ListingEnd
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason, class_of
from trawler_operator.api.conditions import REASON_PATTERN, Condition, ConditionStatus, ConditionType, make_condition
from trawler_operator.api.labels import ledger_selector
from trawler_operator.api.reasons import ConditionReason, message
from trawler_operator.api.status import Counts, LibraryStatus, SubscriptionStatus
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.checks.schedule import GONE_AFTER

MAX_BROKEN_NAMED = 5
_NAME_COOKIES = "name the cookies of an account that may see them in spec.access.cookiesSecretRef"
_ASK_AGAIN = "; then ask for the videos with the annotation trawler.dev/retry: <new id>;class=NeedsAccess"
_REASON = re.compile(REASON_PATTERN)

_SAID_BY_A_CHECK = frozenset({ConditionReason.CHECK_FAILED})
_SAID_OF_NO_SOURCE = frozenset(
    {
        ConditionReason.LISTER_UNAVAILABLE,
        ConditionReason.LEDGER_NOT_WRITABLE,
        ConditionReason.LEDGER_BUSY,
        ConditionReason.CHECK_NOT_RECORDED,
    }
)
"""Reasons of Ready that stay until the next check.

Those of _SAID_BY_A_CHECK always do. These do only if the last check itself failed because of trouble of ours.
"""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How a check ended.

    Args:
        at: when it was made.
        end: end of the listing; None: the lister itself failed, which says nothing about the source.
        outcome: the failure's class, with ListingEnd.ERROR.
        reason: the lister's CamelCase word, with ListingEnd.ERROR.
        detail: text for people.
        source_id: canonical id of the first source listed.
        source_title: title of that source.
        requested: value of the annotation that asked for the check; None: it was due anyway.
    """

    at: datetime
    end: ListingEnd | None
    outcome: OutcomeClass | None = None
    reason: str | None = None
    detail: str = ""
    source_id: str | None = None
    source_title: str | None = None
    requested: str | None = None

    @property
    def went_well(self) -> bool:
        """Whether the listing may be used."""
        return self.end is not None and self.end is not ListingEnd.ERROR

    @property
    def found_no_source(self) -> bool:
        """Whether the site says that the source does not exist: it is gone, or its page is not found."""
        return self.end is ListingEnd.ERROR and (
            self.outcome is OutcomeClass.TERMINAL or self.reason == Reason.NOT_FOUND
        )


class Judge:
    """Sets conditions.

    Args:
        previous: the present conditions. A condition that does not change keeps its transition time.
        generation: generation of the spec that is judged.
        now: the present.
        is_stale: whether nobody has looked at the source since the part of the spec changed that listings are made
            from.
    """

    def __init__(
        self, previous: Iterable[Condition], generation: int, now: datetime, *, is_stale: bool = False
    ) -> None:
        self._previous = tuple(previous)
        self._is_stale = is_stale
        self._generation = generation
        self._now = now

    def ready(
        self,
        subscription: Subscription,
        status: SubscriptionStatus,
        check: CheckReport | None,
        blocker: Blocker | None,
        waiting: Mapping[str, int],
        *,
        knows_any: bool,
    ) -> Condition:
        """Ready, with the first reason that holds."""
        kind = ConditionType.READY
        if subscription.spec.suspend and not (blocker and blocker.is_failure):
            return self._set(kind, ConditionStatus.TRUE, ConditionReason.SUSPENDED, message(ConditionReason.SUSPENDED))
        if blocker is not None:
            return self.blocked(blocker)
        if status.gone_checks >= GONE_AFTER and not self._is_stale:
            text = message(ConditionReason.SOURCE_GONE, checks=status.gone_checks)
            return self._set(kind, ConditionStatus.FALSE, ConditionReason.SOURCE_GONE, text)
        if check is None and (status.last_check_time is None or self._is_stale):
            return self.unknown(kind)
        said = self._since_last_check(kind, status) if check is None else self._after(kind, check)
        if said.status is not ConditionStatus.TRUE:
            return said
        needed = self._kept(kind)
        if needed is not None and needed.reason == ConditionReason.ACCESS_NEEDED and _only_looks_again(status.counts):
            return needed
        nothing = _nothing_to_do(subscription, status.counts, waiting, knows_any=knows_any)
        return said if nothing is None else self.blocked(nothing)

    def source_reachable(self, status: SubscriptionStatus, check: CheckReport | None) -> Condition:
        """Whether the last listing was complete."""
        kind = ConditionType.SOURCE_REACHABLE
        if check is None or check.end is None:
            return (None if self._is_stale else self._kept(kind)) or self.unknown(kind)
        if check.end is ListingEnd.ERROR:
            said = check.reason if check.reason and _REASON.match(check.reason) else ConditionReason.CHECK_FAILED
            reason = ConditionReason.SOURCE_GONE if status.gone_checks >= GONE_AFTER else said
            return self._set(kind, ConditionStatus.FALSE, reason, check.detail)
        listed = ConditionReason.LISTING_TOO_LONG if check.end is ListingEnd.LIMIT else ConditionReason.LISTED
        return self._set(kind, ConditionStatus.TRUE, listed, message(listed))

    def up_to_date(self, status: SubscriptionStatus, waiting: Mapping[str, int]) -> Condition:
        """Whether no selected video waits for its download."""
        kind = ConditionType.UP_TO_DATE
        counts = status.counts
        retrying = counts.failed - counts.dead_letter
        if counts.queued or counts.running or retrying:
            text = message(
                ConditionReason.DOWNLOADS_PENDING, queued=counts.queued, running=counts.running, retrying=retrying
            )
            return self._set(kind, ConditionStatus.FALSE, ConditionReason.DOWNLOADS_PENDING, text)
        if status.last_successful_check_time is None or self._is_stale:
            return self.unknown(kind)
        if waiting:
            text = message(ConditionReason.WAITING_FOR_VIDEOS, waiting=_listed(waiting))
            return self._set(kind, ConditionStatus.TRUE, ConditionReason.WAITING_FOR_VIDEOS, text)
        return self._set(
            kind, ConditionStatus.TRUE, ConditionReason.ALL_DOWNLOADED, message(ConditionReason.ALL_DOWNLOADED)
        )

    def library_in_place(self, standing: LibraryStatus | None, wanted: LibraryStatus | None) -> Condition:
        """Whether earlier downloads are where new ones will go."""
        kind = ConditionType.LIBRARY_IN_PLACE
        if standing is None or wanted is None or standing == wanted:
            text = message(ConditionReason.IN_PLACE)
            return self._set(kind, ConditionStatus.TRUE, ConditionReason.IN_PLACE, text)
        text = message(ConditionReason.LIBRARY_CHANGED, new=_describe(wanted), old=_describe(standing))
        return self._set(kind, ConditionStatus.FALSE, ConditionReason.LIBRARY_CHANGED, text)

    def ledger_intact(self, subscription: Subscription, broken: Sequence[str]) -> Condition:
        """Whether every value of the ledger can be read."""
        kind = ConditionType.LEDGER_INTACT
        if not broken:
            text = message(ConditionReason.ENTRIES_READABLE)
            return self._set(kind, ConditionStatus.TRUE, ConditionReason.ENTRIES_READABLE, text)
        names = ", ".join(broken[:MAX_BROKEN_NAMED]) + (", …" if len(broken) > MAX_BROKEN_NAMED else "")
        text = message(
            ConditionReason.ENTRIES_BROKEN,
            count=len(broken),
            names=names,
            namespace=subscription.namespace,
            selector=ledger_selector(subscription.name),
        )
        return self._set(kind, ConditionStatus.FALSE, ConditionReason.ENTRIES_BROKEN, text)

    def blocked(self, blocker: Blocker) -> Condition:
        """Ready while a blocker holds: a person must mend something, or objects of an earlier Subscription must go."""
        return self._set(ConditionType.READY, ConditionStatus.FALSE, blocker.reason, blocker.message)

    def unknown(self, kind: ConditionType) -> Condition:
        """A condition about which nothing can be said yet."""
        return self._set(
            kind, ConditionStatus.UNKNOWN, ConditionReason.NOT_CHECKED_YET, message(ConditionReason.NOT_CHECKED_YET)
        )

    def _after(self, kind: ConditionType, check: CheckReport) -> Condition:
        """Ready, right after a check."""
        if check.went_well:
            return self._set(kind, ConditionStatus.TRUE, ConditionReason.WATCHING, message(ConditionReason.WATCHING))
        reason = ConditionReason.LISTER_UNAVAILABLE if check.end is None else ConditionReason.CHECK_FAILED
        return self._set(kind, ConditionStatus.FALSE, reason, message(reason, detail=check.detail))

    def _since_last_check(self, kind: ConditionType, status: SubscriptionStatus) -> Condition:
        """Ready between two checks: what the last check said."""
        if status.last_check_outcome is None:
            return self._set(kind, ConditionStatus.TRUE, ConditionReason.WATCHING, message(ConditionReason.WATCHING))
        kept = self._kept(kind)
        ours = _SAID_OF_NO_SOURCE if status.last_check_outcome is OutcomeClass.ENVIRONMENT else frozenset()
        if kept is not None and kept.reason in _SAID_BY_A_CHECK | ours:
            return kept
        # Ready named something else in between, so the check's own words are taken from SourceReachable.
        source = self._kept(ConditionType.SOURCE_REACHABLE)
        said = source is not None and source.status is ConditionStatus.FALSE
        detail = source.message if source is not None and said else str(status.last_check_outcome)
        text = message(ConditionReason.CHECK_FAILED, detail=detail)
        return self._set(kind, ConditionStatus.FALSE, ConditionReason.CHECK_FAILED, text)

    def _kept(self, kind: ConditionType) -> Condition | None:
        """The present condition, judged for this generation; None if there is none."""
        for condition in self._previous:
            if condition.type == kind:
                return condition.model_copy(update={"observed_generation": self._generation})
        return None

    def _set(self, kind: ConditionType, status: ConditionStatus, reason: str, text: str) -> Condition:
        return make_condition(self._previous, kind, status, reason, text, generation=self._generation, now=self._now)


def _only_looks_again(counts: Counts) -> bool:
    """Whether only second looks run, at videos that were not available so far: these change nothing before they end."""
    return counts.running > 0 and not (counts.downloaded or counts.queued or counts.failed)


def _nothing_to_do(
    subscription: Subscription, counts: Counts, waiting: Mapping[str, int], *, knows_any: bool
) -> Blocker | None:
    """Why a source that is checked well has brought nothing yet, so that the spec must change; None if it need not."""
    if counts.downloaded or counts.queued or counts.running or counts.failed:
        return None
    if waiting and all(class_of(reason) is OutcomeClass.NEEDS_ACCESS for reason in waiting):
        reason = ConditionReason.ACCESS_NEEDED
        advice = "see spec.access.cookies" if subscription.spec.access.cookies_secret_ref else _NAME_COOKIES
        return Blocker(reason, message(reason, waiting=_listed(waiting), advice=advice + _ASK_AGAIN))
    if not knows_any:
        kinds = ", ".join(subscription.spec.select.kinds or ()) or "those of the URL, or Video"
        return Blocker(ConditionReason.NOTHING_LISTED, message(ConditionReason.NOTHING_LISTED, kinds=kinds))
    return None


def _listed(waiting: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in sorted(waiting.items()))


def _describe(library: LibraryStatus) -> str:
    folder = f", folder {library.folder}" if library.folder else ""
    return f"claim {library.claim_name}, path /{library.path}, layout {library.layout}{folder}"
