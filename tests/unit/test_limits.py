"""Every text at its longest, of every kind of character, from a listing to what the API server stores.

Nothing on the way may raise: what raises once raises in every pass. And everything must fit: what the API server
refuses once it refuses in every pass.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from builders import LIBRARY, NOON, built_status, subscription
from trawler_downloader.contract.download import REQUEST_ENV, DownloadRequest, DownloadResult
from trawler_downloader.contract.keys import KEY_PATTERN, source_key, video_key
from trawler_downloader.contract.listing import (
    MAX_EXTRACTOR_LENGTH,
    MAX_ID,
    MAX_IDENTITY_BYTES,
    MAX_TITLE,
    EntryLine,
    ListingEnd,
    SourceLine,
)
from trawler_downloader.contract.message import LARGEST
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.adapters.kubernetes.client import KubernetesClient
from trawler_operator.adapters.kubernetes.event_recorder import MAX_NOTE_BYTES, KubernetesEventRecorder
from trawler_operator.api import labels
from trawler_operator.api.reasons import EventReason, message
from trawler_operator.api.spec import Select
from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.checks.selection import new_entries, seen_entries, select_new
from trawler_operator.domain.gates.endings import download_finding
from trawler_operator.domain.gates.gate import Closing, Gate, GatePolicy, Probe, close, launch_task
from trawler_operator.domain.gates.own import show_own_gate
from trawler_operator.domain.gates.route import download_route, own_gates
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults
from trawler_operator.domain.launches.download_job import build_download_job
from trawler_operator.domain.launches.transitions import settle
from trawler_operator.domain.ledger.codec import HARD_VALUE_BYTES
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.ledger.recent import ended
from trawler_operator.domain.ledger.shards import Shard
from trawler_operator.domain.pauses import Pause
from trawler_operator.domain.status.build import LedgerFacts
from trawler_operator.domain.status.condition_rules import CheckReport
from trawler_operator.reconcile.ports import Event

SUBSCRIPTION = "m" * 63 + "/" + "n" * 63
SHARD_LIMIT = 2**20
ANNOTATIONS_LIMIT = 256 * 1024
ENV_LIMIT = 128 * 1024
"""Of Linux, for one string (MAX_ARG_STRLEN)."""
KINDS = {
    "ASCII": "x",
    "two bytes": "é",
    "four bytes": "\U0001f3ac",
    "to be escaped": '"',
    "control": "\x00",
    "half a character": "\ud800",
    "a line's end": "\u2028",
}
everything = pytest.mark.parametrize("character", KINDS.values(), ids=KINDS)


def listed(character: str) -> tuple[SourceLine, list[EntryLine]]:
    """Entries as long as a listing's may be. It is JSON, which holds no halves of characters."""
    character = character.encode("utf-8", "replace").decode()
    long = character * 100_000
    source = SourceLine(
        key=source_key(long, long, "videos"), id=long[:MAX_ID], title=long[:MAX_TITLE], newest_first=True
    )
    room = MAX_IDENTITY_BYTES - 2 * len(source.key) - 200
    size = len(json.dumps(character, ensure_ascii=False).encode("utf-8", "replace")) - 2
    lines = [
        EntryLine(
            source=source.key,
            key=video_key(long, f"{number}{long}"),
            extractor="x" * MAX_EXTRACTOR_LENGTH,
            id=f"{number}" + long[: room // size // 3],
            url=f"https://media.example/{number}" + long[: room // size // 2],
            title=long[:MAX_TITLE],
            duration_seconds=LARGEST,
            timestamp=LARGEST,
            release_at=-LARGEST,
        )
        for number in range(3)
    ]
    assert all(line.fits for line in lines)
    return source, lines


def written(ledger: Ledger, changes: Changes) -> list[Shard]:
    """The shards, each checked against what the API server takes."""
    shards = []
    for place, write in enumerate(ledger.plan_writes(changes)):
        shards.append(Shard(write.number, f"{len(ledger)}.{place}", write.data, write.annotations))
        ledger.applied(write, shards[-1].resource_version)
        assert all(re.fullmatch(KEY_PATTERN, key) for key in write.data)
        assert max((len(value.encode()) for value in write.data.values()), default=0) <= HARD_VALUE_BYTES
        assert 200 * HARD_VALUE_BYTES < SHARD_LIMIT
        assert sum(len(name + value) for name, value in write.annotations.items()) < ANNOTATIONS_LIMIT
    return shards


def first_run(character: str) -> tuple[Ledger, dict[str, LedgerEntry]]:
    source, lines = listed(character)
    ledger = Ledger()
    found = select_new([(source, lines)], Select(), ledger)
    written(ledger, Changes(new_entries(found.new, 1, NOON), {source.key: "now"}))
    for tab in ("streams", "shorts", "live"):
        other = source_key(character * 300, character * 300, tab)
        seen = [(key, other) for key in ledger.active]
        written(ledger, Changes(seen_entries(seen, ledger.active, ledger.next_seq), {other: "now"}))
    return ledger, dict(ledger.active)


def own_gate(character: str) -> Gate:
    """Closed by trouble with much to say, with a probe under way."""
    identity, _ = own_gates(SUBSCRIPTION)
    trouble = replace(download_finding(observed(character, OutcomeClass.ENVIRONMENT)), reason=character * 100_000)
    pause = Pause(timedelta(minutes=1), timedelta(hours=1))
    policy = GatePolicy(egress=pause, volume=pause, subscription=pause, probe_timeout=timedelta(hours=1))
    before = Closing(NOON, NOON, NOON, LARGEST, "Why", "", identity.subscription, LARGEST + 1)
    closed = close(Gate(identity, epoch=LARGEST, closing=before), trouble, identity.subscription, policy, NOON)
    return replace(closed, probe=Probe(identity.subscription, launch_task("k" * 253, LARGEST), NOON, NOON))


def observed(character: str, outcome: OutcomeClass) -> ObservedOutcome:
    long = character * 100_000
    reason = "R" * 64
    result = DownloadResult(
        outcome=outcome,
        reason=reason,
        message=long,
        path="/".join([long[:200]] * 12),
        bytes=LARGEST,
        title=long,
        published_date=long,
        duration_seconds=LARGEST,
        retry_at=LARGEST,
        volume_id="v" * 128,
        engine=long,
    )
    return ObservedOutcome(outcome, reason, long, NOON, result)


@everything
@pytest.mark.parametrize("outcome", list(OutcomeClass))
def test_ledger(character: str, outcome: OutcomeClass) -> None:
    """Listed, seen by other sources, launched, ended: every value is one that is read back."""
    ledger, entries = first_run(character)
    spec = subscription()
    running = {key: replace(entry, state=LedgerState.RUNNING, launches=LARGEST) for key, entry in entries.items()}
    written(ledger, Changes(running))
    done = {
        key: settle(
            key,
            entry,
            observed(character, outcome),
            retry=spec.spec.retry,
            built_from=character * 100_000,
            now=NOON,
            claim="c" * 253,
        )
        for key, entry in running.items()
    }
    (shard,) = written(ledger, Changes(done, volumes={"c" * 253: "v" * 128}))
    again = Ledger()
    again.load(shard)

    assert again.problems == {}
    assert again.counts == ledger.counts
    assert [key for key in entries if not again.knows(key)] == []


@everything
def test_status(character: str) -> None:
    """Whatever stands in entries, checks, pauses and conditions: what is built is what the schema takes."""
    _, entries = first_run(character)
    long = character * 100_000
    wrong = {"path": long, "reason": long, "message": long, "bytes": LARGEST}
    shown = [
        ended(key, replace(entry, state=state, **wrong)) for key, entry in entries.items() for state in LedgerState
    ]
    status = built_status(
        {"access": {"cookiesSecretRef": {"name": "c"}}},
        ledger=LedgerFacts(
            counts={LedgerState.SUCCEEDED: LARGEST},
            total_bytes=LARGEST * 1000,
            shards=LARGEST,
            recent_successes=shown,
            recent_failures=shown,
            broken=[f"{long}/{long}"] * 10,
        ),
        library=LIBRARY.model_copy(update={"path": "p" * 512}),
        check=CheckReport(NOON, ListingEnd.STOPPED, source_id=long, source_title=long, requested=long),
        blocker=Blocker("B" * 64, long),
        gate=show_own_gate(own_gate(character)),
    )
    failed = built_status(check=CheckReport(NOON, ListingEnd.ERROR, OutcomeClass.TRANSIENT, long, long))

    for built in (status, failed):
        document = json.loads(json.dumps(built.to_dict(), ensure_ascii=False).encode())
        assert SubscriptionStatus.model_validate(document) == built


@everything
def test_download_job(character: str) -> None:
    """The request of a launch is one environment variable, the gates that it passed are an annotation."""
    _, entries = first_run(character)
    for key, entry in entries.items():
        route = download_route(entry.url, "http://" + "p" * 500, "c" * 253, SUBSCRIPTION, "s" * 253)
        job = build_download_job(
            subscription(name="n" * 63, namespace="m" * 63),
            key,
            entry,
            launch=LARGEST,
            shard=LARGEST,
            defaults=JobDefaults(image="downloader:1", claim_name="c" * 253),
            access=AccessRules(),
            gates=dict.fromkeys(route.gates, LARGEST),
            source_title=character * 500,
            volume_id="v" * 128,
        )
        json.dumps(job, ensure_ascii=False).encode()
        metadata = job["metadata"]
        env = {one["name"]: one["value"] for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}

        assert DownloadRequest.model_validate_json(env[REQUEST_ENV]).video.url == entry.url
        assert len(env[REQUEST_ENV].encode()) < ENV_LIMIT
        assert (
            sum(len(f"{name}{value}".encode()) for name, value in metadata["annotations"].items()) < ANNOTATIONS_LIMIT
        )
        assert len(metadata["name"]) <= 63
        assert all(re.fullmatch(r"[-._a-zA-Z0-9]{1,63}", value) for value in metadata["labels"].values())


class Posted:
    """Takes requests."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    async def request(self, _method: str, _path: str, *, body: dict[str, Any], attempts: int) -> None:
        assert attempts
        self.bodies.append(body)


@everything
def test_event(character: str) -> None:
    """The API counts a note in bytes."""
    long = character * 100_000
    client = Posted()
    recorder = KubernetesEventRecorder(cast("KubernetesClient", client), "pod-1")
    about = {"metadata": {"name": "n", "namespace": "m", "uid": "u", "resourceVersion": "1"}, "kind": labels.KIND}
    texts = [message(EventReason.REQUEST_REFUSED, detail=long), long]
    asyncio.run(recorder.record(about, [Event(EventReason.REQUEST_REFUSED, text, warning=True) for text in texts]))

    for body in client.bodies:
        assert len(body["note"].encode()) <= MAX_NOTE_BYTES
