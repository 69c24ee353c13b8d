"""A container that the cluster injects into every new pod and that never ends, as a service mesh's may be."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from client import StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.place import Place
from e2e.waiting import until

LODGER = "lodger"
OPT_OUT = "lodger.example/inject"
_CONTAINER = """[JSONPatch{op: "add", path: "/spec/containers/-", value: Object.spec.containers{
  name: "lodger",
  image: "trawler-downloader:dev",
  command: ["python", "-c", "import time; time.sleep(3600)"],
  securityContext: Object.spec.containers.securityContext{
    allowPrivilegeEscalation: false,
    capabilities: Object.spec.containers.securityContext.capabilities{drop: ["ALL"]}
  }
}}]"""
_WANTED = f"""!has(object.metadata.annotations) || !("{OPT_OUT}" in object.metadata.annotations)
 || object.metadata.annotations["{OPT_OUT}"] != "false" """


@contextlib.contextmanager
def _injected(place: Place) -> Iterator[None]:
    """While every new pod of this namespace gets a container that goes on and on, unless an annotation forbids it."""
    name = f"{place.namespace}-{LODGER}"
    api = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}}}
    policy = {
        "apiVersion": api,
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail",
            "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [rule], **here},
            "matchConditions": [{"name": "not-forbidden", "expression": _WANTED}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": _CONTAINER}}],
        },
    }
    binding = {
        "apiVersion": api,
        "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name},
    }
    k.apply(policy, binding)
    try:
        until("the policy is in force", lambda: _containers_of_a_new_pod(place), lambda found: LODGER in found)
        yield
    finally:
        k.delete("mutatingadmissionpolicybinding", name)
        k.delete("mutatingadmissionpolicy", name)


def _containers_of_a_new_pod(place: Place) -> list[str]:
    """The names of the containers of a harmless pod, as the API server would store it."""
    rights = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "harmless", "namespace": place.namespace},
        "spec": {
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{"name": "harmless", "image": "x", "securityContext": rights}],
        },
    }
    stored = json.loads(k.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(pod)))
    return [container["name"] for container in stored["spec"]["containers"]]


def _all_jobs(place: Place) -> list[str]:
    """Downloads and inventories."""
    return [job["metadata"]["name"] for job in objects.items("jobs", namespace=place.namespace)]


def _spec(handle: str, **more: Any) -> dict[str, Any]:
    return {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 2}, **more}


def test_a_container_that_outlives_the_download(place: Place, site: StandIn, handle: str) -> None:
    """History and both videos come one after the other, no try is lost, and no Job holds its slot after that."""
    site.add_channel(handle=handle, videos=2)
    with _injected(place):
        place.subscribe("one", _spec(handle))
        status = place.wait_up_to_date("one", 2)
        entries = place.ledger("one").values()
        assert [entry["state"] for entry in entries] == ["Succeeded", "Succeeded"]
        assert [(entry["launches"], entry.get("failures", 0)) for entry in entries] == [(1, 0), (1, 0)]
        assert status["counts"].get("running", 0) == 0
        until("no Job is left", lambda: _all_jobs(place), lambda jobs: jobs == [])
        until("no pod is left", lambda: objects.items("pods", namespace=place.namespace), lambda pods: pods == [])
    assert len(place.media()) == 2


def test_a_container_that_an_annotation_keeps_out(place: Place, site: StandIn, handle: str) -> None:
    """Neither the Job that reads the history nor downloads get it: those end as ever, and are kept with their logs."""
    site.add_channel(handle=handle, videos=2)
    with _injected(place):
        place.subscribe("one", _spec(handle, job={"podAnnotations": {OPT_OUT: "false"}, "podLabels": {"team": "tv"}}))
        place.wait_up_to_date("one", 2)
        pods = objects.items("pods", namespace=place.namespace, labels="team=tv")
        assert {container["name"] for pod in pods for container in pod["spec"]["containers"]} == {"download"}
        conditions = [{c["type"] for c in job["status"].get("conditions", ())} for job in place.jobs("one")]
        assert [("Complete" in types) for types in conditions] == [True, True]
