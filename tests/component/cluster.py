"""A cluster in memory: objects with versions, Jobs that end when told, an API that can be killed at any call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar

from builders import NOON, subscription_body
from component.job_controller import JOB_NAME_LABEL, end_pod
from component.object_store import Object, ObjectStore, copied
from trawler_downloader.contract.download import REQUEST_ENV, DownloadRequest, DownloadResult
from trawler_downloader.contract.inventory import InventoryRequest
from trawler_downloader.contract.outcomes import EXIT_CODES, LedgerState, OutcomeClass
from trawler_downloader.contract.survey import HistoryLine, SurveyRequest
from trawler_downloader.contract.volume_job import (
    ChunkSum,
    ChunkTrailerLine,
    HeaderLine,
    VolumeRecord,
    VolumeRequest,
)
from trawler_operator.api import labels
from trawler_operator.domain.jobs.manifest import claim_of
from trawler_operator.domain.jobs.outcome import is_finished
from trawler_operator.domain.ledger.codec import InvalidEntryError, decode_entry
from trawler_operator.domain.ledger.entry import LedgerEntry

KEY = ("media", "numberline")
DOWNLOAD_JOBS = {labels.MANAGED_BY_LABEL: labels.MANAGED_BY, labels.COMPONENT_LABEL: labels.COMPONENT_DOWNLOAD}
SURVEY_JOBS = {labels.MANAGED_BY_LABEL: labels.MANAGED_BY, labels.COMPONENT_LABEL: labels.COMPONENT_SURVEY}
INVENTORY_JOBS = {labels.MANAGED_BY_LABEL: labels.MANAGED_BY, labels.COMPONENT_LABEL: labels.COMPONENT_INVENTORY}
RESTLESS = {LedgerState.PENDING, LedgerState.RUNNING, LedgerState.FAILED}


class Killed(BaseException):
    """The process got SIGKILL: nothing of it runs on, not even what catches exceptions."""


class Clock:
    """Time that tests move; the wall clock shows whole seconds."""

    def __init__(self, now: datetime = NOON) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time.replace(microsecond=0)

    def monotonic(self) -> float:
        return (self.time - NOON).total_seconds()

    def advance(self, step: timedelta) -> None:
        self.time += step


class Cluster(ObjectStore):
    """The API server and what runs behind it."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self.created: list[str] = []
        """Names of download Jobs in the order of their creation."""
        self.writes: list[str] = []
        """Every write, as `verb kind/name`."""
        self.reads: list[str] = []
        self.reject_jobs: Exception | None = None
        self.volume_id: str | None = None
        """The marker that downloads have told of."""
        self.inventory: Inventory | None = lambda request: print_records(request, (), self.volume_id)
        """What inventories print; None: they go on and on. By itself: no manifest."""
        self.histories: set[str] = set()
        """Names of the Subscriptions of which surveys find manifests."""
        self.survey: Survey | None = lambda request, _: print_survey(request, self.histories, self.volume_id)
        """What surveys print; None: they go on and on."""
        self._ledgers: dict[str, tuple[int | None, dict[str, LedgerEntry]]] = {}
        """Entries by Subscription, as of a resourceVersion of the cluster."""
        self.logs: dict[tuple[str, str], bytes] = {}
        """(namespace, pod) → log."""

    # -- for the tests -------------------------------------------------------------------------------------------

    def subscribe(self, spec: Object | None = None, **metadata: Any) -> Object:
        """Apply a Subscription."""
        spec = {"url": "https://www.youtube.com/@numberline/videos", **(spec or {})}
        stamps = {"uid": f"sub-{next(self._uids)}", "creationTimestamp": self._timestamp()}
        return self.put("Subscription", subscription_body(spec, **{**stamps, **metadata}))

    def subscription(self, key: tuple[str, str] = KEY) -> Object:
        body = self.get("Subscription", *key)
        assert body is not None
        return body

    def claim(self, name: str = "library", namespace: str = "media") -> None:
        body = {"metadata": {"namespace": namespace, "name": name}, "status": {"phase": "Bound"}}
        self.put("PersistentVolumeClaim", body)

    def condition(self, kind: str, key: tuple[str, str] = KEY) -> tuple[str, str]:
        """Status and reason of a condition."""
        condition = self._condition(kind, key)
        return condition["status"], condition["reason"]

    def message(self, kind: str, key: tuple[str, str] = KEY) -> str:
        """What a condition says to people."""
        return str(self._condition(kind, key)["message"])

    def _condition(self, kind: str, key: tuple[str, str]) -> Object:
        (condition,) = (c for c in self.subscription(key)["status"]["conditions"] if c["type"] == kind)
        return condition

    def shards(self, name: str = "numberline") -> list[Object]:
        return self.list("ConfigMap", **{labels.SUBSCRIPTION_LABEL: name})

    def select_shards(self, name: str) -> list[Object]:
        """The shards themselves, to look at."""
        return self.select("ConfigMap", **{labels.SUBSCRIPTION_LABEL: name})

    def ledger(self, name: str = "numberline") -> dict[str, LedgerEntry]:
        """All readable entries."""
        version, entries = self._ledgers.get(name, (None, {}))
        if version != self.version:
            values = [item for shard in self.select_shards(name) for item in shard.get("data", {}).items()]
            entries = {key: entry for key, text in values if (entry := _decode(text)) is not None}
            self._ledgers[name] = (self.version, entries)
        return dict(entries)

    def states(self, name: str = "numberline") -> dict[str, LedgerState]:
        return {key: entry.state for key, entry in self.ledger(name).items()}

    def running_jobs(self) -> list[Object]:
        """Downloads under way."""
        return [copied(job) for job in self.select("Job", **DOWNLOAD_JOBS) if not is_finished(job)]

    def inventory_jobs(self) -> list[Object]:
        """Inventories, ended or not."""
        return self.list("Job", **INVENTORY_JOBS)

    def survey_jobs(self) -> list[Object]:
        """Surveys, ended or not."""
        return self.list("Job", **SURVEY_JOBS)

    def run_surveys(self, namespace: str = "media") -> list[tuple[str, str]]:
        """Let all surveys of a namespace run to their end; those that did, by namespace and label."""
        running = [job for job in self.list("Job", namespace, **SURVEY_JOBS) if not is_finished(job)]
        if self.survey is None:
            return []
        for job in running:
            end_volume_job(self, job, self.survey(request_of(job, SurveyRequest), claim_of(job) or ""))
        return [(namespace, job["metadata"]["labels"][labels.SURVEY_LABEL]) for job in running]

    def run_inventory(self, key: tuple[str, str]) -> bool:
        """Let a Subscription's inventory run to its end; whether there was any."""
        jobs = self.list("Job", key[0], **INVENTORY_JOBS, **{labels.SUBSCRIPTION_LABEL: key[1]})
        running = [job for job in jobs if not is_finished(job)]
        if self.inventory is not None:
            for job in running:
                end_volume_job(self, job, self.inventory(request_of(job, InventoryRequest)))
        return bool(running) and self.inventory is not None


