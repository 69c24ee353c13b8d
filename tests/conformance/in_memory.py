"""The stage in memory: the tests' own API server, Job controller and node."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from kubernetes.aio import client

from chart.pod_security import restricted_violations
from component import job_controller
from component.cluster import Cluster
from component.fake_api import FakeApi
from component.http_objects import HttpObjects, serve_objects
from component.object_store import Object
from conformance.stage import ENDING
from trawler_operator.adapters.kubernetes.client import KubernetesClient
from trawler_operator.domain.jobs.outcome import is_finished

STEPS = 20
STEP = timedelta(seconds=5)


class InMemoryStage:
    """`stage.Stage` on a Cluster."""

    def __init__(self, cluster: Cluster, requests: KubernetesClient) -> None:
        self.namespace = "conformance"
        self.cluster = cluster
        self.api = FakeApi(cluster)
        self.requests = requests

    async def create(self, kind: str, manifest: Object) -> Object:
        metadata = {**manifest["metadata"], "namespace": self.namespace}
        return self.cluster.create(kind, {**manifest, "metadata": metadata})

    async def read(self, kind: str, name: str) -> Object | None:
        return self.cluster.get(kind, self.namespace, name)

    async def names(self, kind: str) -> set[str]:
        return {body["metadata"]["name"] for body in self.cluster.list(kind, self.namespace)}

    async def patch(self, kind: str, name: str, patch: Object) -> Object:
        return self.cluster.merge(kind, self.namespace, name, patch)

    async def delete(self, kind: str, name: str, propagation: str = "Background") -> None:
        job = self._job_of(name) if kind == "Pod" else None
        if job is not None:
            job_controller.delete_pod(self.cluster, job)
        self.cluster.delete(kind, self.namespace, name, propagation=propagation)

    async def evict(self, pod: str) -> None:
        job = self._job_of(pod)
        assert job is not None
        job_controller.evict_pod(self.cluster, job)

    async def eventually(self, what: str, look: Callable[[], Awaitable[Any]]) -> Any:
        for _ in range(STEPS):
            seen = await look()
            if seen:
                return seen
            self._step()
        raise AssertionError(f"{what}: never")

    async def quiet(self) -> None:
        for _ in range(STEPS):
            self._step()

    def _job_of(self, pod: str) -> Object | None:
        body = self.cluster.get("Pod", self.namespace, pod)
        assert body is not None
        return self.cluster.get("Job", self.namespace, body["metadata"]["labels"][job_controller.JOB_NAME_LABEL])

    def _step(self) -> None:
        for job in self.cluster.list("Job", self.namespace):
            if not is_finished(job):
                self._run(job)
        self.cluster.collect_garbage()
        self.cluster.clock.advance(STEP)

    def _run(self, job: Object) -> None:
        spec, status = job["spec"], job.get("status") or {}
        pod = spec["template"]["spec"]
        if spec.get("suspend"):
            job_controller.suspend(self.cluster, job)
        elif not status.get("active"):
            # Admission refuses the pod, not the Job.
            if not restricted_violations(pod):
                job_controller.start_pod(self.cluster, job)
        elif not any("persistentVolumeClaim" in volume for volume in pod.get("volumes", ())):
            self._go_on(job, json.loads(next(v["value"] for v in pod["containers"][0]["env"] if v["name"] == ENDING)))

    def _go_on(self, job: Object, wish: Object) -> None:
        """What a test's program does; a pod that waits for its claim does nothing."""
        spec, status = job["spec"], job["status"]
        for pod in self.cluster.list("Pod", self.namespace, **{job_controller.JOB_NAME_LABEL: job["metadata"]["name"]}):
            text = wish["prints"] * wish["times"]
            self.cluster.logs[self.namespace, pod["metadata"]["name"]] = text.encode()
        others = spec["template"]["spec"]["containers"][1:]
        if others and wish["code"] is not None:
            job_controller.leave_pod(self.cluster, job, wish["code"], wish["message"])
        elif wish["eats_memory"]:
            job_controller.end_pod(self.cluster, job, 137, wish["message"], "OOMKilled")
        elif wish["code"] is not None:
            job_controller.end_pod(self.cluster, job, wish["code"], wish["message"])
        elif datetime.fromisoformat(status["startTime"]) + timedelta(seconds=spec["activeDeadlineSeconds"]) <= (
            self.cluster.clock.now()
        ):
            job_controller.exceed_deadline(self.cluster, job)


@asynccontextmanager
async def in_memory_stage() -> AsyncIterator[InMemoryStage]:
    """A stage of its own, with its cluster behind HTTP as well."""
    cluster = Cluster()
    with serve_objects(HttpObjects(cluster)) as url:
        requests = KubernetesClient(client.Configuration(host=url))
        try:
            yield InMemoryStage(cluster, requests)
        finally:
            await requests.close()
