"""What a Subscription's status says after a pass. Pure: the previous status, the pass's findings, and the clock.

The whole status is built anew each time and compared. Only differences are sent, and nothing is sent if there are none.
Only this module carries over what is remembered from pass to pass: times of checks, failures in a row, the pause, the
library of earlier downloads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from trawler_downloader.contract.listing import ListingEnd
from trawler_downloader.contract.message import LARGEST
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.conditions import ConditionType
from trawler_operator.api.labels import ledger_selector
from trawler_operator.api.reasons import ConditionReason, message
from trawler_operator.api.status import (
    MAX_RECENT,
    Counts,
    GateStatus,
    HandledRequest,
    LedgerStatus,
    LibraryStatus,
    RecentFailure,
    RecentVideo,
    SourceStatus,
    SubscriptionStatus,
)
from trawler_operator.api.subscription import Identity, InvalidSpecError, Subscription
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.jobs.settings import cookies_secret
from trawler_operator.domain.ledger.recent import Ended
from trawler_operator.domain.status.condition_rules import CheckReport, Judge
from trawler_operator.domain.status.cookies import CookiesVerdict, cookies_condition
from trawler_operator.domain.status.punctuality import Turn, on_schedule

UNFINISHED_STATES = (LedgerState.PENDING, LedgerState.RUNNING, LedgerState.FAILED)


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the status shows of the ledger.

    Args:
        counts: entries per state.
        waiting: videos that are not available yet, by reason.
        total_bytes: size of all media files.
        shards: number of ConfigMaps.
        recent_successes: newest first.
        recent_failures: newest first.
        broken: `<ConfigMap>/<key>` of the values that cannot be read.
    """

    counts: Mapping[LedgerState, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)
    total_bytes: int = 0
    shards: int = 0
    recent_successes: Sequence[Ended] = ()
    recent_failures: Sequence[Ended] = ()
    broken: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Digests:
    """Digests of the spec (see `jobs.digests`).

    Args:
        listing: digest of the part that listings are made from.
        download: digest of the part that downloads are made from.
    """

    listing: str
    download: str


