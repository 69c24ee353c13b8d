"""The composition root: builds every part, runs them side by side, stops them in order.

All tasks of ours exist before kopf starts, since kopf cancels at its end what was begun after it. They share one
TaskGroup: a crash of any of them ends the process, which Kubernetes starts again; a half-alive operator would be worse.
So does the loss of the Lease. Until it is held nothing but the Lease is asked for, and nothing is listed or launched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections import Counter
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

from trawler_operator.adapters.clock import SystemClock
from trawler_operator.adapters.health import Health
from trawler_operator.adapters.http_server import serve_http
from trawler_operator.adapters.kubernetes.calls import KubernetesAdapter
from trawler_operator.adapters.kubernetes.client import KubernetesClient, load_configuration
from trawler_operator.adapters.kubernetes.event_recorder import KubernetesEventRecorder
from trawler_operator.adapters.kubernetes.lease import Lease, LeaseLostError
from trawler_operator.adapters.kubernetes.shard_watch import ShardWatch
from trawler_operator.adapters.lister_client import ListerClient
from trawler_operator.adapters.metrics import PrometheusMeasurements
from trawler_operator.api import labels
from trawler_operator.api.subscription import Key
from trawler_operator.config import Settings
from trawler_operator.domain.gates.budget import BudgetLimits
from trawler_operator.domain.gates.codec import egress_name
from trawler_operator.domain.gates.gate import GatePolicy
from trawler_operator.domain.jobs.cleanup import HistoryLimits
from trawler_operator.domain.jobs.outcome import is_finished
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.jobs.start_trouble import Patience
from trawler_operator.domain.launches.admission import Admission, AdmissionLimits
from trawler_operator.domain.leadership import LeaseTerms
from trawler_operator.domain.pauses import Pause
from trawler_operator.loop.queue import KeyedDelayQueue
from trawler_operator.loop.watch import watch
from trawler_operator.loop.worker import work
from trawler_operator.reconcile.ports import ApiError, Clock, Manifest
from trawler_operator.reconcile.reconciler import PASS_SLACK_SECONDS, Reconciler
from trawler_operator.reconcile.stores.gate_store import GateStore
from trawler_operator.reconcile.stores.gatekeeper import GateLimits
from trawler_operator.reconcile.stores.shard_changes import ShardChanges
from trawler_operator.reconcile.subject import Policy

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""For passes under way; what is not done by then is cut, which is as safe as a crash."""
FIRST_LOOK_PAUSE_SECONDS = 5.0
RESYNC_SECONDS = 900.0
"""How often the Subscriptions are listed for those that the watch never told of."""


async def run(settings: Settings) -> None:
    """Run the operator until it is told to stop.

    Raises:
        LeaseLostError: in an ExceptionGroup: another operator works now.
    """
    async with AsyncExitStack() as stack:
        configuration = await load_configuration()
        # Two, so that the Lease can be renewed while everything else is held back.
        lease_client = KubernetesClient(configuration)
        stack.push_async_callback(lease_client.close)
        terms = LeaseTerms(settings.lease_duration_seconds)
        lease = Lease(lease_client, settings.namespace, settings.lease_name, settings.identity, terms)
        client = KubernetesClient(configuration, permitted=lambda: lease.held)
        stack.push_async_callback(client.close)
        operator = _Operator(settings, client, lease)
        await operator.run()
        await lease.release()
    logger.info("stopped")


