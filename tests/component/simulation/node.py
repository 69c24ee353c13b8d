"""How Jobs end: as the downloader ends them, or by what kills, evicts and forgets."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from component import job_controller
from component.cluster import Cluster, end_job, request_of
from component.simulation.process import subscription_of
from component.simulation.truth import Nas
from component.simulation.watchdog import Watchdog
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api import labels


class Ending(StrEnum):
    """How a Job ends."""

    TRUTH = "as the downloader ends it"
    REPORT_LOST = "complete, without a report"
    KILLED = "killed before anything"
    KILLED_LATE = "killed after publishing"
    EVICTED = "evicted"
    POD_DELETED = "pod deleted"
    DEADLINE = "beyond its deadline"


class Node:
    """Where download pods run.

    Args:
        cluster: has the Jobs.
        nas: has the files.
        watchdog: is told which endings cost a try.
        tell: the watches tell of a change that concerns a Subscription.
    """

    def __init__(self, cluster: Cluster, nas: Nas, watchdog: Watchdog, tell: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._nas = nas
        self._watchdog = watchdog
        self._tell = tell

    def end(self, number: int, ending: Ending) -> None:
        """A running Job ends."""
        jobs = self._cluster.running_jobs()
        if not jobs:
            return
        job = jobs[number % len(jobs)]
        name, key = subscription_of(job), job["metadata"]["annotations"][labels.VIDEO_ANNOTATION]
        match ending:
            case Ending.TRUTH | Ending.REPORT_LOST:
                result = self._nas.download(request_of(job))
                if result.outcome is OutcomeClass.TRANSIENT:
                    self._watchdog.burns[name, key] += 1
                    self._watchdog.spared[name, key] += self._watchdog.gates.is_probe(job)
                lost = ending is Ending.REPORT_LOST and result.outcome is OutcomeClass.PUBLISHED
                end_job(self._cluster, job, 0 if lost else result)
            case Ending.KILLED:
                end_job(self._cluster, job, 137)
            case Ending.KILLED_LATE:
                if self._nas.download(request_of(job)).outcome is OutcomeClass.PUBLISHED:
                    end_job(self._cluster, job, 137)
                else:
                    self._burn(name, key)
                    job_controller.exceed_deadline(self._cluster, job)
            case Ending.EVICTED:
                job_controller.evict_pod(self._cluster, job)
            case Ending.POD_DELETED:
                job_controller.delete_pod(self._cluster, job)
            case Ending.DEADLINE:
                self._burn(name, key)
                job_controller.exceed_deadline(self._cluster, job)
        self._tell(name)

    def end_all(self) -> None:
        """All running Jobs end as the downloader ends them."""
        while self._cluster.running_jobs():
            self.end(0, Ending.TRUTH)

    def _burn(self, name: str, key: str) -> None:
        """A try is lost by bad luck: the video may be given up for it."""
        self._watchdog.burns[name, key] += 1
        self._watchdog.edited.add((name, key))
