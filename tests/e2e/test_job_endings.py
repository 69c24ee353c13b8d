"""Every way in which a launch can end without a word of its own, or not begin at all, on a real cluster."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import until

HOUSE_RULES = "the house rules forbid it"
NO_IMAGE = "registry.invalid/no-such-image:1"


def _subscribe(place: Place, site: StandIn, handle: str, *, slow: bool = False, **more: Any) -> str:
    """One wanted video, downloaded slowly enough to be disturbed if asked for. Returns its key."""
    site.add_channel(handle=handle, videos=1)
    video = site.videos(handle)[0]["id"]
    if slow:
        site.fault(endpoint="media", video=video, kind="slow", bytes_per_second=2000)
        # What comes within a fraction of that time is written to the disk as one piece.
        more["job"] = {"stallTimeoutSeconds": 30, **more.get("job", {})}
    _subscribe_again(place, handle, **more)
    return f"youtube.{video}"


def _established(place: Place, site: StandIn, handle: str, **more: Any) -> None:
    """A Subscription that has had its first run: its history was read back, and one video has landed."""
    site.add_channel(handle=handle, videos=1)
    _subscribe_again(place, handle, **more)
    place.wait_up_to_date("one", 1)


def _subscribe_again(place: Place, handle: str, **more: Any) -> None:
    place.subscribe("one", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}, **more})


def _publish(place: Place, site: StandIn, handle: str) -> str:
    """A second video, found by a check. Returns its key."""
    video = site.publish(channel=handle, count=1)[0]["id"]
    place.check("one", "published")
    return f"youtube.{video}"


def _wait_reason(place: Place, key: str, reason: str, *, timeout: float = 300) -> dict[str, Any]:
    """Until the ledger has a launch of the video as ended for that reason."""
    return until(
        f"{key} ended with {reason}",
        lambda: place.ledger("one").get(key, {}),
        lambda entry: entry.get("reason") == reason,
        timeout=timeout,
    )


def _wait_transfer(place: Place) -> None:
    until("the transfer is under way", place.staged, lambda staged: any(p.suffix == ".part" for p in staged))


def test_out_of_memory(place: Place, site: StandIn, handle: str) -> None:
    """The kernel kills it: costs a try, and the message names the field that gives it more."""
    resources = {"requests": {"memory": "40Mi"}, "limits": {"memory": "40Mi"}}
    _established(place, site, handle)  # with so little its history might not come back
    _subscribe_again(place, handle, job={"resources": resources}, retry={"maxAttempts": 1})
    key = _publish(place, site, handle)
    entry = _wait_reason(place, key, "OutOfMemory")
    assert (entry["state"], entry["failures"]) == ("DeadLetter", 1)
    assert "spec.job.resources.limits.memory" in entry["message"]


@pytest.mark.lengthy
def test_deadline(place: Place, site: StandIn, handle: str) -> None:
    """Stopped by its Job's deadline: costs a try, although its pod says that it was told to stop."""
    key = _subscribe(place, site, handle, slow=True, job={"activeDeadlineSeconds": 60}, retry={"maxAttempts": 1})
    entry = _wait_reason(place, key, "DeadlineExceeded")
    assert (entry["state"], entry["failures"]) == ("DeadLetter", 1)
    assert place.media() == []


def test_pod_deleted(place: Place, site: StandIn, handle: str) -> None:
    """Deleted by hand while it runs: no try is lost, another launch brings the video."""
    key = _subscribe(place, site, handle, slow=True)
    _wait_transfer(place)
    k.kubectl("-n", place.namespace, "delete", "pod", "-l", "trawler.dev/subscription=one", "--wait=false")
    site.clear_faults()
    place.wait_up_to_date("one", 1, timeout=400)
    entry = place.ledger("one")[key]
    assert (entry["launches"], entry.get("failures", 0)) == (2, 0)


