"""Resident memory of the operator: without any Subscription, with 1,000, with 1,000 that have a history and Jobs of it.

The Subscriptions are suspended: they are read, watched and reported on as others are, and no site is asked.
"""

from __future__ import annotations

from datetime import UTC, datetime

from bench.cluster import Cluster, Json
from bench.deployment import total
from bench.history import entry, shard, video
from bench.machine import Node
from bench.table import Row
from e2e import kubectl as k
from e2e import objects
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import until
from trawler_downloader.contract.keys import video_key
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.subscription import parse_subscription
from trawler_operator.api.times import format_time
from trawler_operator.domain.jobs.cleanup import HistoryLimits
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults
from trawler_operator.domain.launches.download_job import build_download_job

SUBSCRIPTIONS = 1000
HISTORY = 100
"""Videos in each ledger, all downloaded."""
KEPT_JOBS = HistoryLimits().successful
"""Finished Jobs of each, of its newest videos."""
_MIB = 2**20
_DEFAULTS = JobDefaults(image="trawler-downloader:dev", claim_name="library", ca_bundle_config_map="standin-ca")


def measure(cluster: Cluster, place: Place, operator: OperatorPod, node: Node, rounds: int) -> list[Row]:
    """The rows of this benchmark; each state is measured after so many starts of the operator."""
    empty = _after_starts(operator, node, 0, rounds)
    for number in range(SUBSCRIPTIONS):
        cluster.create_subscription(_name(number), {"url": _url(number), "suspend": True})
    until("all have a status", lambda: _reported(place), lambda n: n == SUBSCRIPTIONS, timeout=600)
    at_once = [_resident(operator, node)]
    full = _after_starts(operator, node, SUBSCRIPTIONS, rounds)
    for number in range(SUBSCRIPTIONS):
        cluster.create_config_map(shard(_name(number), number, 0, [LedgerState.SUCCEEDED] * HISTORY, sealed=False))
    with_history = _after_starts(operator, node, SUBSCRIPTIONS, rounds)
    for body in objects.items("subscriptions", namespace=place.namespace):
        for job in _jobs(body):
            cluster.create_finished_job(job)
    with_jobs = _after_starts(operator, node, SUBSCRIPTIONS, rounds)
    theirs = "without any"
    return [
        Row(f"operator's memory with {SUBSCRIPTIONS:,} Subscriptions", "MiB", full, empty, theirs),
        Row("… right after they were created", "MiB", at_once, empty, theirs),
        Row(f"… with {HISTORY} videos in each ledger", "MiB", with_history, empty, theirs),
        Row(f"… and {KEPT_JOBS} finished Jobs of each", "MiB", with_jobs, empty, theirs),
    ]


def _after_starts(operator: OperatorPod, node: Node, subscriptions: int, rounds: int) -> list[float]:
    """MiB after each of so many starts, every Subscription having been looked at."""
    measured = []
    for _ in range(rounds):
        k.kubectl("-n", operator.namespace, "rollout", "restart", "deployment/trawler")
        operator.wait_ready()
        until(
            f"the operator has looked at {subscriptions} Subscriptions",
            lambda: (
                total(operator, "trawler_reconcile_duration_seconds_count"),
                total(operator, "trawler_queue_length"),
            ),
            lambda seen: seen[0] >= subscriptions and seen[1] == 0,
            timeout=600,
        )
        measured.append(_resident(operator, node))
    return measured


def _resident(operator: OperatorPod, node: Node) -> float:
    return node.resident_bytes(str(operator.pod()["metadata"]["uid"]), "operator") / _MIB


def _reported(place: Place) -> int:
    subscriptions = objects.items("subscriptions", namespace=place.namespace)
    return sum("observedGeneration" in s.get("status", {}) for s in subscriptions)


def _name(number: int) -> str:
    return f"subscription-{number:04}"


def _url(number: int) -> str:
    return f"https://www.youtube.com/@channel-{number:04}/videos"


def _jobs(body: Json) -> list[Json]:
    """What was left of the newest downloads, as the operator made them; `suspend` keeps them from running again."""
    subscription = parse_subscription(body)
    number = int(subscription.name.rpartition("-")[2])
    now = format_time(datetime.now(UTC))
    jobs = []
    for seq in range(HISTORY - KEPT_JOBS, HISTORY):
        job = build_download_job(
            subscription,
            video_key("Youtube", video(number, seq)),
            entry(number, seq, LedgerState.SUCCEEDED),
            launch=1,
            shard=0,
            gates={},
            defaults=_DEFAULTS,
            access=AccessRules(),
        )
        job["spec"]["suspend"] = True
        ended = {"status": "True", "lastTransitionTime": now}
        conditions = [{"type": kind, **ended} for kind in ("SuccessCriteriaMet", "Complete")]
        times = {"startTime": now, "completionTime": now}
        jobs.append({**job, "status": {"succeeded": 1, "conditions": conditions, **times}})
    return jobs