def build_status(
    subscription: Subscription,
    ledger: LedgerFacts,
    *,
    library: LibraryStatus | None,
    check: CheckReport | None,
    blocker: Blocker | None,
    gate: GateStatus | None,
    next_check: datetime | None,
    now: datetime,
    digests: Digests,
    cookies: CookiesVerdict | None = None,
    turn: Turn | None = None,
    gate_is_wanted: bool = False,
) -> SubscriptionStatus:
    """The status of a Subscription with a valid spec.

    Args:
        subscription: the Subscription with its previous status.
        ledger: the ledger after this pass.
        library: where new files go, with defaults filled in; None: no claim is named.
        check: the check that this pass made; None: none was due.
        blocker: what keeps Jobs from being created.
        gate: the Subscription's own gate, while it is closed.
        next_check: when the next check is due; None while suspended.
        now: the present.
        digests: digests of the spec.
        cookies: what this pass found out about the cookies.
        turn: the turn of this pass's due check, in the line before the listings; None: no check was due.
        gate_is_wanted: whether a launch passes that gate now, or would: a follow-up does too, which no count shows.
    """
    previous = subscription.status
    standing = _standing_library(previous.library, library, ledger.counts)
    claim = standing.claim_name if standing is not None else None
    if gate is not None and not gate_is_wanted and _is_moot(gate, ledger.counts, now):
        gate = None
    status = _after_check(previous, check, digests.listing)
    status = status.model_copy(
        update={
            "observed_generation": subscription.generation,
            "download_digest": digests.download,
            "counts": _counts(ledger.counts),
            "bytes": min(ledger.total_bytes, LARGEST),
            "library": standing,
            "next_check_time": next_check,
            "gate": gate,
            "recent_videos": tuple(_recent_video(ended, claim) for ended in ledger.recent_successes[:MAX_RECENT]),
            "recent_failures": tuple(map(_recent_failure, ledger.recent_failures[:MAX_RECENT])),
            "ledger": LedgerStatus(selector=ledger_selector(subscription.name), shards=ledger.shards),
        }
    )
    stale = status.last_check_digest != digests.listing
    judge = Judge(previous.conditions, subscription.generation, now, is_stale=stale)
    knows_any = bool(ledger.broken) or any(ledger.counts.values())
    conditions = (
        judge.ready(subscription, status, check, blocker, ledger.waiting, knows_any=knows_any),
        judge.source_reachable(status, check),
        on_schedule(
            previous.conditions,
            turn,
            suspended=subscription.spec.suspend,
            generation=subscription.generation,
            now=now,
        ),
        judge.up_to_date(status, ledger.waiting),
        judge.library_in_place(status.library, library),
        judge.ledger_intact(subscription, ledger.broken),
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
    """The status of a Subscription whose spec breaks a rule. Everything stays as it was; Ready says what to mend."""
    text = message(ConditionReason.INVALID_SPEC, field=error.field, detail=error.message)
    status = build_blocked_status(identity, Blocker(ConditionReason.INVALID_SPEC, text), now)
    return status.model_copy(update={"observed_generation": identity.generation, "next_check_time": None})


def build_blocked_status(identity: Identity, blocker: Blocker, now: datetime) -> SubscriptionStatus:
    """The status if nothing could be looked at. Everything stays as it was; Ready says why."""
    judge = Judge(identity.status.conditions, identity.generation, now)
    ready = judge.blocked(blocker)
    kept = {c.type: c for c in identity.status.conditions}
    usual = [kind for kind in ConditionType if kind not in {ConditionType.READY, ConditionType.COOKIES_VALID}]
    others = [kept.get(kind) or judge.unknown(kind) for kind in usual]
    others += [kept[kind] for kind in (ConditionType.COOKIES_VALID,) if kind in kept]
    return identity.status.model_copy(update={"conditions": (ready, *others)})


def _after_check(previous: SubscriptionStatus, check: CheckReport | None, digest: str) -> SubscriptionStatus:
    """The status with what is remembered of checks."""
    if check is None:
        return previous
    update: dict[str, Any] = {"last_check_time": check.at, "last_check_digest": digest}
    if check.requested is not None:
        handled = HandledRequest(id=check.requested, time=check.at)
        update["last_handled"] = previous.last_handled.model_copy(update={"check": handled})
    if check.went_well:
        update |= {"last_successful_check_time": check.at, "last_check_outcome": None, "failed_checks": 0}
    else:
        outcome = OutcomeClass.ENVIRONMENT if check.end is None else check.outcome or OutcomeClass.TRANSIENT
        update |= {"last_check_outcome": outcome, "failed_checks": previous.failed_checks + 1}
    if check.end is not None:
        in_a_row = previous.gone_checks if previous.last_check_digest == digest else 0
        update["gone_checks"] = in_a_row + 1 if check.found_no_source else 0
    if check.end in {ListingEnd.COMPLETE, ListingEnd.LIMIT}:  # at the limit, all that can be walked was walked
        update["last_audit_time"] = check.at
    if check.went_well and check.source_id is not None:
        update["source"] = SourceStatus(id=check.source_id, title=check.source_title)
    return previous.model_copy(update=update)


def _is_moot(gate: GateStatus, counts: Mapping[LedgerState, int], now: datetime) -> bool:
    """Whether the gate's pause is over and no unfinished download is left that could open or close it."""
    return gate.until_time <= now and not any(counts.get(state) for state in UNFINISHED_STATES)


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
    """Where earlier downloads are: the first library, for as long as it has downloads or one is on its way there."""
    standing = counts.get(LedgerState.SUCCEEDED, 0) + counts.get(LedgerState.RUNNING, 0)
    return previous if previous is not None and standing else wanted


def _recent_video(ended: Ended, standing_claim: str | None) -> RecentVideo:
    return RecentVideo(
        key=ended.key,
        path=ended.path,
        claim_name=ended.claim if ended.claim != standing_claim else None,
        finished_time=ended.finished,
    )


def _recent_failure(ended: Ended) -> RecentFailure:
    return RecentFailure(
        key=ended.key,
        title=ended.title,
        state=ended.state,
        reason=ended.reason,
        message=ended.message,
        failures=ended.failures,
        finished_time=ended.finished,
        retry_time=ended.retry_at,
    )
