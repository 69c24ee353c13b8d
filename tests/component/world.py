"""A cluster, a site and a clock in memory, and operator processes that can be killed between any two API calls.

The cluster keeps what matters of the real one: resourceVersions and conflicts, taken names, owners and garbage
collection, status as a subresource, metadata-only lists. Its Jobs end when the test says so, as its "downloader" says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from builders import entry_line, source_line
from component.cluster import KEY, RESTLESS, Clock, Cluster, Downloader, Object, end_job, publish, request_of
from component.fake_api import FakeApi
from trawler_downloader.contract.listing import EntryLine, ListingEnd, ListRequest, SourceLine, TrailerLine
from trawler_operator.api import labels
from trawler_operator.domain.checks.schedule import CheckLimits
from trawler_operator.domain.gates.budget import BudgetLimits
from trawler_operator.domain.gates.gate import GatePolicy
from trawler_operator.domain.gates.passed import egress_name
from trawler_operator.domain.jobs.cleanup import HistoryLimits
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults
from trawler_operator.domain.jobs.start_trouble import Patience
from trawler_operator.domain.launches.admission import Admission, AdmissionLimits
from trawler_operator.domain.line import LineLimits
from trawler_operator.domain.pauses import Pause
from trawler_operator.reconcile.ports import ApiError, Event, Lister, ListerError, RawListing
from trawler_operator.reconcile.reconciler import PassFailedError, Reconciler
from trawler_operator.reconcile.stores.gate_store import GateStore
from trawler_operator.reconcile.stores.gatekeeper import GateLimits
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError
from trawler_operator.reconcile.stores.shard_changes import EVERYWHERE, ShardChanges
from trawler_operator.reconcile.subject import Policy


@dataclass
class Site:
    """The source: a channel's tab, newest video first; and the lister in front of it."""

    videos: list[str] = field(default_factory=list)
    requests: list[ListRequest] = field(default_factory=list)
    trailer: TrailerLine = field(
        default_factory=lambda: TrailerLine(end=ListingEnd.STOPPED, requests=1, engine="2026.10.26")
    )
    down: bool = False
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What the listing says of a video beyond its name."""
    during: Callable[[], None] = lambda: None
    """Happens while a listing runs."""

    def publish(self, *names: str) -> None:
        """New videos, the last one newest."""
        self.videos = [*reversed(names), *self.videos]

    async def list(self, request: ListRequest) -> RawListing:
        self.requests.append(request)
        self.during()
        if self.down:
            raise ListerError("connection refused")
        if self.trailer.end is ListingEnd.ERROR:
            return RawListing((), self.trailer)
        source: SourceLine = source_line()
        entries: list[EntryLine] = [
            entry_line(name).model_copy(update=self.facts.get(name, {})) for name in self.videos
        ]
        return RawListing(((source, tuple(entries)),), self.trailer)


class Silent:
    """Events and measurements of one process."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.dead_letters: dict[str, int] = {}
        self.gone: list[tuple[str, str]] = []

    async def record(self, subscription: Object, events: Sequence[Event]) -> None:
        self.events.extend(events)

    def check_finished(self, result: str, seconds: float) -> None: ...

    def launch_finished(self, outcome: str) -> None: ...

    def gate_moved(self, kind: str, move: str) -> None: ...

    def subscription_seen(self, key: tuple[str, str], videos: Mapping[str, int], at: datetime | None) -> None: ...

    def dead_letters_seen(self, key: tuple[str, str], reasons: Mapping[str, int]) -> None:
        self.dead_letters = dict(reasons)

    def subscription_gone(self, key: tuple[str, str]) -> None:
        self.gone.append(key)

    def pass_finished(self, seconds: float, *, failed: bool) -> None: ...


LISTINGS = LineLimits(places=2)
GATES = ("trawler-system", "trawler-gates")
"""Namespace and name of the ConfigMap that keeps the gates."""
POLICY = GatePolicy(
    egress=Pause(timedelta(minutes=15), timedelta(hours=6)),
    volume=Pause(timedelta(minutes=1), timedelta(minutes=30)),
    subscription=Pause(timedelta(minutes=1), timedelta(hours=1)),
    probe_timeout=timedelta(minutes=30),
)


def make_limits(
    total: int = 2,
    each: int = 2,
    *,
    parallel: int = 100,
    per_hour: int = 10_000,
    spacing: timedelta = timedelta(0),
) -> AdmissionLimits:
    """Of all Jobs, of one Subscription's, and of one address at one site."""
    return AdmissionLimits(total, each, BudgetLimits(parallel, per_hour, spacing, listings_per_second=0))


