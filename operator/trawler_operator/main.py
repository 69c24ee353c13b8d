"""The composition root: builds every part, runs them side by side, stops them in order.

All tasks of ours exist before kopf starts, since kopf cancels at its end what was begun after it. They share one
TaskGroup: a crash of any of them ends the process, which Kubernetes starts again; a half-alive operator would be worse.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from contextlib import AsyncExitStack
from datetime import timedelta

from trawler_operator.adapters.clock import SystemClock
from trawler_operator.adapters.event_recorder import KubernetesEventRecorder
from trawler_operator.adapters.health import Health
from trawler_operator.adapters.http_server import serve_http
from trawler_operator.adapters.kubernetes_api import KubernetesAdapter
from trawler_operator.adapters.kubernetes_client import KubernetesClient, load_configuration
from trawler_operator.adapters.lister_client import ListerClient
from trawler_operator.adapters.metrics import PrometheusMeasurements
from trawler_operator.adapters.shard_watch import ShardWatch
from trawler_operator.api import labels
from trawler_operator.domain.admission import Admission, AdmissionLimits
from trawler_operator.domain.job_manifest import JobDefaults
from trawler_operator.domain.job_outcome import is_finished
from trawler_operator.domain.plan import HistoryLimits
from trawler_operator.reconcile.observation import Policy
from trawler_operator.reconcile.ports import ApiError, Clock, Key
from trawler_operator.reconcile.queue import KeyedDelayQueue
from trawler_operator.reconcile.reconciler import Reconciler
from trawler_operator.reconcile.shard_changes import ShardChanges
from trawler_operator.reconcile.worker import PASS_SLACK_SECONDS, work
from trawler_operator.settings import Settings
from trawler_operator.watch import watch

logger = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""For passes under way; what is not done by then is cut, which is as safe as a crash."""
FIRST_LOOK_PAUSE_SECONDS = 5.0
RESYNC_SECONDS = 900.0
"""How often the Subscriptions are listed for those that the watch never told of."""


async def run(settings: Settings) -> None:
    """Run the operator until it is told to stop."""
    clock = SystemClock()
    queue: KeyedDelayQueue[Key] = KeyedDelayQueue()
    admission = Admission(
        AdmissionLimits(
            max_running=settings.max_running_jobs,
            max_running_per_subscription=settings.max_running_jobs_per_subscription,
            start_spacing=timedelta(seconds=settings.job_start_spacing_seconds),
        )
    )
    measurements = PrometheusMeasurements(lambda: queue.ready, lambda: admission.running)
    pass_deadline = settings.listing_deadline_seconds + PASS_SLACK_SECONDS
    health = Health(pass_deadline + PASS_SLACK_SECONDS)
    async with AsyncExitStack() as stack:
        client = KubernetesClient(await load_configuration())
        stack.push_async_callback(client.close)
        api = KubernetesAdapter(client, settings.watch_namespaces)
        shard_changes = ShardChanges()
        reconciler = Reconciler(
            api=api,
            lister=ListerClient(settings.lister_address),
            recorder=KubernetesEventRecorder(client, os.environ.get("HOSTNAME") or socket.gethostname()),
            clock=clock,
            admission=admission,
            policy=build_policy(settings, clock),
            measurements=measurements,
            listings=settings.max_concurrent_listings,
            shard_changes=shard_changes,
            wake=queue.add,
        )
        http = await stack.enter_async_context(AsyncExitStack())
        await http.enter_async_context(serve_http(settings.http_port, health, api.answers, measurements.render))
        ready, stop, stop_watch = asyncio.Event(), asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            shard_watch = ShardWatch(client, settings.watch_namespaces, shard_changes)
            helpers = [
                group.create_task(health.beat(), name="heartbeat"),
                group.create_task(shard_watch.run(), name="ledger watch"),
            ]
            # Before anything may start: what already runs, and that the API is there and lets us read it.
            for key in await _first_look(api, admission):
                queue.add(key)
            workers = [
                group.create_task(
                    work(number, queue, reconciler, measurements, health, pass_deadline), name=f"worker {number}"
                )
                for number in range(settings.max_concurrent_reconciles)
            ]
            helpers.append(group.create_task(_resync(api, reconciler, queue), name="resync"))
            helpers.append(group.create_task(_note_ready(ready, health, stop), name="ready"))
            stopper = group.create_task(
                _stop_in_order(stop, reconciler, queue, workers, http, stop_watch), name="stopper"
            )
            try:
                await watch(queue.add, namespaces=settings.watch_namespaces, ready=ready, stop=stop_watch)
            finally:
                stop.set()
            await stopper
            for task in helpers:
                task.cancel()
    logger.info("stopped")


def build_policy(settings: Settings, clock: Clock) -> Policy:
    """Chart values, as the reconciler wants them."""
    resources = settings.default_job_resources
    more = {"resources": resources.model_dump(exclude_defaults=True)} if resources else {}
    return Policy(
        defaults=JobDefaults(
            image=settings.downloader_image,
            image_pull_policy=settings.downloader_image_pull_policy,
            image_pull_secrets=settings.image_pull_secrets,
            claim_name=settings.default_claim_name or "",
            ca_bundle_config_map=settings.default_ca_bundle_config_map or "",
            proxy=settings.default_proxy or "",
            run_as_user=settings.default_run_as_user,
            run_as_group=settings.default_run_as_group,
            fs_group=settings.default_fs_group,
            **more,
        ),
        history=HistoryLimits(settings.successful_jobs_history_limit, settings.failed_jobs_history_limit),
        listing_deadline_seconds=settings.listing_deadline_seconds,
        audit_interval_seconds=settings.audit_interval_seconds,
        started_at=clock.now(),
    )


async def _first_look(api: KubernetesAdapter, admission: Admission) -> set[Key]:
    """Learn which Jobs hold slots; wait for an API server that answers, and for the CRD and the rights to be there.

    Returns:
        Whose Jobs they are. One that is gone gives its slots back only when it is looked at, and nothing else asks for
        that: its last Job may vanish before the watch begins.
    """
    while True:
        try:
            await api.list_subscriptions()
            jobs = await api.list_all_jobs()
        except ApiError as error:
            logger.warning("cannot begin yet: %s; again in %.0f s", error, FIRST_LOOK_PAUSE_SECONDS)
            await asyncio.sleep(FIRST_LOOK_PAUSE_SECONDS)
        else:
            break
    running: dict[Key, int] = {}
    for job in jobs:
        name = (job["metadata"].get("labels") or {}).get(labels.SUBSCRIPTION_LABEL)
        if name and not is_finished(job):
            key = (job["metadata"]["namespace"], name)
            running[key] = running.get(key, 0) + 1
    admission.rebuild(running)
    logger.info("%d downloads are running", sum(running.values()))
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
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    logger.info("watching")


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


def start(settings: Settings) -> None:
    """Run in a fresh event loop."""
    asyncio.run(run(settings))