def test_pod_evicted(place: Place, site: StandIn, handle: str) -> None:
    """As a drain does it, through the eviction API: said in the ledger, no try is lost."""
    key = _subscribe(place, site, handle, slow=True)
    _wait_transfer(place)
    (pod,) = objects.items("pods", namespace=place.namespace, labels="app.kubernetes.io/component=download")
    name = pod["metadata"]["name"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": place.namespace},
    }
    path = f"/api/v1/namespaces/{place.namespace}/pods/{name}/eviction"
    k.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    site.clear_faults()
    stopped = until(
        "the ledger says that it was stopped",
        lambda: place.ledger("one").get(key, {}),
        lambda entry: entry.get("outcome") == "Terminated",
    )
    assert stopped["reason"] in {"Disrupted", "Terminated"}  # the Job's word for it, or that of the pod if it was read
    place.wait_up_to_date("one", 1, timeout=400)
    entry = place.ledger("one")[key]
    assert (entry["launches"], entry.get("failures", 0)) == (2, 0)


def test_job_deleted(place: Place, site: StandIn, handle: str) -> None:
    """The claim outlives its Job: the same launch is created again, and brings the video once."""
    key = _subscribe(place, site, handle, slow=True)
    _wait_transfer(place)
    k.kubectl("-n", place.namespace, "delete", "job", "-l", "trawler.dev/subscription=one")
    site.clear_faults()
    place.wait_up_to_date("one", 1, timeout=400)
    entry = place.ledger("one")[key]
    assert (entry["launches"], entry.get("failures", 0)) == (1, 0)
    assert len(place.media()) == 1


@pytest.mark.lengthy
def test_no_pod_for_a_quota(place: Place, site: StandIn, handle: str) -> None:
    """A quota refuses the pod: shown, the launch is ended, and the video comes once there is room."""
    _established(place, site, handle)
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-pods", "namespace": place.namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    k.apply(quota)
    until(
        "the quota is in force",
        lambda: objects.get("resourcequotas", "no-pods", namespace=place.namespace).get("status", {}).get("hard"),
        lambda hard: hard == {"pods": "0"},
    )
    key = _publish(place, site, handle)
    _wait_reason(place, key, "PodNotCreated")
    condition = place.wait_condition("one", "Ready", "False", "DownloadNotStarting")
    assert "quota" in condition["message"]
    assert [job for job in place.jobs("one") if not job["status"].get("conditions")] == []
    k.delete("-n", place.namespace, "resourcequota", "no-pods")
    place.wait_up_to_date("one", 2, timeout=500)
    assert place.ledger("one")[key].get("failures", 0) == 0


@contextlib.contextmanager
def _forbidden(place: Place, kind: str, group: str, resource: str) -> Iterator[None]:
    """While a rule of the cluster's administrator refuses all new objects of a kind in this namespace."""
    name = f"{place.namespace}-no-{resource}"
    api = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource]}
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}}}
    policy = {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {"resourceRules": [rule], **here},
            "validations": [{"expression": "false", "message": HOUSE_RULES}],
        },
    }
    binding = {
        "apiVersion": api,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    k.apply(policy, binding)
    try:
        until("the policy is in force", lambda: _refusal(place, kind), lambda said: HOUSE_RULES in said)
        yield
    finally:
        k.delete("validatingadmissionpolicybinding", name)
        k.delete("validatingadmissionpolicy", name)


def _refusal(place: Place, kind: str) -> str:
    """What the API server says against a harmless Pod or Job; empty: nothing."""
    profile = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
    rights = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = {
        "restartPolicy": "Never",
        "securityContext": profile,
        "containers": [{"name": "harmless", "image": "x", "securityContext": rights}],
    }
    manifest = {
        "apiVersion": "v1" if kind == "Pod" else "batch/v1",
        "kind": kind,
        "metadata": {"name": "harmless", "namespace": place.namespace},
        "spec": pod if kind == "Pod" else {"template": {"spec": pod}},
    }
    try:
        k.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(manifest))
    except k.KubectlError as refused:
        return refused.stderr
    return ""


