"""Many Subscriptions: in namespaces of their own, on claims of their own, or sharing one."""

from __future__ import annotations

from typing import Any

from client import StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import until


def _spec(handle: str, **more: Any) -> dict[str, Any]:
    return {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 2}, **more}


def test_two_namespaces_with_their_own_claims(place: Place, other_place: Place, site: StandIn, handle: str) -> None:
    """Both get their videos under Pod Security `restricted`, each on its own claim."""
    site.add_channel(handle=handle, videos=5)
    for each in (place, other_place):
        each.subscribe("mine", _spec(handle))
    for each in (place, other_place):
        each.wait_up_to_date("mine", 2)
        assert len(each.media()) == 2


def test_one_claim_two_folders(place: Place, site: StandIn, handle: str) -> None:
    """The same videos wanted in two folders are two files each."""
    site.add_channel(handle=handle, videos=5)
    place.subscribe("one", _spec(handle, library={"path": "one"}))
    place.subscribe("two", _spec(handle, library={"path": "two"}))
    place.wait_up_to_date("one", 2)
    place.wait_up_to_date("two", 2)
    assert [path.parts[0] for path in place.media()] == ["one", "one", "two", "two"]


def test_one_claim_one_folder(place: Place, site: StandIn, handle: str) -> None:
    """The same videos wanted in one folder are one file each, and both Subscriptions know it as theirs."""
    site.add_channel(handle=handle, videos=5)
    place.subscribe("one", _spec(handle))
    place.subscribe("two", _spec(handle))
    place.wait_up_to_date("one", 2)
    place.wait_up_to_date("two", 2)
    assert len(place.media()) == 2

    def paths(name: str) -> set[str]:
        return {entry["path"] for entry in place.ledger(name).values() if entry["state"] == "Succeeded"}

    assert paths("one") == paths("two") == {str(path) for path in place.media()}


def test_no_token_where_the_internet_is_parsed(place: Place, site: StandIn, handle: str, operator: OperatorPod) -> None:
    """Neither download pods nor the lister can speak for the operator."""
    site.add_channel(handle=handle, videos=1)
    place.subscribe("tokenless", _spec(handle))
    pods = until(
        "a download pod exists",
        lambda: objects.items("pods", namespace=place.namespace, labels="trawler.dev/subscription=tokenless"),
        lambda pods: len(pods) > 0,
    )
    assert [pod["spec"]["automountServiceAccountToken"] for pod in pods] == [False] * len(pods)
    assert not any("serviceaccount" in str(pod["spec"]["volumes"]).lower() for pod in pods)
    token = "/var/run/secrets/kubernetes.io/serviceaccount"
    mounts = {
        container["name"]: [mount["mountPath"] for mount in container["volumeMounts"]]
        for container in operator.pod()["spec"]["containers"]  # type: ignore[index]
    }
    assert token in mounts["operator"]
    assert token not in mounts["lister"]


def test_the_operator_cannot_read_secrets(place: Place) -> None:
    """The chart's account may do its work and nothing else."""
    account = "--as=system:serviceaccount:trawler-system:trawler"

    def may(*what: str) -> str:
        try:
            return k.kubectl("auth", "can-i", *what, account, "-n", place.namespace).strip()
        except k.KubectlError:
            return "no"

    assert {
        "list secrets": may("list", "secrets"),
        "get secrets": may("get", "secrets"),
        "create pods": may("create", "pods"),
        "delete subscriptions": may("delete", "subscriptions.trawler.dev"),
        "create jobs": may("create", "jobs.batch"),
    } == {
        "list secrets": "no",
        "get secrets": "no",
        "create pods": "no",
        "delete subscriptions": "no",
        "create jobs": "yes",
    }
