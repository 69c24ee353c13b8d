"""What a Subscription's status says after a pass. Pure: the previous status, what this pass saw, and the clock.

The whole status is built anew each time and compared; only what differs is sent, and nothing if nothing does. What is
remembered from pass to pass (times of checks, failures in a row, the pause, the library of earlier downloads) is
carried over here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trawler_downloader.contract.listing import ListingEnd
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_downloader.contract.reasons import Reason as DownloaderReason
from trawler_operator.api.conditions import (
    MAX_REASON,
    REASON_PATTERN,
    Condition,
    ConditionStatus,
    ConditionType,
    make_condition,
)
from trawler_operator.api.labels import ledger_selector
from trawler_operator.api.model import format_time
from trawler_operator.api.reasons import Reason, message
from trawler_operator.api.subscription import (
    MAX_KEY,
    MAX_RECENT,
    MAX_TEXT,
    Backoff,
    Counts,
    HandledRequest,
    Identity,
    InvalidSpecError,
    LedgerStatus,
    LibraryStatus,
    RecentFailure,
    RecentVideo,
    SourceStatus,
    Subscription,
    SubscriptionStatus,
)
from trawler_operator.domain.cookies import CookiesVerdict, cookies_condition
from trawler_operator.domain.job_settings import cookies_secret
from trawler_operator.domain.ledger_entry import LedgerEntry
from trawler_operator.domain.retry import paused_until
from trawler_operator.domain.schedule import GONE_AFTER

MAX_BROKEN_NAMED = 5
UNFINISHED_STATES = (LedgerState.PENDING, LedgerState.RUNNING, LedgerState.FAILED)
_REASON = re.compile(REASON_PATTERN)

_SAID_BY_A_CHECK = frozenset({Reason.CHECK_FAILED})
_SAID_OF_NO_SOURCE = frozenset({Reason.LISTER_UNAVAILABLE, Reason.LEDGER_NOT_WRITABLE})
"""Reasons of Ready that stand until the next check; these only if the last one itself ended so, by trouble of ours."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """Something outside the spec and the site that a person has to mend before anything can be downloaded."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How a check ended.

    Args:
        at: when it was made.
        end: of the listing; None: the lister itself failed, which says nothing about the source.
        outcome: the failure's class, with ListingEnd.ERROR.
        reason: the lister's CamelCase word, with ListingEnd.ERROR.
        detail: for people.
        source_id: canonical id of the first source listed.
        source_title: its title.
        requested: value of the annotation that asked for it; None: it was due anyway.
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
        """The listing may be used."""
        return self.end is not None and self.end is not ListingEnd.ERROR

    @property
    def found_no_source(self) -> bool:
        """The site says that there is none: it is gone, or the page that should show it is not there."""
        return self.end is ListingEnd.ERROR and (
            self.outcome is OutcomeClass.TERMINAL or self.reason == DownloaderReason.NOT_FOUND
        )


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the status shows of the ledger.

    Args:
        counts: entries per state.
        total_bytes: of all media files.
        shards: number of ConfigMaps.
        recent_successes: key and entry, newest first.
        recent_failures: key and entry, newest first.
        broken: `<ConfigMap>/<key>` of the values that cannot be read.
    """

    counts: Mapping[LedgerState, int] = field(default_factory=dict)
    total_bytes: int = 0
    shards: int = 0
    recent_successes: Sequence[tuple[str, LedgerEntry]] = ()
    recent_failures: Sequence[tuple[str, LedgerEntry]] = ()
    broken: Sequence[str] = ()


def build_status(
    subscription: Subscription,
    ledger: LedgerFacts,
    *,
    library: LibraryStatus | None,
    check: CheckReport | None,
    blocker: Blocker | None,
    backoff: Backoff | None,
    next_check: datetime | None,
    now: datetime,
    cookies: CookiesVerdict | None = None,
) -> SubscriptionStatus:
    """The status of a Subscription with a valid spec.

    Args:
        subscription: with its previous status.
        ledger: as it stands after this pass.
        library: where new files go, defaults filled in; None: no claim is named.
        check: the check that this pass made; None: none was due.
        blocker: what keeps Jobs from being created.
        backoff: the pause of downloads, over or not.
        next_check: None while suspended.
        now: the present.
        cookies: what this pass found out about them.
    """
    previous = subscription.status
    status = _after_check(previous, check, subscription.generation)
    status = status.model_copy(
        update={
            "observed_generation": subscription.generation,
            "counts": _counts(ledger.counts),
            "bytes": ledger.total_bytes,
            "library": _standing_library(previous.library, library, ledger.counts),
            "next_check_time": next_check,
            "backoff": None if backoff is None or _is_moot(backoff, ledger.counts, now) else backoff,
            "recent_videos": tuple(_recent_video(*pair) for pair in ledger.recent_successes[:MAX_RECENT]),
            "recent_failures": tuple(_recent_failure(*pair) for pair in ledger.recent_failures[:MAX_RECENT]),
            "ledger": LedgerStatus(selector=ledger_selector(subscription.name), shards=ledger.shards),
        }
    )
    judge = _Judge(previous.conditions, subscription.generation, now)
    conditions = (
        judge.ready(subscription, status, check, blocker),
        judge.source_reachable(status, check),
        judge.up_to_date(status),
        judge.library_changed(status.library, library),
        judge.ledger_intact(ledger.broken),
    )
    about_cookies = cookies_condition(
        previous.conditions,
        cookies,
        cookies_secret(subscription.spec),
        generation=subscription.generation,
        now=now,
    )
    return status.model_copy(update={"conditions": (*conditions, *([about_cookies] if about_cookies else []))})


def build_invalid_status(identity: Identity, error: InvalidSpecError, now: datetime) -> SubscriptionStatus:
    """The status of a Subscription whose spec breaks a rule: everything stays, Ready says what to mend."""
    text = message(Reason.INVALID_SPEC, field=error.field, detail=error.message)
    status = build_blocked_status(identity, Blocker(Reason.INVALID_SPEC, text), now)
    return status.model_copy(update={"observed_generation": identity.generation, "next_check_time": None})


def build_blocked_status(identity: Identity, blocker: Blocker, now: datetime) -> SubscriptionStatus:
    """The status while nothing could even be looked at: everything stays, Ready says why."""
    judge = _Judge(identity.status.conditions, identity.generation, now)
    ready = judge.blocked(blocker)
    kept = {c.type: c for c in identity.status.conditions}
    usual = [kind for kind in ConditionType if kind not in {ConditionType.READY, ConditionType.COOKIES_VALID}]
    others = [kept.get(kind) or judge.unknown(kind) for kind in usual]
    others += [kept[kind] for kind in (ConditionType.COOKIES_VALID,) if kind in kept]
    return identity.status.model_copy(update={"conditions": (ready, *others)})


def _after_check(previous: SubscriptionStatus, check: CheckReport | None, generation: int) -> SubscriptionStatus:
    """What is remembered of checks."""
    if check is None:
        return previous
    update: dict[str, Any] = {"last_check_time": check.at, "last_check_generation": generation}
    if check.requested is not None:
        handled = HandledRequest(id=check.requested[:MAX_KEY], time=check.at)
        update["last_handled"] = previous.last_handled.model_copy(update={"check": handled})
    if check.went_well:
        update |= {"last_successful_check_time": check.at, "last_check_outcome": None, "failed_checks": 0}
    else:
        outcome = OutcomeClass.ENVIRONMENT if check.end is None else check.outcome or OutcomeClass.TRANSIENT
        update |= {"last_check_outcome": outcome, "failed_checks": previous.failed_checks + 1}
    if check.end is not None:
        in_a_row = previous.gone_checks if previous.last_check_generation == generation else 0
        update["gone_checks"] = in_a_row + 1 if check.found_no_source else 0
    if check.end in {ListingEnd.COMPLETE, ListingEnd.LIMIT}:  # at the limit, all that can be walked was
        update["last_audit_time"] = check.at
    if check.went_well and check.source_id is not None:
        title = None if check.source_title is None else check.source_title[:MAX_TEXT]
        update["source"] = SourceStatus(id=check.source_id[:MAX_KEY], title=title)
    return previous.model_copy(update=update)


def _is_moot(backoff: Backoff, counts: Mapping[LedgerState, int], now: datetime) -> bool:
    """A pause is over and no download is left that could prove it right or wrong."""
    return paused_until(backoff, now) is None and not any(counts.get(state) for state in UNFINISHED_STATES)


def _counts(states: Mapping[LedgerState, int]) -> Counts:
    dead = states.get(LedgerState.DEAD_LETTER, 0)
    return Counts(
        downloaded=states.get(LedgerState.SUCCEEDED, 0),
        queued=states.get(LedgerState.PENDING, 0),
        running=states.get(LedgerState.RUNNING, 0),
        failed=states.get(LedgerState.FAILED, 0) + dead,
        dead_letter=dead,
        waiting=states.get(LedgerState.WAITING, 0),
        skipped=states.get(LedgerState.SKIPPED, 0),
    )


def _standing_library(
    previous: LibraryStatus | None, wanted: LibraryStatus | None, counts: Mapping[LedgerState, int]
) -> LibraryStatus | None:
    """Where earlier downloads stand: the first library, until nothing was downloaded or is on its way to it."""
    standing = counts.get(LedgerState.SUCCEEDED, 0) + counts.get(LedgerState.RUNNING, 0)
    return previous if previous is not None and standing else wanted


def _recent_video(key: str, entry: LedgerEntry) -> RecentVideo:
    return RecentVideo(
        key=key,
        title=_cut(entry.title),
        path=None if entry.path is None else entry.path[:1024],
        bytes=entry.bytes,
        finished_time=entry.times.finished,
    )


def _recent_failure(key: str, entry: LedgerEntry) -> RecentFailure:
    return RecentFailure(
        key=key,
        title=_cut(entry.title),
        state=entry.state,
        reason=None if entry.reason is None else entry.reason[:MAX_REASON],
        message=_cut(entry.message),
        failures=entry.failures,
        finished_time=entry.times.finished,
        retry_time=entry.retry_at,
    )


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:MAX_TEXT]


class _Judge:
    """Sets conditions; one method per condition, each reading like its definition."""

    def __init__(self, previous: Iterable[Condition], generation: int, now: datetime) -> None:
        self._previous = tuple(previous)
        self._generation = generation
        self._now = now

    def ready(
        self,
        subscription: Subscription,
        status: SubscriptionStatus,
        check: CheckReport | None,
        blocker: Blocker | None,
    ) -> Condition:
        """The first of the reasons that holds."""
        kind = ConditionType.READY
        if subscription.spec.suspend:
            return self._set(kind, ConditionStatus.TRUE, Reason.SUSPENDED, message(Reason.SUSPENDED))
        if blocker is not None:
            return self.blocked(blocker)
        if status.backoff is not None:
            reason = Reason.VOLUME_UNAVAILABLE
            until = format_time(status.backoff.until_time)
            text = message(reason, until=until, detail=f"{status.backoff.reason}: {status.backoff.message}")
            return self._set(kind, ConditionStatus.FALSE, reason, text)
        if status.gone_checks >= GONE_AFTER:
            text = message(Reason.SOURCE_GONE, checks=status.gone_checks)
            return self._set(kind, ConditionStatus.FALSE, Reason.SOURCE_GONE, text)
        if check is not None:
            return self._after(kind, check)
        if status.last_check_time is None:
            return self.unknown(kind)
        return self._since_last_check(kind, status)

    def source_reachable(self, status: SubscriptionStatus, check: CheckReport | None) -> Condition:
        """The last listing was complete."""
        kind = ConditionType.SOURCE_REACHABLE
        if check is None or check.end is None:
            return self._kept(kind) or self.unknown(kind)
        if check.end is ListingEnd.ERROR:
            said = check.reason if check.reason and _REASON.match(check.reason) else Reason.CHECK_FAILED
            reason = Reason.SOURCE_GONE if status.gone_checks >= GONE_AFTER else said
            return self._set(kind, ConditionStatus.FALSE, reason, check.detail)
        listed = Reason.LISTING_TOO_LONG if check.end is ListingEnd.LIMIT else Reason.LISTED
        return self._set(kind, ConditionStatus.TRUE, listed, message(listed))

    def up_to_date(self, status: SubscriptionStatus) -> Condition:
        """Nothing selected waits to be downloaded."""
        kind = ConditionType.UP_TO_DATE
        counts = status.counts
        retrying = counts.failed - counts.dead_letter
        if counts.queued or counts.running or retrying:
            text = message(Reason.DOWNLOADS_PENDING, queued=counts.queued, running=counts.running, retrying=retrying)
            return self._set(kind, ConditionStatus.FALSE, Reason.DOWNLOADS_PENDING, text)
        if status.last_successful_check_time is None:
            return self.unknown(kind)
        return self._set(kind, ConditionStatus.TRUE, Reason.ALL_DOWNLOADED, message(Reason.ALL_DOWNLOADED))

    def library_changed(self, standing: LibraryStatus | None, wanted: LibraryStatus | None) -> Condition:
        """Earlier downloads stand elsewhere than new ones will."""
        kind = ConditionType.LIBRARY_CHANGED
        if standing is None or wanted is None or standing == wanted:
            text = message(Reason.LIBRARY_UNCHANGED)
            return self._set(kind, ConditionStatus.FALSE, Reason.LIBRARY_UNCHANGED, text)
        text = message(Reason.LIBRARY_CHANGED, new=_describe(wanted), old=_describe(standing))
        return self._set(kind, ConditionStatus.TRUE, Reason.LIBRARY_CHANGED, text)

    def ledger_intact(self, broken: Sequence[str]) -> Condition:
        """Every value of the ledger can be read."""
        kind = ConditionType.LEDGER_INTACT
        if not broken:
            text = message(Reason.ENTRIES_READABLE)
            return self._set(kind, ConditionStatus.TRUE, Reason.ENTRIES_READABLE, text)
        names = ", ".join(broken[:MAX_BROKEN_NAMED]) + (", …" if len(broken) > MAX_BROKEN_NAMED else "")
        text = message(Reason.ENTRIES_BROKEN, count=len(broken), names=names)
        return self._set(kind, ConditionStatus.FALSE, Reason.ENTRIES_BROKEN, text)

    def blocked(self, blocker: Blocker) -> Condition:
        """Ready, while a person has to mend something or the past has to go."""
        return self._set(ConditionType.READY, ConditionStatus.FALSE, blocker.reason, blocker.message)

    def unknown(self, kind: ConditionType) -> Condition:
        """Nothing can be said yet."""
        return self._set(kind, ConditionStatus.UNKNOWN, Reason.NOT_CHECKED_YET, message(Reason.NOT_CHECKED_YET))

    def _after(self, kind: ConditionType, check: CheckReport) -> Condition:
        """Ready, right after a check."""
        if check.went_well:
            return self._set(kind, ConditionStatus.TRUE, Reason.WATCHING, message(Reason.WATCHING))
        reason = Reason.LISTER_UNAVAILABLE if check.end is None else Reason.CHECK_FAILED
        return self._set(kind, ConditionStatus.FALSE, reason, message(reason, detail=check.detail))

    def _since_last_check(self, kind: ConditionType, status: SubscriptionStatus) -> Condition:
        """Ready, between two checks: what the last one said."""
        if status.last_check_outcome is None:
            return self._set(kind, ConditionStatus.TRUE, Reason.WATCHING, message(Reason.WATCHING))
        kept = self._kept(kind)
        ours = _SAID_OF_NO_SOURCE if status.last_check_outcome is OutcomeClass.ENVIRONMENT else frozenset()
        if kept is not None and kept.reason in _SAID_BY_A_CHECK | ours:
            return kept
        # Something else had to be said in between, and the check's own words are in SourceReachable.
        source = self._kept(ConditionType.SOURCE_REACHABLE)
        said = source is not None and source.status is ConditionStatus.FALSE
        detail = source.message if source is not None and said else str(status.last_check_outcome)
        text = message(Reason.CHECK_FAILED, detail=detail)
        return self._set(kind, ConditionStatus.FALSE, Reason.CHECK_FAILED, text)

    def _kept(self, kind: ConditionType) -> Condition | None:
        """The condition as it stands, judged for this generation again."""
        for condition in self._previous:
            if condition.type == kind:
                return condition.model_copy(update={"observed_generation": self._generation})
        return None

    def _set(self, kind: ConditionType, status: ConditionStatus, reason: str, text: str) -> Condition:
        return make_condition(self._previous, kind, status, reason, text, generation=self._generation, now=self._now)


def _describe(library: LibraryStatus) -> str:
    folder = f", folder {library.folder}" if library.folder else ""
    return f"claim {library.claim_name}, path /{library.path}, layout {library.layout}{folder}"
