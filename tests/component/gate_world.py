"""A world in which sites refuse and volumes fail, and a loop over all of its Subscriptions."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from component.cluster import KEY, RESTLESS, Object, end_job, publish, request_of
from component.world import GATES, Operator, Site, World
from trawler_downloader.contract.download import DownloadRequest, DownloadResult
from trawler_downloader.contract.listing import ListingEnd, ListRequest, TrailerLine
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api import labels
from trawler_operator.domain.gates.codec import decode_gate
from trawler_operator.domain.gates.gate import Gate
from trawler_operator.reconcile.ports import ApiError, RawListing
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError

OTHER = ("media", "other")
VISITOR = "Cookies youtube.com"
ADDRESS = "Egress youtube.com"
MINUTE = timedelta(minutes=1)


def ended(outcome: OutcomeClass, reason: str, **fields: Any) -> DownloadResult:
    """A report."""
    return DownloadResult(outcome=outcome, reason=reason, message="words", **fields)


LIMITED = ended(OutcomeClass.RATE_LIMITED, "RateLimited")
BOT_CHECK = ended(OutcomeClass.RATE_LIMITED, "BotCheck")
STALE = ended(OutcomeClass.ENVIRONMENT, "StaleVolume")
FULL = ended(OutcomeClass.ENVIRONMENT, "NoSpace")


@dataclass
class Block:
    """A site that refuses everybody from its n-th download on, until it is lifted.

    Args:
        from_launch: launches that went well before.
        result: how the refused ones end.
    """

    from_launch: int = 0
    result: DownloadResult = LIMITED
    refused: list[tuple[str, datetime]] = field(default_factory=list)
    lifted: bool = False
    asked: int = 0

    def __call__(self, world: World) -> Callable[[DownloadRequest], DownloadResult | int]:
        def download(request: DownloadRequest) -> DownloadResult | int:
            self.asked += 1
            if self.lifted or self.asked <= self.from_launch:
                return publish(request)
            self.refused.append((request.video.key, world.clock.now()))
            return self.result

        return download


class TwoSites(Site):
    """What is listed at example.com is there, the rest at YouTube."""

    async def list(self, request: ListRequest) -> RawListing:
        listing = await super().list(request)
        if "example.com" not in request.url:
            return listing
        moved = tuple(
            (source, tuple(e.model_copy(update={"url": f"https://example.com/{e.id}"}) for e in entries))
            for source, entries in listing.sources
        )
        return RawListing(moved, listing.trailer)


def keys(world: World) -> list[tuple[str, str]]:
    """All Subscriptions."""
    return [(s["metadata"]["namespace"], s["metadata"]["name"]) for s in world.cluster.list("Subscription")]


async def work(world: World, *operators: Operator) -> None:
    """A pass over each Subscription, and then whoever was woken for now, as the queue does."""
    for operator in operators:
        for key in keys(world):
            await make(operator, key)
        for _ in range(50):
            due = [key for key, delay in operator.woken.items() if delay <= 0]
            if not due:
                break
            for key in due:
                await make(operator, key)


async def make(operator: Operator, key: tuple[str, str] = KEY) -> None:
    """A pass that the worker would make again."""
    with contextlib.suppress(ApiError, LedgerBusyError):
        await operator.reconcile(key)


async def run(
    world: World,
    *operators: Operator,
    until: Callable[[], bool] | None = None,
    step: timedelta = MINUTE,
    rounds: int = 400,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Passes, ended Jobs and time, until nothing is left to do (or what is asked for holds)."""
    done = until or (lambda: is_at_rest(world))
    for _ in range(rounds):
        await work(world, *operators)
        watch()
        if done():
            return
        world.finish_jobs()
        world.cluster.collect_garbage()
        world.clock.advance(step)
    raise AssertionError(f"did not come to rest: {tally(world)}, {gates(world)}")


def is_at_rest(world: World) -> bool:
    """Everything wanted is downloaded or given up."""
    states = {state for _, name in keys(world) for state in world.cluster.states(name).values()}
    return bool(states) and not states & RESTLESS and not world.cluster.running_jobs()


def tally(world: World) -> Counter[LedgerState]:
    """Entries per state, of all Subscriptions."""
    return Counter(state for _, name in keys(world) for state in world.cluster.states(name).values())


def gates(world: World) -> dict[str, Gate]:
    """The gates as the ConfigMap has them, by what they are about."""
    body = world.cluster.get("ConfigMap", *GATES) or {}
    found = [decode_gate(name, text) for name, text in (body.get("data") or {}).items()]
    return {f"{gate.id.kind} {gate.id}": gate for gate in found}


def closed(world: World) -> set[str]:
    """Which gates are closed."""
    return {name for name, gate in gates(world).items() if gate.is_closed}


def edit_gates(world: World, change: Callable[[dict[str, Any]], None]) -> None:
    """What a person does with `kubectl edit configmap`."""
    body = world.cluster.get("ConfigMap", *GATES)
    assert body is not None
    patch = dict(body["data"])
    change(patch)
    gone = dict.fromkeys(body["data"].keys() - patch.keys())
    world.cluster.merge("ConfigMap", *GATES, {"data": {**patch, **gone}})


def refuse_listings(world: World, reason: str = "RateLimited") -> None:
    """The site refuses to be listed."""
    world.site.trailer = TrailerLine(
        end=ListingEnd.ERROR, outcome=OutcomeClass.RATE_LIMITED, reason=reason, message="HTTP 429", engine=""
    )


def ask_for_check(world: World, value: str, key: tuple[str, str] = KEY) -> None:
    """As a user does."""
    world.cluster.merge("Subscription", *key, {"metadata": {"annotations": {labels.CHECK_ANNOTATION: value}}})


def finish(world: World, job: Object, result: DownloadResult | int) -> None:
    """Let one Job end."""
    end_job(world.cluster, job, result)


def owner(job: Object) -> str:
    """Name of its Subscription."""
    return str(job["metadata"]["labels"][labels.SUBSCRIPTION_LABEL])


def probing(world: World) -> list[str]:
    """Videos of the Jobs that run now."""
    return [request_of(job).video.key for job in world.cluster.running_jobs()]


def of_events(operator: Operator, reason: str) -> list[str]:
    """Texts of the Events with that reason."""
    return [event.message for event in operator.silent.events if event.reason == reason]


async def closed_gate(world: World, result: DownloadResult = LIMITED) -> Block:
    """Let the gate be closed by a first Subscription, whose Jobs have all ended."""
    block = Block(result=result)
    world.downloader = block(world)
    world.cluster.subscribe({"select": {"newest": 3}})
    await run(world, world.operator(), until=lambda: bool(closed(world)))
    return block


async def probe(world: World, *operators: Operator) -> str:
    """Let the pause end; the video that probes."""
    world.clock.advance(20 * MINUTE)
    await work(world, *operators)
    (video,) = probing(world)
    return video
