"""One pass over one Subscription: observe, settle, obey, check, launch, report. Reads top to bottom as a specification.

Level-triggered: a pass looks at what is there and never at why it was called, so a lost event costs time and nothing
else, and killing the process between any two calls leads to the same end.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from trawler_operator.api.conditions import ConditionType
from trawler_operator.api.labels import CHECK_ANNOTATION
from trawler_operator.api.reasons import EventReason, Reason, message
from trawler_operator.api.subscription import (
    MAX_KEY,
    Backoff,
    InvalidSpecError,
    Subscription,
    SubscriptionStatus,
    parse_identity,
    parse_subscription,
)
from trawler_operator.domain.admission import Admission
from trawler_operator.domain.gate_codec import egress_name
from trawler_operator.domain.inventory import keep_recent, remembered_facts
from trawler_operator.domain.job_outcome import is_finished
from trawler_operator.domain.job_settings import claim_name, place
from trawler_operator.domain.ledger import Ledger
from trawler_operator.domain.naming import ledger_name
from trawler_operator.domain.plan import next_retry
from trawler_operator.domain.requests import is_handled, last_handled
from trawler_operator.domain.schedule import CheckHistory, PollDecision, backoff, poll_decision
from trawler_operator.domain.status import (
    Blocker,
    LedgerFacts,
    build_blocked_status,
    build_invalid_status,
    build_status,
)
from trawler_operator.domain.status_patch import status_patch
from trawler_operator.reconcile.checking import Checker, ListingPlaces, StaleSubscriptionError
from trawler_operator.reconcile.gate_store import GateStore
from trawler_operator.reconcile.gating import CLAIM_GRACE, Gatekeeper, GateLimits
from trawler_operator.reconcile.inventory import Historian
from trawler_operator.reconcile.launching import Launcher
from trawler_operator.reconcile.ledger_store import LedgerBusyError, LedgerNotWritableError, LedgerStore
from trawler_operator.reconcile.observation import Pass, Policy
from trawler_operator.reconcile.ports import (
    ApiError,
    Clock,
    ConflictError,
    Event,
    EventRecorder,
    Key,
    KubernetesApi,
    Lister,
    Manifest,
    Measurements,
    NotFoundError,
)
from trawler_operator.reconcile.prerequisites import look_at_prerequisites
from trawler_operator.reconcile.requests import handle_requests
from trawler_operator.reconcile.settling import settle_launches
from trawler_operator.reconcile.shard_changes import ShardChanges

logger = logging.getLogger(__name__)

LOOK_AT_RUNNING = timedelta(minutes=3)
"""Work in flight is looked at this often, whatever the watch says."""
LOOK_AT_DELETION = timedelta(seconds=3)
"""While the Job of an earlier Subscription ends: its pod has 30 s, most need one."""
LOOK_AT_ALL = timedelta(hours=1)
"""Every Subscription, whatever its schedule: a mended ledger or a lost event is noticed by then."""
FIRST_BLOCKED_PAUSE = timedelta(seconds=5)
LONGEST_BLOCKED_PAUSE = timedelta(minutes=5)
MAX_STATUS_CONFLICTS = 5


class Reconciler:
    """Brings Subscriptions to what they ask for, one pass at a time per Subscription.

    Args:
        api: the cluster.
        lister: lists sources.
        recorder: posts Events.
        clock: the time.
        admission: slots for Jobs, shared.
        gates: keeps the gates, shared.
        gate_limits: chart values.
        policy: chart values.
        measurements: counters.
        listings: at a time.
        shard_changes: what a watch tells of the ledgers' ConfigMaps.
        wake: asks for a pass over a Subscription, in so many seconds.
    """

    def __init__(
        self,
        *,
        api: KubernetesApi,
        lister: Lister,
        recorder: EventRecorder,
        clock: Clock,
        admission: Admission,
        gates: GateStore,
        gate_limits: GateLimits,
        policy: Policy,
        measurements: Measurements,
        listings: int,
        shard_changes: ShardChanges,
        wake: Callable[[Key, float], None],
    ) -> None:
        self._api = api
        self._recorder = recorder
        self._clock = clock
        self._admission = admission
        self._policy = policy
        self._measurements = measurements
        self._wake = wake
        self._store = LedgerStore(api, shard_changes)
        self._gatekeeper = Gatekeeper(gates, gate_limits, admission, measurements, lambda key: wake(key, 0.0))
        self._places = ListingPlaces(listings, lambda key: wake(key, 0.0))
        self._checker = Checker(api, self._store, lister, self._places, self._gatekeeper, policy, measurements)
        self._launcher = Launcher(api, self._store, admission, self._gatekeeper, policy, measurements)
        self._historian = Historian(api, self._store, policy, lambda key: wake(key, 0.0))
        self._looked_at: dict[Key, str] = {}
        self._blocked: dict[Key, int] = {}
        self._unsaved_backoffs: dict[Key, Backoff | None] = {}
        self._stopping = False

    def stop(self) -> None:
        """Start nothing new any more: passes under way settle and report, they neither check nor launch."""
        self._stopping = True

    @property
    def known(self) -> set[Key]:
        """Subscriptions that were looked at and are not known to be gone."""
        return set(self._looked_at)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make a pass.

        Returns:
            When to come back; None: only when something changes.

        Raises:
            ApiError: the cluster did not do its part; nothing is lost, the pass is to be made again.
            LedgerBusyError: the same, soon.
        """
        current: Pass | None = None
        try:
            body = await self._api.get_subscription(key)
            if body is None or body["metadata"].get("deletionTimestamp"):
                await self._forget(key)
                return None
            try:
                subscription = parse_subscription(body)
            except InvalidSpecError as error:
                await self._report_invalid(key, body, error)
                return None
            try:
                current = await self._begin(subscription)
                await self._work(current)
            except LedgerBusyError as error:
                await self._report_unusable_ledger(body, subscription, error)
                raise
            return await self._report(body, current)
        except StaleSubscriptionError as change:
            logger.info("%s", change)
            return timedelta(0)
        finally:
            self._leave(key, current)

    async def _begin(self, subscription: Subscription) -> Pass:
        """Bring the ledger up to date."""
        key, status = (subscription.namespace, subscription.name), subscription.status
        ledger = await self._store.open(subscription)
        backoff = self._unsaved_backoffs.get(key, status.backoff)
        current = Pass(subscription, ledger, self._clock.now(), self._policy, backoff)
        if status.observed_generation is None and len(ledger):
            text = message(EventReason.LEDGER_ADOPTED, count=len(ledger))
            current.events.append(Event(EventReason.LEDGER_ADOPTED, text))
        return current

    async def _work(self, current: Pass) -> None:
        """Settle, do what is asked for, check, launch."""
        key, subscription = current.key, current.subscription
        status = subscription.status
        # An empty ledger may have lost what runs, a hand may have taken what ran out of one that is not empty, and a
        # Job that it does not know is watched until it ends.
        look = self._looked_at.get(key) != subscription.uid or not len(current.ledger)
        self._looked_at[key] = ""  # whatever a pass that fails leaves half done is looked for by the next one
        await self._gatekeeper.enter(current)
        await settle_launches(
            current, self._api, self._store, self._gatekeeper, self._policy, self._measurements, look=look
        )
        found = await look_at_prerequisites(self._api, subscription, self._policy)
        current.cookies = found.secrets.verdict or current.cookies
        current.blocker = found.blocker
        may_launch = found.blocker is None and not subscription.spec.suspend and not self._stopping
        has_history = await self._historian.restore(current, may_run=may_launch)
        may_launch = may_launch and has_history
        if has_history:  # before that nobody knows what is meant
            await handle_requests(current, self._api, self._store)
        await self._gatekeeper.release_lost(current)
        self._hold(current)
        if may_launch and status.source is not None:
            await self._launcher.launch(current, status.source.title)

        can_list = found.can_list and has_history and not self._stopping
        due = can_list and self._decide(subscription, status, current.now).due
        current.waits_for_gate = due and self._gatekeeper.holds_listing(current)
        if due and not current.waits_for_gate:
            # A listing may take minutes: neither the free slots nor the line wait for it.
            self._hold(current)
            self._admission.withdraw(key)
            self._wake_next()
            current.check = await self._checker.check(current, found)
            current.now = self._clock.now()
            may_launch = may_launch and current.blocker is None
        if may_launch:
            title = current.check.source_title if current.check else None
            await self._launcher.launch(current, title or (status.source.title if status.source else None))
        current.asked_for_slots = may_launch
        self._hold(current)
        if not current.busy and not current.ledger.running():
            self._looked_at[key] = subscription.uid

    # -- reporting -----------------------------------------------------------------------------------------------

    async def _report(self, body: Manifest, current: Pass) -> timedelta:
        """Write the status if it differs, then post Events; say when to come back."""
        subscription, ledger = current.subscription, current.ledger
        defaults = self._policy.defaults
        self._gatekeeper.note_gates(current.key, current.gates())
        status = build_status(
            subscription,
            _facts(current),
            library=place(subscription.spec, defaults) if claim_name(subscription.spec, defaults) else None,
            check=current.check,
            blocker=current.shown_blocker(self._gatekeeper.held_back(current)),
            backoff=current.backoff,
            next_check=None,
            now=current.now,
            cookies=current.cookies,
        )
        upcoming = self._decide(subscription, status, current.now)
        update = {
            "next_check_time": _shown_next_check(subscription, upcoming, current.now),
            "last_handled": last_handled(status.last_handled, current.handled),
        }
        status = status.model_copy(update=update)
        if current.history_missing:
            status = keep_recent(subscription.status, status)
        await self._write_status(current.key, body, status)
        current.reported = True
        current.events.extend(_ledger_events(subscription, ledger, status))
        await self._recorder.record(body, current.events)
        await self._tell_of_gates(body, current)
        videos = {state.value: count for state, count in ledger.counts.items()}
        self._measurements.subscription_seen(current.key, videos, status.last_successful_check_time)
        self._measurements.dead_letters_seen(current.key, ledger.dead_letters())
        return self._come_back(current, upcoming)

    async def _tell_of_gates(self, body: Manifest, current: Pass) -> None:
        """Post of each gate that moved, about the Subscription whose ending closed it; if that is gone, about this."""
        for key, event in current.gate_events:
            about = body if key == current.key else await self._api.get_subscription(key) or body
            await self._recorder.record(about, [event])

    async def _report_unusable_ledger(self, body: Manifest, subscription: Subscription, error: LedgerBusyError) -> None:
        """Say so, where that can be written: a full storage takes no status either."""
        refused = isinstance(error, LedgerNotWritableError)
        reason = Reason.LEDGER_NOT_WRITABLE if refused else Reason.LEDGER_BUSY
        blocker = Blocker(reason, message(reason, detail=error))
        status = build_blocked_status(subscription, blocker, self._clock.now())
        try:
            await self._write_status((subscription.namespace, subscription.name), body, status)
        except ApiError as also:
            logger.warning("the status of %s/%s: %s", subscription.namespace, subscription.name, also)
        if refused:
            text = message(EventReason.LEDGER_NOT_WRITABLE, detail=error)
            await self._recorder.record(body, [Event(EventReason.LEDGER_NOT_WRITABLE, text, warning=True)])

    async def _report_invalid(self, key: Key, body: Manifest, error: InvalidSpecError) -> None:
        """A spec that breaks a rule: said once, then nothing until it changes."""
        # Its Jobs run on, and their ends bring it back here: they hold their slots until then.
        jobs = await self._api.list_jobs(*key)
        self._admission.hold(key, Counter(egress_name(job) for job in jobs if not is_finished(job)))
        status = build_invalid_status(parse_identity(body), error, self._clock.now())
        if await self._write_status(key, body, status):
            text = message(EventReason.INVALID_SPEC, field=error.field, detail=error.message)
            await self._recorder.record(body, [Event(EventReason.INVALID_SPEC, text, warning=True)])

    async def _write_status(self, key: Key, body: Manifest, status: SubscriptionStatus) -> bool:
        """One merge patch of the status subresource, if anything differs. Returns whether it did.

        It carries the resourceVersion, so that a Subscription of the same name that was created meanwhile does not
        inherit the status of the one that was looked at.
        """
        uid = body["metadata"]["uid"]
        for _ in range(MAX_STATUS_CONFLICTS):
            patch = status_patch(body.get("status"), status)
            if patch is None:
                return False
            try:
                await self._api.patch_subscription_status(key, body["metadata"]["resourceVersion"], patch)
            except NotFoundError:
                return False
            except ConflictError:
                present = await self._api.get_subscription(key)
                if present is None or present["metadata"]["uid"] != uid:
                    return False
                body = present
            else:
                return True
        raise ConflictError(f"the status of {key[0]}/{key[1]} is being changed by somebody else over and over")

    def _come_back(self, current: Pass, upcoming: PollDecision) -> timedelta:
        """The earliest of the times at which there is something to do."""
        now, spec = current.now, current.subscription.spec
        times = [now + LOOK_AT_ALL]
        if current.ledger.running() or current.busy:
            times.append(now + LOOK_AT_RUNNING)
        times.extend(at for at in current.look_at if at > now)
        if current.waits_for_deletion:
            times.append(now + LOOK_AT_DELETION)
        if current.blocker is None or spec.suspend:
            self._blocked.pop(current.key, None)
        else:
            step = self._blocked[current.key] = self._blocked.get(current.key, 0) + 1
            times.append(now + backoff(FIRST_BLOCKED_PAUSE, LONGEST_BLOCKED_PAUSE, step))
        if current.probe_in_doubt or (current.missing and current.asked_for_slots):
            times.append(now + CLAIM_GRACE)
        if not spec.suspend:
            if upcoming.at is not None and not upcoming.due:
                # A check that is due but was not made waits for a free listing place, which wakes it.
                times.append(upcoming.at)
            if current.waits_for_gate:
                # The gate's opening wakes it; if nothing else can probe, it is this check that does.
                times.append(max(self._gatekeeper.book.passable_at(current.listing_route, now), now + LOOK_AT_RUNNING))
            generation = current.subscription.generation
            retry = next_retry(current.ledger.active.values(), generation, now)
            resume = current.backoff.until_time if current.backoff else now
            if retry is not None:
                times.append(max(retry, resume))
            elif resume > now:
                times.append(resume)
        return max(timedelta(0), min(times) - now)

    # -- bookkeeping ---------------------------------------------------------------------------------------------

    def _decide(self, subscription: Subscription, status: SubscriptionStatus, now: datetime) -> PollDecision:
        wish = subscription.annotations.get(CHECK_ANNOTATION)
        handled = status.last_handled.check
        return poll_decision(
            subscription.spec.schedule,
            CheckHistory(
                last_check=status.last_check_time,
                generation=status.last_check_generation,
                failures=status.failed_checks,
                outcome=status.last_check_outcome,
                gone=status.gone_checks,
            ),
            uid=subscription.uid,
            generation=subscription.generation,
            suspended=subscription.spec.suspend,
            requested=wish is not None and not is_handled(handled, wish[:MAX_KEY]),
            started_at=self._policy.started_at,
            now=now,
        )

    def _hold(self, current: Pass) -> None:
        """Tell admission how many slots are really taken: claims whose Job is missing take one once it is created."""
        self._admission.hold(current.key, current.running_through())

    def _wake_next(self) -> None:
        now = self._clock.now()
        turn = self._admission.next_turn(now)
        if turn is not None and not self._stopping:
            self._wake(turn.key, (turn.at - now).total_seconds())

    def _leave(self, key: Key, current: Pass | None) -> None:
        """What must be done however a pass ended."""
        if current is not None and current.reported:
            self._unsaved_backoffs.pop(key, None)
        elif current is not None:
            # Settled but not reported: a site that asked to slow down must not be asked again at once.
            self._unsaved_backoffs[key] = current.backoff
        # Suspended, blocked, failed or gone: no line waits for one that does not ask.
        if current is None:
            self._historian.withdraw(key)
        if current is None or not current.asked_for_slots:
            self._admission.withdraw(key)
        if current is None or not current.waits_for_listing:
            self._places.withdraw(key)
        self._wake_next()

    async def _forget(self, key: Key) -> None:
        """The Subscription is gone: its Jobs go with it, its ledger stays or goes as its policy said."""
        self._store.forget(key)
        self._checker.forget(key)
        self._admission.forget(key)
        self._looked_at.pop(key, None)
        self._blocked.pop(key, None)
        self._unsaved_backoffs.pop(key, None)
        self._measurements.subscription_gone(key)
        await self._gatekeeper.forget(key, self._clock.now())


