"""One operator in a process of its own, for `ledger.py`: the reconciler and its adapters against an API server.

    python -m bench.ledger_probe passes URL PASSES NAME...   CPU-seconds and seconds of a nothing-new pass, by name
    python -m bench.ledger_probe turns URL PASSES NAME...    … of one that settles a download and begins the next
    python -m bench.ledger_probe memory URL NAME...          MiB before and after ledgers were loaded, and at most
    python -m bench.ledger_probe launches URL NAME COUNT     seconds for so many launches, pass by pass
    python -m bench.ledger_probe creations URL NAME COUNT    seconds for as many Jobs by the bare client

URL may be `kubeconfig`: the cluster that KUBECONFIG names. What is asked of the site is answered here, at once: its
newest page, of which everything is known.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kubernetes.aio import client

from bench.history import entry, video
from bench.objects import NAMESPACE as NAMESPACE_IN_MEMORY
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.keys import video_key
from trawler_downloader.contract.listing import EntryLine, ListingEnd, ListRequest, SourceLine, TrailerLine
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.adapters.kubernetes.calls import KubernetesAdapter
from trawler_operator.adapters.kubernetes.client import KubernetesClient, load_configuration
from trawler_operator.adapters.kubernetes.event_recorder import KubernetesEventRecorder
from trawler_operator.adapters.kubernetes.shard_watch import ShardWatch
from trawler_operator.adapters.metrics import PrometheusMeasurements
from trawler_operator.api.labels import SUBSCRIPTION_LABEL
from trawler_operator.api.subscription import parse_subscription
from trawler_operator.api.times import format_time
from trawler_operator.domain.checks.schedule import CheckLimits
from trawler_operator.domain.gates.budget import BudgetLimits
from trawler_operator.domain.gates.gate import GatePolicy
from trawler_operator.domain.jobs.cleanup import HistoryLimits
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults
from trawler_operator.domain.jobs.start_trouble import Patience
from trawler_operator.domain.launches.admission import Admission, AdmissionLimits
from trawler_operator.domain.launches.claims import claim
from trawler_operator.domain.launches.download_job import build_download_job
from trawler_operator.domain.pauses import Pause
from trawler_operator.reconcile.ports import RawListing
from trawler_operator.reconcile.reconciler import Reconciler
from trawler_operator.reconcile.stores.gate_store import GateStore
from trawler_operator.reconcile.stores.gatekeeper import GateLimits
from trawler_operator.reconcile.stores.shard_changes import ShardChanges
from trawler_operator.reconcile.subject import Policy

NAMESPACE = os.environ.get("BENCH_NAMESPACE", NAMESPACE_IN_MEMORY)
JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
PAGE = 30
WARM_UP = 3
"""Passes over each ledger that are not counted."""
CHECK_DUE = timedelta(hours=2)
CHECKS = CheckLimits(listing_deadline_seconds=300, audit_interval=timedelta(days=7))
DEFAULTS = JobDefaults(image="trawler-downloader:dev", claim_name="library")


class Clock:
    """Time that moves when it is told to. At the first check it is that of the API server, which dates the Jobs."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC).replace(microsecond=0) - CHECK_DUE

    def now(self) -> datetime:
        return self._now

    def advance(self, step: timedelta) -> None:
        self._now += step


class KnownPage:
    """The lister: what is newest is known."""

    async def list(self, request: ListRequest) -> RawListing:
        (known,) = request.known.items()
        key, newest = known
        line = SourceLine(key=key, id=key.split(".")[1], title="A Channel", newest_first=True)
        entries = tuple(
            EntryLine(source=key, key=k, extractor="Youtube", id=k.removeprefix("youtube."), url=f"https://x/{k}")
            for k in newest[:PAGE]
        )
        return RawListing(((line, entries),), TrailerLine(end=ListingEnd.STOPPED, engine="2026.10.26"))


@dataclass
class Operator:
    """The parts that a pass goes through."""

    client: KubernetesClient
    reconciler: Reconciler
    clock: Clock

    async def check(self, name: str) -> None:
        """A pass with a check that finds nothing new."""
        await self.look(name, CHECK_DUE)

    async def look(self, name: str, later: timedelta) -> None:
        """A pass, so much later than the last one."""
        self.clock.advance(later)
        await self.reconciler.reconcile((NAMESPACE, name))


async def connect(url: str) -> KubernetesClient:
    configuration = await load_configuration() if url == "kubeconfig" else client.Configuration(host=url)
    return KubernetesClient(configuration)


@asynccontextmanager
async def operator(url: str, slots: int = 1000, slots_of_each: int = 1000) -> AsyncIterator[Operator]:
    """An operator that watches. Its gates are its own: those of one whose clock went ahead would hold it back."""
    requests, clock, changes = await connect(url), Clock(), ShardChanges()
    watching = asyncio.create_task(ShardWatch(requests, (NAMESPACE,), changes).run())
    while changes.epoch(NAMESPACE) is None:  # noqa: ASYNC110 - it has no event to wait for
        await asyncio.sleep(0.01)
    api = KubernetesAdapter(requests, (NAMESPACE,))
    gates = GateStore(api, NAMESPACE, f"bench-gates-{os.getpid()}")
    # Starts one after the other, as it is with any spacing: one launch per pass.
    budget = BudgetLimits(max_parallel=1000, max_per_hour=100_000, spacing=timedelta(microseconds=1))
    pause = Pause(timedelta(minutes=1), timedelta(hours=1))
    reconciler = Reconciler(
        api=api,
        lister=KnownPage(),
        recorder=KubernetesEventRecorder(requests, "bench"),
        clock=clock,
        admission=Admission(AdmissionLimits(slots, slots_of_each, budget), lambda: gates.book),
        gates=gates,
        gate_limits=GateLimits(GatePolicy(pause, pause, pause, timedelta(minutes=30)), budget, timedelta(minutes=7)),
        policy=Policy(DEFAULTS, AccessRules(), CHECKS, HistoryLimits(), Patience(), clock.now()),
        measurements=PrometheusMeasurements(lambda: 0, lambda: 0, lambda: True),
        listings=2,
        shard_changes=changes,
        wake=lambda key, delay: None,
    )
    try:
        yield Operator(requests, reconciler, clock)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await requests.close()