@lru_cache(maxsize=10_000)
def _decode(text: str) -> LedgerEntry | None:
    try:
        return decode_entry(text)
    except InvalidEntryError:
        return None


Downloader = Callable[[DownloadRequest], DownloadResult | int]
"""What a launch ends with: a report, or an exit code and no report."""


def publish(request: DownloadRequest) -> DownloadResult:
    """All goes well."""
    return DownloadResult(
        outcome=OutcomeClass.PUBLISHED,
        reason="Published",
        path=f"Numberline/Season 26/{request.video.title}.mp4",
        bytes=1000,
        title=request.video.title,
        volume_id="volume-1",
        engine="2026.10.26",
    )


def end_job(cluster: Cluster, job: Object, result: DownloadResult | int) -> None:
    """Let a Job end as its pod did."""
    if isinstance(result, DownloadResult):
        cluster.volume_id = result.volume_id or cluster.volume_id
        end_pod(cluster, job, EXIT_CODES[result.outcome], result.to_json())
    else:
        end_pod(cluster, job, result)


Inventory = Callable[[InventoryRequest], bytes | DownloadResult]
"""What an inventory ends with: its log, or a report of its failure."""


def print_nothing(request: InventoryRequest) -> bytes:
    """There is no manifest, as on a new volume."""
    return print_records(request, ())


Survey = Callable[[SurveyRequest, str], bytes | DownloadResult]
"""What a survey of a claim ends with: its log, or a report of its failure."""


def print_survey(request: SurveyRequest, names: Iterable[str], volume_id: str | None = None) -> bytes:
    """The log of a survey that finds these histories."""
    return print_records(request, [HistoryLine(name=name) for name in sorted(names)], volume_id)


def print_records(
    request: VolumeRequest,
    records: Sequence[VolumeRecord],
    volume_id: str | None = None,
    next_after: str | None = None,
) -> bytes:
    """The log of a Job over a volume."""
    total = ChunkSum()
    lines = [record.to_json().encode() for record in records]
    for line in lines:
        total.add(line)
    header = HeaderLine(scope=request.scope, after=request.after, volume_id=volume_id)
    trailer = ChunkTrailerLine(count=total.count, sha256=total.sha256, next_after=next_after)
    return b"".join(line + b"\n" for line in (header.to_json().encode(), *lines, trailer.to_json().encode()))


def end_volume_job(cluster: Cluster, job: Object, ending: bytes | DownloadResult) -> None:
    """Let a Job over a volume end as its pod did."""
    if isinstance(ending, DownloadResult):
        end_pod(cluster, job, EXIT_CODES[ending.outcome], ending.to_json())
        return
    end_pod(cluster, job, 0)
    pods = cluster.list("Pod", job["metadata"]["namespace"], **{JOB_NAME_LABEL: job["metadata"]["name"]})
    for pod in pods:
        cluster.logs[pod["metadata"]["namespace"], pod["metadata"]["name"]] = ending


_Request = TypeVar("_Request", DownloadRequest, InventoryRequest, SurveyRequest)


def request_of(job: Object, kind: type[_Request] = DownloadRequest) -> _Request:  # type: ignore[assignment]
    """What a Job was asked for."""
    container = job["spec"]["template"]["spec"]["containers"][0]
    text = next(variable["value"] for variable in container["env"] if variable["name"] == REQUEST_ENV)
    return kind.model_validate_json(text)