class Operator:
    """One operator process."""

    def __init__(
        self,
        cluster: Cluster,
        site: Lister,
        clock: Clock,
        *,
        kill_at: int | None = None,
        after: bool = False,
        api: FakeApi | None = None,
        limits: AdmissionLimits | None = None,
        defaults: JobDefaults | None = None,
        read_secrets: bool = False,
        access: AccessRules | None = None,
        listings: LineLimits = LISTINGS,
        silent: Silent | None = None,
    ) -> None:
        self._cluster = cluster
        self.api = api or FakeApi(cluster, kill_at, after=after)
        self.woken: dict[tuple[str, str], float] = {}
        self.awaits_surveys = True
        """A pass that another one's survey holds up is made again once that has been read."""
        self.silent = silent or Silent()
        allowed = limits or make_limits()
        self.gates = GateStore(self.api, *GATES)
        self.admission = Admission(allowed, lambda: self.gates.book)
        running: dict[tuple[str, str], Counter[str]] = {}
        for job in cluster.running_jobs():
            key = (job["metadata"]["namespace"], job["metadata"]["labels"][labels.SUBSCRIPTION_LABEL])
            running.setdefault(key, Counter())[egress_name(job)] += 1
        self.admission.rebuild(running)
        self.watch_lags = False
        """What happens to ledgers is heard of only by `catch_up`."""
        self._untold: list[Object] = []
        self.shard_changes = ShardChanges()
        self.shard_changes.began(EVERYWHERE)
        cluster.watchers.append(self._tell)
        self.reconciler = Reconciler(
            api=self.api,
            lister=site,
            recorder=self.silent,
            clock=clock,
            admission=self.admission,
            gates=self.gates,
            gate_limits=GateLimits(POLICY, allowed.egress, timedelta(minutes=7)),
            policy=Policy(
                defaults=defaults or JobDefaults(image="downloader:1", claim_name="library"),
                access=access or AccessRules(read_secrets=read_secrets),
                checks=CheckLimits(listing_deadline_seconds=300, audit_interval=timedelta(days=7)),
                history=HistoryLimits(3, 5),
                patience=Patience(),
                started_at=clock.now(),
            ),
            measurements=self.silent,
            listings=listings,
            shard_changes=self.shard_changes,
            wake=self._wake,
        )

    def _tell(self, _: str, kind: str, metadata: Object) -> None:
        if kind == "ConfigMap":
            self._untold.append(metadata)
        if not self.watch_lags:
            self.catch_up()

    def catch_up(self) -> None:
        """Hear of everything that the watch has not brought yet."""
        for metadata in self._untold:
            name = (metadata.get("labels") or {}).get(labels.SUBSCRIPTION_LABEL)
            if name:
                key = (metadata["namespace"], name)
                self.shard_changes.changed(key, metadata["name"], metadata["resourceVersion"])
        self._untold.clear()

    def _wake(self, key: tuple[str, str], delay: float) -> None:
        self.woken[key] = min(delay, self.woken.get(key, delay))

    @property
    def called(self) -> set[tuple[str, str]]:
        """Those that are woken at once."""
        return {key for key, delay in self.woken.items() if delay <= 0}

    async def reconcile(self, key: tuple[str, str] = KEY) -> timedelta | None:
        """A pass, and when the next one is due: by what it says itself, or because it was woken for a time."""
        pause = await self._reconcile(key)
        woken = self.woken.get(key)
        times = [*([pause] if pause is not None else []), *([timedelta(seconds=woken)] if woken is not None else [])]
        return min(times, default=None)

    async def _reconcile(self, key: tuple[str, str]) -> timedelta | None:
        while True:
            self.woken.pop(key, None)
            failed: PassFailedError | None = None
            pause: timedelta | None = None
            try:
                pause = await self.reconciler.reconcile(key)
            except PassFailedError as error:
                failed = error
            ended = self._cluster.run_surveys(key[0])
            for survey in ended:  # the watch tells of their end
                self.reconciler.survey_changed(survey)
            if ended or self._cluster.run_inventory(key) or await self._was_told_of_a_survey(key):
                continue
            if failed is not None:
                raise failed
            return pause

    async def _was_told_of_a_survey(self, key: tuple[str, str]) -> bool:
        body = self._cluster.get("Subscription", *key) or {}
        said = [condition["message"] for condition in body.get("status", {}).get("conditions", ())]
        if (
            not self.awaits_surveys
            or self._cluster.survey is None
            or not any("a survey looks" in text for text in said)
        ):
            return False
        for _ in range(1000):
            if key in self.woken:
                return True
            await asyncio.sleep(0)
        return False


@dataclass
class World:
    """All of it together."""

    cluster: Cluster = field(default_factory=Cluster)
    site: Site = field(default_factory=Site)
    clock: Clock = field(default_factory=Clock)
    downloader: Downloader = publish
    launches: list[tuple[str, int]] = field(default_factory=list)
    """(video key, launch) of every Job that ran to its end."""

    def __post_init__(self) -> None:
        self.cluster.clock = self.clock

    def operator(self, **options: Any) -> Operator:
        return Operator(self.cluster, self.site, self.clock, **options)

    def finish_jobs(self) -> None:
        """Let all running Jobs end."""
        for job in self.cluster.running_jobs():
            request = request_of(job)
            self.launches.append((request.video.key, request.launch))
            end_job(self.cluster, job, self.downloader(request))

    async def settle(
        self, operator: Operator, key: tuple[str, str] = KEY, rounds: int = 60, step: timedelta = timedelta(seconds=10)
    ) -> None:
        """Passes, ended Jobs and time, until no Job runs and nothing is queued; a pass that fails is made again."""
        for _ in range(rounds):
            with contextlib.suppress(ApiError, LedgerBusyError):
                await operator.reconcile(key)
            self.finish_jobs()
            self.cluster.collect_garbage()
            self.clock.advance(step)
            states = set(self.cluster.states(key[1]).values())
            if states and not states & RESTLESS and not self.cluster.running_jobs():
                return
        raise AssertionError(f"did not come to rest: {self.cluster.states(key[1])}")


def world_with_a_channel() -> World:
    """A claim, and a channel of eight videos."""
    world = World()
    world.cluster.claim()
    world.site.publish(*(f"v{number}" for number in range(8)))
    return world


def videos(*numbers: int) -> set[str]:
    """Keys of that channel's videos."""
    return {f"youtube.v{number}" for number in numbers}