def _shown_next_check(subscription: Subscription, upcoming: PollDecision, now: datetime) -> datetime | None:
    """What is due and cannot be made stays due since when it was: "now" would be another status in every pass."""
    shown = subscription.status.next_check_time
    return shown if upcoming.due and shown is not None and shown <= now else upcoming.at


def _facts(current: Pass) -> LedgerFacts:
    name, ledger = current.subscription.name, current.ledger
    facts = LedgerFacts(
        counts=ledger.counts,
        total_bytes=ledger.total_bytes,
        shards=ledger.shard_count,
        recent_successes=ledger.recent_successes(),
        recent_failures=ledger.recent_failures(),
        broken=[f"{ledger_name(name, problem.shard)}/{problem.key}" for problem in ledger.problems.values()],
    )
    return remembered_facts(current.subscription.status, facts) if current.history_missing else facts


def _ledger_events(subscription: Subscription, ledger: Ledger, status: SubscriptionStatus) -> list[Event]:
    """Broken values, said when they are found and not in every pass."""
    before, after = (
        next((c.message for c in conditions if c.type == ConditionType.LEDGER_INTACT), None)
        for conditions in (subscription.status.conditions, status.conditions)
    )
    if before == after:
        return []
    reason = EventReason.LEDGER_ENTRY_BROKEN
    return [
        Event(
            reason,
            message(
                reason,
                key=problem.key,
                config_map=ledger_name(subscription.name, problem.shard),
                detail=problem.message,
            ),
            warning=True,
        )
        for problem in ledger.problems.values()
    ]