async def passes(url: str, count: str, *names: str) -> Any:
    """Passes that check, and in which whatever waits goes on waiting: no slot is free."""
    async with operator(url, slots=0) as one:
        return await _by_turns(names, int(count), one.check)


async def turns(url: str, count: str, *names: str) -> Any:
    """Passes over Subscriptions that download one video at a time: each settles one and begins the next."""
    async with operator(url, slots_of_each=1) as one:

        async def turn(name: str) -> None:
            await one.look(name, timedelta(seconds=1))

        async def end(name: str) -> None:
            await _end_download(one, name)

        one.clock.advance(CHECK_DUE)
        for name in names:
            await turn(name)
        return await _by_turns(names, int(count), turn, before=end)


async def _by_turns(
    names: Sequence[str],
    count: int,
    act: Callable[[str], Awaitable[None]],
    before: Callable[[str], Awaitable[None]] | None = None,
) -> dict[str, list[tuple[float, float]]]:
    """CPU-seconds and seconds of each: a few over each in turns, so that a change of the machine's mood meets all."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    for number in range(-WARM_UP, count):
        for name in names:
            if before is not None:
                await before(name)
            began, wall = time.process_time(), time.perf_counter()
            await act(name)
            if number >= 0:
                spent[name].append((time.process_time() - began, time.perf_counter() - wall))
    return spent


async def _end_download(one: Operator, name: str) -> None:
    """Let the Subscription's download be published."""
    jobs = await _jobs(one, name)
    (job,) = (job for job in jobs if not job.get("status"))
    metadata = job["metadata"]
    result = DownloadResult(
        outcome=OutcomeClass.PUBLISHED,
        reason="Published",
        message="published",
        path=f"A Channel/Season 26/{metadata['name']}.mp4",
        bytes=200_000_000,
    )
    (container,) = job["spec"]["template"]["spec"]["containers"]
    terminated = {"exitCode": 0, "reason": "Completed", "message": result.to_json()}
    pod = {
        "metadata": {"name": f"{metadata['name']}-pod", "labels": {"batch.kubernetes.io/job-name": metadata["name"]}},
        "status": {
            "phase": "Succeeded",
            "containerStatuses": [{"name": container["name"], "state": {"terminated": terminated}}],
        },
    }
    complete = {"type": "Complete", "status": "True", "lastTransitionTime": format_time(one.clock.now())}
    await one.client.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", body=pod)
    await one.client.request("PATCH", f"{JOBS}/{metadata['name']}", body={"status": {"conditions": [complete]}})


async def memory(url: str, *names: str) -> Any:
    """The operator's process before and after its first passes over the ledgers."""
    async with operator(url, slots=0) as one:
        before = _status("VmRSS")
        for name in names:
            await one.check(name)
        return {"before": before, "after": _status("VmRSS"), "peak": _status("VmHWM")}


async def launches(url: str, name: str, count: str) -> Any:
    """Pass by pass, each of which claims in the ledger and then creates one Job."""
    async with operator(url) as one:
        await one.check(name)
        there = len(await _jobs(one, name))
        began = time.perf_counter()
        for _ in range(int(count)):
            await one.look(name, timedelta(seconds=1))
        seconds = time.perf_counter() - began
        made = len(await _jobs(one, name)) - there
        assert made == int(count), f"{made} launches in {count} passes"
        return seconds


async def creations(url: str, name: str, count: str) -> Any:
    """The same Jobs under other names, and nothing else."""
    requests = await connect(url)
    try:
        body = await requests.request("GET", f"/apis/trawler.dev/v1alpha1/namespaces/{NAMESPACE}/subscriptions/{name}")
        subscription = parse_subscription(body)
        manifests = []
        for seq in range(int(count)):
            claimed = claim(entry(0, seq, LedgerState.PENDING), datetime.now(UTC))
            key = video_key("Youtube", video(0, seq))
            manifest = build_download_job(
                subscription,
                key,
                claimed,
                launch=999,
                shard=0,
                gates={},
                defaults=DEFAULTS,
                access=AccessRules(),
                source_title=None,
                volume_id=None,
            )
            manifests.append(manifest)
        began = time.perf_counter()
        for manifest in manifests:
            await requests.request("POST", JOBS, body=manifest)
        return time.perf_counter() - began
    finally:
        await requests.close()


async def _jobs(one: Operator, name: str) -> Any:
    """Those of a Subscription."""
    query = {"labelSelector": f"{SUBSCRIPTION_LABEL}={name}"}
    return (await one.client.request("GET", JOBS, query=query))["items"]


def _status(field: str) -> float:
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


COMMANDS: dict[str, Callable[..., Coroutine[Any, Any, Any]]] = {
    "passes": passes,
    "turns": turns,
    "memory": memory,
    "launches": launches,
    "creations": creations,
}

if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    print(json.dumps(asyncio.run(COMMANDS[sys.argv[1]](*sys.argv[2:]))))