class _Operator:
    """The parts, and in which order they begin and end."""

    def __init__(self, settings: Settings, client: KubernetesClient, lease: Lease) -> None:
        self._settings = settings
        self._lease = lease
        self._queue: KeyedDelayQueue[Key] = KeyedDelayQueue()
        self._measurements = PrometheusMeasurements(
            lambda: self._queue.ready, lambda: self._admission.running, lambda: lease.held
        )
        self._health = Health(settings.listing_deadline_seconds + 2 * PASS_SLACK_SECONDS)
        self._api = KubernetesAdapter(client, settings.watch_namespaces)
        gates = GateStore(self._api, settings.namespace, settings.gates_config_map)
        gate_limits = build_gate_limits(settings)
        self._admission = Admission(
            AdmissionLimits(
                max_running=settings.max_running_jobs,
                max_running_per_subscription=settings.max_running_jobs_per_subscription,
                egress=gate_limits.budget,
            ),
            lambda: gates.book,
        )
        shard_changes = ShardChanges()
        self._shard_watch = ShardWatch(client, settings.watch_namespaces, shard_changes)
        clock = SystemClock()
        self._measurements.show_gates(lambda: gates.book, settings.egress_max_per_hour, clock.now)
        self._reconciler = Reconciler(
            api=self._api,
            lister=ListerClient(settings.lister_address),
            recorder=KubernetesEventRecorder(client, settings.identity),
            clock=clock,
            admission=self._admission,
            gates=gates,
            gate_limits=gate_limits,
            policy=build_policy(settings, clock),
            measurements=self._measurements,
            listings=settings.max_concurrent_listings,
            shard_changes=shard_changes,
            wake=self._queue.add,
        )
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Stand by, lead, end."""
        async with AsyncExitStack() as http, asyncio.TaskGroup() as group:
            await http.enter_async_context(
                serve_http(
                    self._settings.http_port,
                    self._health,
                    self._lease.complaint,
                    self._api.answers,
                    self._measurements.render,
                )
            )
            _take_signals(self._stop)
            helpers = [group.create_task(self._health.beat(), name="heartbeat")]
            if await self._leads_before_the_end():
                self._health.leading = True
                helpers.append(group.create_task(self._lease.keep(), name="lease"))
                await self._lead(group, helpers, http)
            for task in helpers:
                task.cancel()

    async def _leads_before_the_end(self) -> bool:
        """Wait for the Lease, or for a signal."""
        acquiring, stopping = asyncio.create_task(self._lease.acquire()), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({acquiring, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if acquiring.done():
                acquiring.result()
            return not stopping.done()
        finally:
            acquiring.cancel()
            stopping.cancel()

    async def _lead(self, group: asyncio.TaskGroup, helpers: list[asyncio.Task[None]], http: AsyncExitStack) -> None:
        """Work until the end."""
        # Before anything may start: what already runs, and that the API is there and lets us read it.
        keys = await _first_look(self._api, self._admission, self._stop)
        for key in keys:
            self._queue.add(key)
        ready, stop_watch = asyncio.Event(), asyncio.Event()
        helpers.append(group.create_task(self._shard_watch.run(), name="ledger watch"))
        workers = [
            group.create_task(
                work(number, self._queue, self._reconciler, self._measurements, self._health),
                name=f"worker {number}",
            )
            for number in range(self._settings.max_concurrent_reconciles)
        ]
        helpers.append(group.create_task(_resync(self._api, self._reconciler, self._queue), name="resync"))
        helpers.append(group.create_task(_note_ready(ready, self._health, self._stop), name="ready"))
        stopper = group.create_task(
            _stop_in_order(self._stop, self._reconciler, self._queue, workers, http, stop_watch), name="stopper"
        )
        try:
            if not self._stop.is_set():
                namespaces = self._settings.watch_namespaces
                await watch(
                    self._queue.add,
                    self._reconciler.survey_changed,
                    namespaces=namespaces,
                    ready=ready,
                    stop=stop_watch,
                )
        finally:
            self._stop.set()
        await stopper


def build_policy(settings: Settings, clock: Clock) -> Policy:
    """Chart values, as the reconciler wants them."""
    resources = settings.default_job_resources
    more: dict[str, Any] = {"resources": resources.model_dump(exclude_defaults=True)} if resources else {}
    return Policy(
        defaults=JobDefaults(
            image=settings.downloader_image,
            image_pull_policy=settings.downloader_image_pull_policy,
            image_pull_secrets=settings.image_pull_secrets,
            claim_name=settings.default_claim_name or "",
            ca_bundle_config_map=settings.default_ca_bundle_config_map or "",
            proxy=settings.default_proxy or "",
            allowed_cidrs=settings.allowed_cidrs,
            run_as_user=settings.default_run_as_user,
            run_as_group=settings.default_run_as_group,
            fs_group=settings.default_fs_group,
            **more,
        ),
        history=HistoryLimits(settings.successful_jobs_history_limit, settings.failed_jobs_history_limit),
        listing_deadline_seconds=settings.listing_deadline_seconds,
        audit_interval_seconds=settings.audit_interval_seconds,
        started_at=clock.now(),
        patience=Patience(
            start=timedelta(seconds=settings.start_timeout_seconds),
            scheduling=timedelta(seconds=settings.scheduling_timeout_seconds),
            ending=timedelta(seconds=settings.ending_timeout_seconds),
        ),
        read_secrets=settings.read_secrets,
    )


def build_gate_limits(settings: Settings) -> GateLimits:
    """Chart values, as the gates want them."""

    def seconds(number: int) -> timedelta:
        return timedelta(seconds=number)

    timeout = seconds(settings.gates_probe_timeout_seconds)
    return GateLimits(
        policy=GatePolicy(
            egress=Pause(
                seconds(settings.gates_egress_first_pause_seconds), seconds(settings.gates_egress_longest_pause_seconds)
            ),
            volume=Pause(
                seconds(settings.gates_volume_first_pause_seconds), seconds(settings.gates_volume_longest_pause_seconds)
            ),
            probe_timeout=timeout,
        ),
        budget=BudgetLimits(
            max_parallel=settings.egress_max_parallel,
            max_per_hour=settings.egress_max_per_hour,
            spacing=seconds(settings.egress_spacing_seconds),
        ),
        listing_timeout=min(timeout, seconds(settings.listing_deadline_seconds + PASS_SLACK_SECONDS)),
    )


async def _first_look(api: KubernetesAdapter, admission: Admission, stop: asyncio.Event) -> set[Key]:
    """Learn which Jobs hold slots; wait for an API server that answers, and for the CRD and the rights to be there.

    Returns:
        Whose Jobs they are. One that is gone gives its slots back only when it is looked at, and nothing else asks for
        that: its last Job may vanish before the watch begins. Empty if it was told to stop.
    """
    jobs: list[Manifest] = []
    while not stop.is_set():
        try:
            await api.list_subscriptions()
            jobs = await api.list_all_jobs()
        except ApiError as error:
            logger.warning("cannot begin yet: %s; again in %.0f s", error, FIRST_LOOK_PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_LOOK_PAUSE_SECONDS):
                    await stop.wait()
        else:
            break
    running: dict[Key, Counter[str]] = {}
    for job in jobs:
        name = (job["metadata"].get("labels") or {}).get(labels.SUBSCRIPTION_LABEL)
        if name and not is_finished(job):
            key = (job["metadata"]["namespace"], name)
            running.setdefault(key, Counter())[egress_name(job)] += 1
    admission.rebuild(running)
    logger.info("%d downloads are running", admission.running)
    return set(running)


async def _resync(api: KubernetesAdapter, reconciler: Reconciler, queue: KeyedDelayQueue[Key]) -> None:
    """Make up for events that never came: Subscriptions that nobody told of, and those that are gone."""
    while True:
        await asyncio.sleep(RESYNC_SECONDS)
        try:
            present = set(await api.list_subscriptions())
        except ApiError as error:
            logger.warning("resync failed: %s", error)
            continue
        for key in present ^ reconciler.known:
            queue.add(key)


async def _note_ready(ready: asyncio.Event, health: Health, stop: asyncio.Event) -> None:
    """Once kopf watches: say so, and take the signals back from it, so that our passes end before its watches."""
    await ready.wait()
    health.watching = True
    _take_signals(stop)
    logger.info("watching")


def _take_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _stop_in_order(
    stop: asyncio.Event,
    reconciler: Reconciler,
    queue: KeyedDelayQueue[Key],
    workers: list[asyncio.Task[None]],
    http: AsyncExitStack,
    stop_watch: asyncio.Event,
) -> None:
    """No new work, then the passes under way, then the watches."""
    await stop.wait()
    logger.info("stopping")
    reconciler.stop()
    queue.close()
    _, late = await asyncio.wait(workers, timeout=STOP_SECONDS)
    for worker in late:
        worker.cancel()
    # Its connections would count as kopf's own tasks, and be waited for.
    await http.aclose()
    stop_watch.set()


def start(settings: Settings) -> int:
    """Run in a fresh event loop; returns the exit code."""
    code = 0
    try:
        asyncio.run(run(settings))
    except* LeaseLostError as lost:
        logger.error("%s; this one ends", lost.exceptions[0])  # noqa: TRY400 - no accident: a traceback tells nothing
        code = 1
    return code
