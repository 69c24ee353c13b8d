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
from trawler_operator.config import Config, OwnPod
from trawler_operator.domain.gates.passed import egress_name
from trawler_operator.domain.jobs.outcome import is_finished
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.domain.leadership import LeaseTerms
from trawler_operator.domain.line import LineLimits
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


async def run(config: Config, pod: OwnPod) -> None:
    """Run the operator until it is told to stop.

    Raises:
        LeaseLostError: in an ExceptionGroup: another operator works now.
    """
    async with AsyncExitStack() as stack:
        configuration = await load_configuration()
        # Two, so that the Lease can be renewed while everything else is held back.
        lease_client = KubernetesClient(configuration)
        stack.push_async_callback(lease_client.close)
        terms = LeaseTerms(config.operator.lease_duration_seconds)
        lease = Lease(lease_client, pod.namespace, config.lease_name, pod.name, terms)
        client = KubernetesClient(configuration, permitted=lambda: lease.held)
        stack.push_async_callback(client.close)
        operator = _Operator(config, pod, client, lease)
        await operator.run()
        await lease.release()
    logger.info("stopped")


class _Operator:
    """The parts, and in which order they begin and end."""

    def __init__(self, config: Config, pod: OwnPod, client: KubernetesClient, lease: Lease) -> None:
        self._config = config
        self._lease = lease
        self._queue: KeyedDelayQueue[Key] = KeyedDelayQueue()
        self._measurements = PrometheusMeasurements(
            lambda: self._queue.ready, lambda: self._admission.running, lambda: lease.held
        )
        self._health = Health(config.checks.listing_deadline_seconds + 2 * PASS_SLACK_SECONDS)
        self._api = KubernetesAdapter(client, config.watch.namespaces)
        gates = GateStore(self._api, pod.namespace, config.gates_config_map)
        self._admission = Admission(config.admission, lambda: gates.book)
        shard_changes = ShardChanges()
        self._shard_watch = ShardWatch(client, config.watch.namespaces, shard_changes)
        clock = SystemClock()
        self._measurements.show_gates(lambda: gates.book, config.admission.egress.max_per_hour, clock.now)
        self._reconciler = Reconciler(
            api=self._api,
            lister=ListerClient(config.lister_address),
            recorder=KubernetesEventRecorder(client, pod.name),
            clock=clock,
            admission=self._admission,
            gates=gates,
            gate_limits=build_gate_limits(config),
            policy=build_policy(config, clock),
            measurements=self._measurements,
            listings=build_listing_limits(config),
            shard_changes=shard_changes,
            wake=self._queue.add,
        )
        self._measurements.show_line(self._reconciler.line.lengths)
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Stand by, lead, end."""
        async with AsyncExitStack() as http, asyncio.TaskGroup() as group:
            await http.enter_async_context(
                serve_http(
                    self._config.http_port,
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
            for number in range(self._config.operator.max_concurrent_reconciles)
        ]
        helpers.append(group.create_task(_resync(self._api, self._reconciler, self._queue), name="resync"))
        helpers.append(group.create_task(_note_ready(ready, self._health, self._stop), name="ready"))
        stopper = group.create_task(
            _stop_in_order(self._stop, self._reconciler, self._queue, workers, http, stop_watch), name="stopper"
        )
        try:
            if not self._stop.is_set():
                await watch(
                    self._queue.add,
                    self._reconciler.survey_changed,
                    namespaces=self._config.watch.namespaces,
                    ready=ready,
                    stop=stop_watch,
                )
        finally:
            self._stop.set()
        await stopper


def build_policy(config: Config, clock: Clock) -> Policy:
    """What every pass obeys."""
    return Policy(
        defaults=config.defaults,
        access=config.access,
        checks=config.checks,
        history=config.jobs.history,
        patience=config.jobs.timeouts,
        started_at=clock.now(),
    )


def build_gate_limits(config: Config) -> GateLimits:
    """What the gates obey. A listing that probes is waited for no longer than a pass may take."""
    longest_pass = timedelta(seconds=config.checks.listing_deadline_seconds + PASS_SLACK_SECONDS)
    return GateLimits(
        policy=config.gates,
        budget=config.admission.egress,
        listing_timeout=min(config.gates.probe_timeout, longest_pass),
    )


def build_listing_limits(config: Config) -> LineLimits:
    """What the line before the listings obeys."""
    return LineLimits(config.operator.max_concurrent_listings, config.admission.egress.listing_spacing)


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


def start(config: Config, pod: OwnPod) -> int:
    """Run in a fresh event loop; returns the exit code."""
    code = 0
    try:
        asyncio.run(run(config, pod))
    except* LeaseLostError as lost:
        logger.error("%s; this one ends", lost.exceptions[0])  # noqa: TRY400 - no accident: a traceback tells nothing
        code = 1
    return code
