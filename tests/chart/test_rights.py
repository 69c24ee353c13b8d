"""Rights: exactly these, exactly there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from chart.rendering import Manifest, configured, of_kind, place, render, scenario, scenario_names

OPERATOR = {
    ("trawler.dev", "subscriptions", "get"),
    ("trawler.dev", "subscriptions", "list"),
    ("trawler.dev", "subscriptions", "watch"),
    ("trawler.dev", "subscriptions/status", "patch"),
    ("batch", "jobs", "get"),
    ("batch", "jobs", "list"),
    ("batch", "jobs", "watch"),
    ("batch", "jobs", "create"),
    ("batch", "jobs", "delete"),
    ("", "configmaps", "get"),
    ("", "configmaps", "list"),
    ("", "configmaps", "watch"),
    ("", "configmaps", "create"),
    ("", "configmaps", "patch"),
    ("", "pods", "list"),
    ("", "pods/log", "get"),
    ("", "persistentvolumeclaims", "get"),
    ("events.k8s.io", "events", "create"),
}

LEASE = {
    ("coordination.k8s.io", "leases", "create"),
    ("coordination.k8s.io", "leases trawler", "get"),
    ("coordination.k8s.io", "leases trawler", "patch"),
}
"""In the release's own namespace, whatever is watched."""


GATES = {
    ("", "configmaps", "create"),
    ("", "configmaps trawler-gates", "get"),
    ("", "configmaps trawler-gates", "patch"),
}


def rights(role: Manifest) -> set[tuple[str, str, str]]:
    """A role's rules as (group, resource, verb); the resource with its name, where it has one."""
    return {
        (group, f"{resource} {name}".strip(), verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def bound(manifests: list[Manifest]) -> dict[str, set[tuple[str, str, str]]]:
    """Where → what the operator's account may do there; "*" for everywhere."""
    roles = {(m["kind"], place(m)): rights(m) for m in manifests if m["kind"] in {"Role", "ClusterRole"}}
    granted: dict[str, set[tuple[str, str, str]]] = {}
    for binding in [*of_kind(manifests, "RoleBinding"), *of_kind(manifests, "ClusterRoleBinding")]:
        assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "trawler", "namespace": "media"}]
        namespace = binding["metadata"].get("namespace")
        name = binding["roleRef"]["name"]
        is_local = binding["roleRef"]["kind"] == "Role"
        role = roles[binding["roleRef"]["kind"], f"{namespace}/{name}" if is_local else name]
        granted.setdefault(namespace or "*", set()).update(role)
    return granted


def test_by_default_rights_end_at_the_own_namespace() -> None:
    """The Role of a watched namespace, and those of the Lease and the gates."""
    assert bound(render({})) == {"media": OPERATOR | LEASE | GATES}


def test_each_watched_namespace_grants_the_same() -> None:
    """A Role per watched namespace; in the own one, which is not watched, the Lease and the gates alone."""
    assert bound(render(scenario("nas"))) == {"ann": OPERATOR, "tim": OPERATOR, "media": LEASE | GATES}


def test_watching_everything_grants_the_same_everywhere_and_no_more() -> None:
    """One ClusterRole with the very rules of the Role."""
    assert bound(render({"watch": {"clusterWide": True}})) == {"*": OPERATOR, "media": LEASE | GATES}


def test_only_its_own_lease_is_read_and_written() -> None:
    """By its name; creating cannot be tied to one."""
    rules = [rule for role in of_kind(render({}), "Role") for rule in role["rules"] if rule["resources"] == ["leases"]]
    lease = configured(render({}), "leaseName")

    assert [(rule["verbs"], rule.get("resourceNames")) for rule in rules] == [
        (["create"], None),
        (["get", "patch"], [lease]),
    ]


def every_right(manifests: Iterable[Manifest]) -> set[tuple[str, str, str]]:
    """Of all roles, bound or not."""
    return set().union(*(rights(m) for m in manifests if m["kind"] in {"Role", "ClusterRole"}))


@pytest.mark.parametrize("name", scenario_names())
def test_no_role_speaks_of_secrets_unasked_or_of_everything(name: str) -> None:
    """Neither Secrets, where that is not switched on, nor wildcards."""
    found = every_right(render({**scenario(name), "access": {}}))

    assert set() == {right for right in found if right[1].split("/")[0] == "secrets" or "*" in right}


@pytest.mark.parametrize(
    ("watched", "where"),
    [
        pytest.param({"namespaces": ["tim"]}, "tim", id="in a namespace"),
        pytest.param({"clusterWide": True}, "*", id="everywhere"),
    ],
)
def test_reading_secrets_is_one_right_that_is_switched_on(watched: dict[str, Any], where: str) -> None:
    """`get` by name: neither a list nor a watch would be of use. In the operator's own namespace there is none."""
    before = bound(render({"watch": watched}))

    granted = bound(render({"watch": watched, "access": {"readSecrets": True}}))

    assert granted == {**before, where: before[where] | {("", "secrets", "get")}}


def test_people_get_subscriptions_by_the_clusters_own_roles() -> None:
    """`view` reads; `edit` and `admin` write as well."""
    aggregated: dict[str, set[str]] = {}
    for role in of_kind(render({}), "ClusterRole"):
        for label in role["metadata"]["labels"]:
            if label.startswith("rbac.authorization.k8s.io/aggregate-to-"):
                verbs = {verb for _, resource, verb in rights(role) if resource == "subscriptions"}
                aggregated.setdefault(label.rpartition("-")[2], set()).update(verbs)
    reads = {"get", "list", "watch"}
    writes = {"create", "delete", "deletecollection", "patch", "update"}

    assert {"view": reads, "edit": reads | writes, "admin": reads | writes} == aggregated


def test_aggregation_can_be_left_out() -> None:
    """No ClusterRole at all is made for someone who may not make any."""
    assert of_kind(render({"rbac": {"aggregateClusterRoles": False}}), "ClusterRole") == []


def test_an_account_of_ones_own_is_bound_and_not_made() -> None:
    """serviceAccount.create false."""
    manifests = render({"serviceAccount": {"create": False, "name": "mine"}})

    assert of_kind(manifests, "ServiceAccount") == []
    assert {"mine"} == {s["name"] for b in of_kind(manifests, "RoleBinding") for s in b["subjects"]}
