"""Looks at objects of the cluster that KUBECONFIG names: hundreds a minute, so without a kubectl for each.

What a test does to the cluster, and what it expects a person to see, goes through `e2e.kubectl` all the same.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import load_kube_config

_GROUP_VERSIONS = {
    "configmaps": "api/v1",
    "events": "apis/events.k8s.io/v1",
    "jobs": "apis/batch/v1",
    "leases": "apis/coordination.k8s.io/v1",
    "namespaces": "api/v1",
    "persistentvolumeclaims": "api/v1",
    "persistentvolumes": "api/v1",
    "pods": "api/v1",
    "resourcequotas": "api/v1",
    "subscriptions": "apis/trawler.dev/v1alpha1",
}
"""Where each kind of object that tests look at is served, by its plural."""
_TIMEOUT_SECONDS = 30.0


class LookError(AssertionError):
    """The API server gave no object: it is not there, or the server did not answer."""


@functools.cache
def _client() -> ApiClient:
    configuration = Configuration()
    load_kube_config(client_configuration=configuration)
    configuration.retries = False  # whoever waits looks again by himself
    return ApiClient(configuration)


def _read(path: str, query: dict[str, str]) -> dict[str, Any]:
    client = _client()
    url = f"{client.configuration.host}/{path}"
    try:
        answer = client.rest_client.pool_manager.request("GET", url, fields=query, timeout=_TIMEOUT_SECONDS)
    except urllib3.exceptions.HTTPError as error:
        raise LookError(f"GET {path}: {error}") from error
    if answer.status != 200:
        raise LookError(f"GET {path}: {answer.status} {answer.data.decode(errors='replace')}")
    parsed: dict[str, Any] = json.loads(answer.data)
    return parsed


def _path(plural: str, namespace: str | None) -> str:
    return f"{_GROUP_VERSIONS[plural]}/{f'namespaces/{namespace}/' if namespace else ''}{plural}"


def get(plural: str, name: str, *, namespace: str | None = None) -> dict[str, Any]:
    """One object.

    Raises:
        LookError: there is none of this name, or the API server did not answer.
    """
    return _read(f"{_path(plural, namespace)}/{name}", {})


def items(plural: str, *, namespace: str | None = None, labels: str = "", fields: str = "") -> list[dict[str, Any]]:
    """The objects that a label selector and a field selector choose.

    Raises:
        LookError: the API server did not answer.
    """
    selectors = {"labelSelector": labels, "fieldSelector": fields}
    found: list[dict[str, Any]] = _read(_path(plural, namespace), {k: v for k, v in selectors.items() if v})["items"]
    return found
