"""The operator's pod: what it may do, who holds the token, what the containers are told."""

from __future__ import annotations

import copy
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chart.pod_security import restricted_violations
from chart.rendering import configured, container, of_kind, render, scenario, scenario_names, the_pod
from trawler_operator.config import CONFIG_ENV, DEFAULT_PATH


@pytest.mark.parametrize("name", scenario_names())
def test_pod_is_restricted(name: str) -> None:
    """A namespace that enforces Pod Security `restricted` takes the pod."""
    assert restricted_violations(the_pod(render(scenario(name)))) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda pod: pod.update(hostNetwork=True), "hostNetwork"),
        (lambda pod: pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "volume x: hostPath"),
        (lambda pod: pod["securityContext"].pop("seccompProfile"), "container operator: seccompProfile"),
        (
            lambda pod: pod["containers"][1]["securityContext"]["capabilities"].pop("drop"),
            "container lister: capabilities.drop",
        ),
        (
            lambda pod: pod["containers"][1]["securityContext"].pop("allowPrivilegeEscalation"),
            "container lister: allowPrivilegeEscalation",
        ),
    ],
)
def test_a_pod_that_is_not_restricted_would_be_seen(change: Callable[[dict[str, Any]], Any], expected: str) -> None:
    """The check itself can fail."""
    pod = copy.deepcopy(the_pod(render({})))
    change(pod)

    assert expected in restricted_violations(pod)


@pytest.mark.parametrize("name", scenario_names())
def test_roots_cannot_be_written(name: str) -> None:
    """Every container's root filesystem is read-only."""
    pod = the_pod(render(scenario(name)))

    assert {True} == {c["securityContext"]["readOnlyRootFilesystem"] for c in pod["containers"]}


@pytest.mark.parametrize("name", scenario_names())
def test_only_the_operator_holds_the_token(name: str) -> None:
    """No token is mounted by default, and the volume that has it is mounted in one container."""
    manifests = render(scenario(name))
    pod = the_pod(manifests)
    tokens = {
        volume["name"]
        for volume in pod["volumes"]
        if any("serviceAccountToken" in source for source in volume.get("projected", {}).get("sources", []))
    }
    holders = {c["name"] for c in pod["containers"] for mount in c["volumeMounts"] if mount["name"] in tokens}

    assert pod["automountServiceAccountToken"] is False
    assert [account["automountServiceAccountToken"] for account in of_kind(manifests, "ServiceAccount")] == [False]
    assert {"operator"} == holders


def test_the_token_is_where_clients_look() -> None:
    """Token, CA and namespace stand where in-cluster configuration reads them."""
    manifests = render({})
    [volume] = [v for v in the_pod(manifests)["volumes"] if v["name"] == "token"]
    [mount] = [m for m in container(manifests, "operator")["volumeMounts"] if m["name"] == "token"]
    token, authority, namespace = volume["projected"]["sources"]

    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert token["serviceAccountToken"]["path"] == "token"
    assert [item["path"] for item in authority["configMap"]["items"]] == ["ca.crt"]
    assert [item["path"] for item in namespace["downwardAPI"]["items"]] == ["namespace"]


def test_containers_share_the_socket_alone() -> None:
    """Nothing that the lister can write is read by the operator but the socket, on a mount that it cannot write."""
    manifests = render({})
    mounts = {
        name: {mount["name"]: mount.get("readOnly", False) for mount in container(manifests, name)["volumeMounts"]}
        for name in ("operator", "lister")
    }

    assert {"lister"} == mounts["operator"].keys() & mounts["lister"].keys()
    assert mounts["operator"]["lister"] is True
    assert mounts["lister"]["lister"] is False


def test_two_operators_never_work_side_by_side_in_an_upgrade() -> None:
    """The old pod ends before the new one starts."""
    [deployment] = of_kind(render({}), "Deployment")

    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]["type"]) == (1, "Recreate")


def test_image_names_are_put_together_from_registry_repository_and_tag_or_digest() -> None:
    """The lister and the Jobs use the same image, so that yt-dlp is updated in one place."""
    plain, own = render({}), render(scenario("cluster-wide"))
    digest = scenario("cluster-wide")["downloader"]["image"]["digest"]

    assert container(plain, "operator")["image"] == "trawler-operator:0.1.0"
    assert container(own, "operator")["image"] == "registry.example.com/archive/trawler-operator:v2"
    assert f"registry.example.com/archive/trawler-downloader@{digest}" == container(own, "lister")["image"]
    assert container(own, "lister")["image"] == configured(own, "defaults.image")


