"""Wrong values: refused before anything reaches a cluster, with a message that says which and why."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from chart.rendering import CHART, ChartError, render

NFS = {"server": "nas.lan", "path": "/media"}


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        pytest.param({"libary": {}}, ["'libary' not allowed"], id="a misspelt section"),
        pytest.param(
            {"library": {"nfs": {"serve": "nas"}}}, ["/library/nfs", "'serve' not allowed"], id="a misspelt key"
        ),
        pytest.param(
            {"library": {"nfs": NFS, "hostPath": {"path": "/nas"}}},
            ["nfs and hostPath are set together", "leave only one"],
            id="two kinds of library",
        ),
        pytest.param(
            {"library": {"existingClaim": "mine", "storageClass": {"size": "1Ti"}}},
            ["existingClaim and storageClass are set together"],
            id="an existing claim and a class",
        ),
        pytest.param(
            {"library": {"nfs": {"server": "nas"}}}, ["server and path are needed together"], id="no NFS path"
        ),
        pytest.param({"library": {"nfs": {"path": "/media"}}}, ["server and path are needed together"], id="no server"),
        pytest.param(
            {"library": {"nfs": {"mountOptions": ["hard"]}}}, ["mountOptions is set, but not"], id="options of no share"
        ),
        pytest.param(
            {"library": {"nfs": {**NFS, "path": "media"}}},
            ["/library/nfs/path", "does not match"],
            id="relative NFS path",
        ),
        pytest.param(
            {"library": {"hostPath": {"path": "nas"}}},
            ["/library/hostPath/path", "does not match"],
            id="relative hostPath",
        ),
        pytest.param(
            {"library": {"storageClass": {"name": "fast"}}}, ["a size is needed too"], id="a class without a size"
        ),
        pytest.param(
            {"library": {"storageClass": {"size": "much"}}}, ["/library/storageClass/size"], id="a size that is none"
        ),
        pytest.param(
            {"library": {"storageClass": {"size": "1Ti", "accessModes": ["ReadOnlyMany"]}}},
            ["/library/storageClass/accessModes/0"],
            id="a volume that cannot be written",
        ),
        pytest.param(
            {"library": {"namespaces": ["tim"], "nfs": NFS}},
            ['"tim" would get a library', "not watched (watch.namespaces: media)"],
            id="a library where nobody looks",
        ),
        pytest.param(
            {"watch": {"clusterWide": True, "namespaces": ["tim"]}}, ["remove one of the two"], id="all and some"
        ),
        pytest.param({"watch": {"namespaces": ["Tim"]}}, ["/watch/namespaces/0"], id="no namespace's name"),
        pytest.param({"defaults": {"runAsUser": 0}}, ["/defaults/runAsUser", "want 1"], id="root"),
        pytest.param({"defaults": {"fsGroup": "100"}}, ["/defaults/fsGroup", "want integer"], id="a number in quotes"),
        pytest.param(
            {"defaults": {"caBundle": "ca.pem"}},
            ["/defaults/caBundle", "BEGIN CERTIFICATE"],
            id="a file name for a PEM",
        ),
        pytest.param(
            {"defaults": {"caBundle": "-----BEGIN CERTIFICATE-----", "caBundleConfigMap": "ca"}},
            ["caBundle (PEM text) and caBundleConfigMap (a name) are set together"],
            id="two CAs",
        ),
        pytest.param({"serviceAccount": {"create": False}}, ["which existing account"], id="no account at all"),
        pytest.param(
            {"gates": {"egress": {"firstPauseSeconds": 60, "longestPauseSeconds": 30}}},
            ["gates.egress: firstPauseSeconds (60) must not be more than longestPauseSeconds (30)"],
            id="a first pause longer than the longest",
        ),
        pytest.param(
            {"admission": {"maxRunningJobs": 0}}, ["/admission/maxRunningJobs", "want 1"], id="no Jobs at all"
        ),
        pytest.param(
            {"operator": {"maxConcurrentListings": 4}},
            ["maxConcurrentListings (4) must be smaller than maxConcurrentReconciles (4)"],
            id="nobody left for ended Jobs",
        ),
        pytest.param(
            {"defaults": {"jobResources": {"requests": {"cpu": 1}}}},
            ["/requests/cpu", "want string"],
            id="a CPU without quotes",
        ),
        pytest.param({"operator": {"logLevel": "chatty"}}, ["/operator/logLevel", "'debug'"], id="no such log level"),
        pytest.param({"downloader": {"image": {"digest": "abc"}}}, ["/downloader/image/digest"], id="half a digest"),
        pytest.param(
            {"networkPolicy": {"blockedCIDRs": ["10.0.0.0"]}}, ["/networkPolicy/blockedCIDRs/0"], id="no range"
        ),
        pytest.param({"access": {"allowedCIDRs": ["nas"]}}, ["/access/allowedCIDRs/0"], id="a name for a range"),
        pytest.param(
            {"access": {"allowedProxies": ["vpn:1080"]}}, ["/access/allowedProxies/0"], id="no URL of a proxy"
        ),
        pytest.param({"access": {"readSecrets": "yes"}}, ["/access/readSecrets", "want boolean"], id="no truth"),
        pytest.param({"networkPolicy": {"sitePorts": [0]}}, ["/networkPolicy/sitePorts/0"], id="no port"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], parts: list[str]) -> None:
    """The message names the value and what is wrong."""
    with pytest.raises(ChartError) as refused:
        render(values)

    assert [part for part in parts if part not in str(refused.value)] == [], str(refused.value)


WITH_PASSWORD = "http://me:hunter2@proxy:3128"


@pytest.mark.parametrize(
    "values",
    [{"defaults": {"proxy": WITH_PASSWORD}}, {"access": {"allowedProxies": [WITH_PASSWORD]}}],
    ids=["the default one", "an allowed one"],
)
def test_a_password_in_a_proxy_is_refused_and_not_repeated(values: dict[str, Any]) -> None:
    """Messages end in logs of CI systems."""
    with pytest.raises(ChartError) as refused:
        render(values)

    assert "no user or password here" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_every_section_is_documented() -> None:
    """Each section of values.yaml opens with a comment, above it or above its first key."""
    lines = (CHART / "values.yaml").read_text().splitlines()
    sections = [number for number, line in enumerate(lines) if re.match(r"[A-Za-z]+:", line)]
    undocumented = [
        lines[number]
        for number in sections
        if not any(line.strip().startswith("#") for line in (lines[number - 1], lines[number + 1]))
    ]

    assert undocumented == []


def test_the_schema_knows_every_value_and_no_other() -> None:
    """values.yaml and values.schema.json list the same keys, level by level."""
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    differences: list[str] = []

    def compare(node: dict[str, Any], section: dict[str, Any], path: str) -> None:
        if reference := node.get("$ref"):
            node = schema["$defs"][reference.rpartition("/")[2]]
        if "properties" not in node:
            return
        known = set(node["properties"]) - {"global", "claims"}
        differences.extend(f"{path}.{key}" for key in known ^ set(section))
        for key in known & set(section):
            compare(node["properties"][key], section[key], f"{path}.{key}")

    compare(schema, values, "")

    assert differences == []