def test_job_that_a_policy_refuses(place: Place, site: StandIn, handle: str) -> None:
    """A condition has the policy's words; with the policy gone the video comes, and no try is lost."""
    _established(place, site, handle)
    with _forbidden(place, "Job", "batch", "jobs"):
        key = _publish(place, site, handle)
        condition = place.wait_condition("one", "Ready", "False", "JobRejected")
        assert HOUSE_RULES in condition["message"]
        until("an Event says so", lambda: place.events("JobRejected"), bool)
    place.wait_up_to_date("one", 2, timeout=400)
    assert place.ledger("one")[key].get("failures", 0) == 0


@pytest.mark.lengthy
def test_pod_that_a_policy_refuses(place: Place, site: StandIn, handle: str) -> None:
    """A Job without a pod: given back after a while, and launched again."""
    _established(place, site, handle)
    with _forbidden(place, "Pod", "", "pods"):
        key = _publish(place, site, handle)
        entry = _wait_reason(place, key, "PodNotCreated")
        assert (entry["outcome"], entry["state"], entry.get("failures", 0)) == ("Environment", "Pending", 0)


@pytest.mark.lengthy
def test_no_node(place: Place, site: StandIn, handle: str) -> None:
    """No node bears the label asked for: the scheduler's words, and the fields that can mend it."""
    _established(place, site, handle)
    _subscribe_again(place, handle, job={"nodeSelector": {"trawler.dev/no-such-node": "1"}})
    key = _publish(place, site, handle)
    entry = _wait_reason(place, key, "Unschedulable")
    assert entry["state"] == "Pending"
    assert "spec.job.nodeSelector" in entry["message"]
    place.wait_condition("one", "Ready", "False", "DownloadNotStarting")


@pytest.mark.lengthy
def test_volume_that_cannot_be_mounted(place: Place, site: StandIn, handle: str) -> None:
    """The folder behind the claim is not there on the node: the launch ends as MountFailed, and heals."""
    place.add_claim("away", f"{place.namespace}/away")
    folder, aside = place.library / "away", place.library / "aside"
    _established(place, site, handle, library={"claimName": "away"})
    folder.rename(aside)
    key = _publish(place, site, handle)
    entry = _wait_reason(place, key, "MountFailed")
    assert (entry["state"], entry.get("failures", 0)) == ("Pending", 0)
    aside.rename(folder)
    place.wait_up_to_date("one", 2, timeout=500)


def test_config_map_that_is_missing(place: Place, site: StandIn, handle: str) -> None:
    """Authorities that are named and not there: no Job is made, a condition names the ConfigMap."""
    _subscribe(place, site, handle, access={"caBundleRef": {"name": "no-such-bundle"}})
    condition = place.wait_condition("one", "Ready", "False", "CaBundleNotFound")
    assert "no-such-bundle" in condition["message"]
    assert place.jobs("one") == []


def _configure(operator: OperatorPod, configuration: str) -> None:
    """The operator's file alone: by a value of the chart its lister would get the same image."""
    where, patch = ["-n", operator.namespace], json.dumps({"data": {"config.yaml": configuration}})
    k.kubectl(*where, "patch", "configmap", "trawler-config", "--type=merge", "-p", patch)
    k.kubectl(*where, "rollout", "restart", "deployment/trawler")
    k.kubectl(*where, "rollout", "status", "deployment/trawler", "--timeout=120s")


@pytest.mark.long
@pytest.mark.disruptive
def test_image_that_cannot_be_pulled(place: Place, site: StandIn, handle: str, operator: OperatorPod) -> None:
    """An operator that was told of an image which is not there: shown with the registry's words; no try is lost."""
    configuration = objects.get("configmaps", "trawler-config", namespace=operator.namespace)["data"]["config.yaml"]
    assert "trawler-downloader:dev" in configuration
    _established(place, site, handle)
    key = ""
    try:
        _configure(operator, configuration.replace("trawler-downloader:dev", NO_IMAGE))
        key = _publish(place, site, handle)
        entry = _wait_reason(place, key, "ImagePullFailed")
        assert (entry["state"], entry.get("failures", 0)) == ("Pending", 0)
        condition = place.wait_condition("one", "Ready", "False", "DownloadNotStarting")
        assert NO_IMAGE in condition["message"]
    finally:
        _configure(operator, configuration)
    place.wait_up_to_date("one", 2, timeout=500)
