"""The cluster for benchmarks: one lasting connection, and watches in the place of polling.

kubectl costs a tenth of a CPU-second per call, more than what is measured here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes import client, config, watch

Json = dict[str, Any]
GROUP, VERSION, PLURAL = "trawler.dev", "v1alpha1", "subscriptions"


class JobFailedError(AssertionError):
    """A Job that was to be measured failed; its time means nothing."""


@dataclass(frozen=True)
class Ran:
    """A Job that is complete; times as a client saw them, in Unix seconds."""

    name: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began


class Cluster:
    """The cluster that KUBECONFIG names, and one namespace of it."""

    def __init__(self, namespace: str) -> None:
        config.load_kube_config()
        self.namespace = namespace
        self._api = client.ApiClient()
        self._custom = client.CustomObjectsApi(self._api)
        self._batch = client.BatchV1Api(self._api)
        self._core = client.CoreV1Api(self._api)

    # --- Subscriptions ---------------------------------------------------------------------------------------------

    def check(self, subscription: str, request_id: str, *, timeout: int = 120) -> Json:
        """Ask for a check and wait until it was made; the status then."""
        body = {"metadata": {"annotations": {"trawler.dev/check": request_id}}}
        self._custom.patch_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, subscription, body)
        for seen in self._watch_subscription(subscription, timeout):
            status: Json = seen.get("status", {})
            if status.get("lastHandled", {}).get("check", {}).get("id") == request_id:
                return status
        raise TimeoutError(f"check {request_id} of {subscription} was not handled within {timeout} s")

    def wait_first_checks(self, namespaces: Collection[str], number: int, *, timeout: int) -> None:
        """Until so many Subscriptions of these namespaces have been checked. A watch: lists of all would cost more."""
        checked: set[str] = set()
        for event in watch.Watch().stream(
            self._custom.list_cluster_custom_object, GROUP, VERSION, PLURAL, timeout_seconds=timeout
        ):
            metadata = event["object"]["metadata"]
            if metadata["namespace"] in namespaces and "lastCheckTime" in event["object"].get("status", {}):
                checked.add(metadata["uid"])
            if len(checked) == number:
                return
        raise TimeoutError(f"{len(checked)} of {number} Subscriptions were checked within {timeout} s")

    def create_subscription(self, name: str, spec: Json) -> None:
        """A new Subscription."""
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Subscription", "metadata": {"name": name}, "spec": spec}
        self._custom.create_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, body)

    def create_config_map(self, manifest: Json) -> None:
        """A new ConfigMap."""
        self._core.create_namespaced_config_map(self.namespace, manifest)

    def _watch_subscription(self, name: str, timeout: int) -> Iterator[Json]:
        for event in watch.Watch().stream(
            self._custom.list_namespaced_custom_object, GROUP, VERSION, self.namespace, PLURAL,
            field_selector=f"metadata.name={name}", timeout_seconds=timeout,
        ):  # fmt: skip
            yield event["object"]

    # --- Jobs ------------------------------------------------------------------------------------------------------

    def run_job(self, manifest: Mapping[str, Any], *, timeout: int = 300) -> Ran:
        """Create a Job and wait until it is complete."""
        name = manifest["metadata"]["name"]
        began = time.time()
        self._batch.create_namespaced_job(self.namespace, manifest)
        for job in self._watch_jobs(f"metadata.name={name}", "", timeout):
            if _complete(job):
                return Ran(name, began, time.time())
        raise TimeoutError(f"Job {name} did not end within {timeout} s")

    def time_next_job(self, selector: str, start: Callable[[], object], *, timeout: int = 300) -> Ran:
        """Do something that makes somebody else create one Job, and wait until that Job is complete."""
        version = self._batch.list_namespaced_job(self.namespace, label_selector=selector).metadata.resource_version
        start()
        appeared: dict[str, float] = {}
        for event in watch.Watch().stream(
            self._batch.list_namespaced_job, self.namespace,
            label_selector=selector, resource_version=version, timeout_seconds=timeout,
        ):  # fmt: skip
            job = event["raw_object"]
            name = job["metadata"]["name"]
            if event["type"] == "ADDED":
                appeared[name] = time.time()
            elif event["type"] == "MODIFIED" and name in appeared and _complete(job):
                return Ran(name, appeared[name], time.time())
        raise TimeoutError(f"no Job of {selector} ended within {timeout} s")

    def create_finished_job(self, manifest: Json) -> None:
        """A new Job, with its status."""
        name = self._batch.create_namespaced_job(self.namespace, manifest).metadata.name
        self._batch.patch_namespaced_job_status(name, self.namespace, {"status": manifest["status"]})

    def delete_job(self, name: str) -> None:
        """As a CronJob's history limit does: the pod goes with it, in the background."""
        self._batch.delete_namespaced_job(name, self.namespace, propagation_policy="Background")

    def _watch_jobs(self, fields: str, selector: str, timeout: int) -> Iterator[Json]:
        for event in watch.Watch().stream(
            self._batch.list_namespaced_job, self.namespace,
            field_selector=fields, label_selector=selector, timeout_seconds=timeout,
        ):  # fmt: skip
            yield event["raw_object"]


def _complete(job: Mapping[str, Any]) -> bool:
    for condition in job.get("status", {}).get("conditions") or ():
        if condition["status"] == "True" and condition["type"] == "Failed":
            raise JobFailedError(f"Job {job['metadata']['name']}: {condition.get('message')}")
        if condition["status"] == "True" and condition["type"] == "Complete":
            return True
    return False