@pytest.mark.parametrize(
    ("values", "path", "expected"),
    [
        pytest.param({}, "watch.namespaces", ["media"], id="the release's namespace is watched"),
        pytest.param(
            {"watch": {"namespaces": ["b", "a"]}}, "watch.namespaces", ["a", "b"], id="namespaces are watched"
        ),
        pytest.param({"watch": {"clusterWide": True}}, "watch.namespaces", [], id="all are watched"),
        pytest.param({}, "defaults.claimName", "", id="no library, no default claim"),
        pytest.param({"library": {"hostPath": {"path": "/nas"}}}, "defaults.claimName", "library", id="chart's claim"),
        pytest.param({"library": {"existingClaim": "mine"}}, "defaults.claimName", "mine", id="existing claim"),
        pytest.param(
            {"library": {"existingClaim": "mine"}, "defaults": {"claimName": "other"}},
            "defaults.claimName",
            "other",
            id="a default claim of its own",
        ),
        pytest.param({"defaults": {"caBundleConfigMap": "ca"}}, "defaults.caBundleConfigMap", "ca", id="named CA"),
        pytest.param(
            {"checks": {"auditIntervalSeconds": 31536000}}, "checks.auditIntervalSeconds", 31536000, id="large number"
        ),
        pytest.param(
            {"image": {"pullSecrets": ["a", "b"]}}, "defaults.imagePullSecrets", ["a", "b"], id="pull secrets"
        ),
        pytest.param(
            {"defaults": {"jobResources": {"limits": {"memory": "3Gi"}}}},
            "defaults.jobResources.limits",
            {"memory": "3Gi"},
            id="resources of Jobs",
        ),
    ],
)
def test_values_reach_the_operator(values: dict[str, Any], path: str, expected: object) -> None:
    """Values stand in the operator's file."""
    assert expected == configured(render(values), path)


def test_the_file_is_mounted_where_the_operator_looks() -> None:
    """Nothing names another place, and nobody else in the pod reads it."""
    manifests = render({})
    mounts = {
        mount["mountPath"]: name
        for name in ("operator", "lister")
        for mount in container(manifests, name)["volumeMounts"]
        if mount["name"] == "config"
    }

    assert mounts == {DEFAULT_PATH.removesuffix("/config.yaml"): "operator"}
    assert CONFIG_ENV not in {entry["name"] for entry in container(manifests, "operator")["env"]}


@pytest.mark.parametrize(
    ("values", "rolls"),
    [
        pytest.param({"gates": {"probeTimeoutSeconds": 60}}, True, id="a value of the operator's"),
        pytest.param({"networkPolicy": {"enabled": False}}, False, id="a value that is not the operator's"),
    ],
)
def test_a_changed_configuration_rolls_the_pod(values: dict[str, Any], *, rolls: bool) -> None:
    """The file is read at the start only."""
    before, after = (of_kind(render(these), "Deployment")[0]["spec"]["template"] for these in ({}, values))

    assert (before != after) is rolls


def test_annotations_of_the_pod_stand_beside_the_checksum() -> None:
    """A user's own are kept."""
    [deployment] = of_kind(render({"pod": {"annotations": {"a": "b"}}}), "Deployment")

    assert deployment["spec"]["template"]["metadata"]["annotations"].keys() == {"a", "checksum/config"}


@pytest.mark.parametrize(("answer", "healthy"), [(b"HTTP/1.1 200 OK", True), (b"HTTP/1.1 503 Busy", False)])
def test_the_listers_probe_reads_its_answer(tmp_path: Path, answer: bytes, *, healthy: bool) -> None:
    """The probe's program, as it stands in the manifest, against a server on a socket."""
    path = tmp_path / "lister.sock"
    _, options, program = container(render({}), "lister")["livenessProbe"]["exec"]["command"]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(4096).splitlines()[0] == b"GET /healthz HTTP/1.1"
                connection.sendall(answer + b"\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        finished = subprocess.run(
            [sys.executable, options, program.replace("/run/trawler/lister.sock", str(path))],
            capture_output=True,
            timeout=30,
        )
        thread.join()

    assert healthy == (finished.returncode == 0)


def test_the_listers_probe_fails_where_nobody_listens(tmp_path: Path) -> None:
    """A lister that is gone is restarted."""
    _, options, program = container(render({}), "lister")["livenessProbe"]["exec"]["command"]
    command = [sys.executable, options, program.replace("/run/trawler/lister.sock", str(tmp_path / "none"))]

    assert subprocess.run(command, capture_output=True, timeout=30).returncode != 0
