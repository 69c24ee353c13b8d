"""NetworkPolicies: what pods reach, and what reaches them."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from chart.rendering import Manifest, of_kind, place, render, scenario
from trawler_operator.api import labels

OPERATOR, DOWNLOADS = "media/trawler", "media/media-trawler-downloads"
VOLUME_JOBS = "media/media-trawler-volume-jobs"


def policies(values: Any) -> dict[str, Manifest]:
    return {place(m): m["spec"] for m in of_kind(render(values), "NetworkPolicy")}


def reaches(policy: Manifest, address: str, port: int) -> bool:
    """Whether pods may open a TCP connection there, by ipBlocks as an enforcing network reads them."""
    target = ipaddress.ip_address(address)

    def covers(block: dict[str, Any]) -> bool:
        excepted = [ipaddress.ip_network(cidr) for cidr in block.get("except", [])]
        return target in ipaddress.ip_network(block["cidr"]) and not any(target in network for network in excepted)

    for rule in policy["egress"]:
        ports = {entry["port"] for entry in rule.get("ports", []) if entry["protocol"] == "TCP"}
        peers = rule.get("to")
        if port in ports and (peers is None or any(covers(p["ipBlock"]) for p in peers if "ipBlock" in p)):
            return True
    return False


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        pytest.param("203.0.113.7", 443, True, id="a site"),
        pytest.param("203.0.113.7", 80, True, id="a site without TLS"),
        pytest.param("2001:db8::7", 443, True, id="a site on IPv6"),
        pytest.param("203.0.113.7", 22, False, id="another port"),
        pytest.param("192.168.1.20", 443, False, id="the NAS's own pages"),
        pytest.param("10.96.0.1", 443, False, id="the API server"),
        pytest.param("169.254.169.254", 80, False, id="a cloud's metadata"),
        pytest.param("100.64.0.1", 443, False, id="carrier's private range"),
        pytest.param("fd00::1", 443, False, id="private IPv6"),
        pytest.param("169.254.20.10", 53, True, id="the node's DNS cache"),
    ],
)
def test_downloads_reach_sites_and_nothing_private(address: str, port: int, *, expected: bool) -> None:
    """Egress of download pods."""
    assert expected == reaches(policies({})[DOWNLOADS], address, port)


def test_the_operator_reaches_the_api_server_where_it_is_said_to_be() -> None:
    """With its addresses named, no other private one."""
    policy = policies({"networkPolicy": {"apiServer": {"cidrs": ["192.168.1.10/32"]}}})[OPERATOR]

    assert (reaches(policy, "192.168.1.10", 6443), reaches(policy, "192.168.1.20", 443)) == (True, False)


def test_without_named_addresses_the_api_server_may_be_anywhere() -> None:
    """The default works in every cluster."""
    assert reaches(policies({})[OPERATOR], "192.168.1.10", 6443)


def test_nobody_calls_downloads_and_only_the_http_port_is_open() -> None:
    """Ingress."""
    found = policies({})

    assert found[DOWNLOADS]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in found[DOWNLOADS]
    assert found[OPERATOR]["ingress"] == [{"ports": [{"port": 8080, "protocol": "TCP"}]}]


def test_jobs_over_volumes_talk_to_nobody() -> None:
    """They read a volume that the node mounts; the operator reads their log from the API server."""
    policy = policies({})[VOLUME_JOBS]

    assert (policy["policyTypes"], policy["egress"], "ingress" in policy) == (["Ingress", "Egress"], [], False)


def test_policies_select_the_pods_that_there_are() -> None:
    """The Jobs' pods by the labels that the operator gives them, the operator by its Deployment's."""
    manifests = render({})
    found = policies({})
    [deployment] = of_kind(manifests, "Deployment")
    download_pod = labels.download_labels("any", 1)

    assert found[DOWNLOADS]["podSelector"]["matchLabels"].items() <= download_pod.items()
    selector = found[VOLUME_JOBS]["podSelector"]
    [components] = selector["matchExpressions"]
    for pod in (labels.inventory_labels("any"), labels.survey_labels("any")):
        assert selector["matchLabels"].items() <= pod.items()
        assert pod[components["key"]] in components["values"]
    assert download_pod[components["key"]] not in components["values"]
    assert (
        found[OPERATOR]["podSelector"]["matchLabels"].items()
        <= deployment["spec"]["template"]["metadata"]["labels"].items()
    )


def test_every_namespace_with_downloads_has_one() -> None:
    """The watched ones."""
    downloads = {"ann/media-trawler-downloads", "tim/media-trawler-downloads"}
    volume_jobs = {"ann/media-trawler-volume-jobs", "tim/media-trawler-volume-jobs"}

    assert {"media/trawler"} | downloads | volume_jobs == policies(scenario("nas")).keys()


DEFAULT_PROXY = {"defaults": {"proxy": "http://192.168.1.2:3128"}}


@pytest.mark.parametrize("name", [OPERATOR, DOWNLOADS])
@pytest.mark.parametrize(
    ("values", "address", "port"),
    [
        pytest.param(DEFAULT_PROXY, "192.168.1.2", 3128, id="the default one"),
        pytest.param({"access": {"allowedProxies": ["socks5://10.0.0.7"]}}, "10.0.0.7", 1080, id="the port of SOCKS"),
        pytest.param({"access": {"allowedProxies": ["http://10.0.0.7/"]}}, "10.0.0.7", 80, id="the port of HTTP"),
        pytest.param({"access": {"allowedProxies": ["https://10.0.0.7"]}}, "10.0.0.7", 443, id="the port of TLS"),
        pytest.param({"access": {"allowedProxies": ["http://[fd00::7]:3128"]}}, "fd00::7", 3128, id="on IPv6"),
        pytest.param({"access": {"allowedProxies": ["http://proxy.lan:3128"]}}, "192.168.1.2", 3128, id="a name"),
    ],
)
def test_a_proxy_that_the_values_name_is_reached(name: str, values: Any, address: str, port: int) -> None:
    """For listing and for downloading, at its port only, and without a second value that says so."""
    without = {"networkPolicy": {"apiServer": {"cidrs": ["192.168.1.10/32"]}}}
    policy = policies({**without, **values})[name]
    assert [reaches(policy, address, at) for at in (port, port + 1)] == [True, False]
    assert not reaches(policies(without)[name], address, port)


def test_beside_a_proxy_nothing_private_is_reached() -> None:
    """Where it is an address, no other one."""
    assert not reaches(policies(DEFAULT_PROXY)[DOWNLOADS], "192.168.1.3", 3128)


@pytest.mark.parametrize("host", ["vpn.media.svc", "vpn.media.svc.cluster.local", "VPN.media.svc."])
def test_a_service_is_reached_by_its_namespace(host: str) -> None:
    """Its name says where its pods are, and so nothing else is reached at that port."""
    policy = policies({"access": {"allowedProxies": [f"socks5h://{host}:1080"]}})[DOWNLOADS]
    assert {
        "ports": [{"port": 1080, "protocol": "TCP"}],
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "media"}}}],
    } in policy["egress"]
    assert not reaches(policy, "192.168.1.3", 1080)


def test_extra_egress_counts_for_operator_and_downloads() -> None:
    """A proxy is needed for listing and for downloading."""
    values = scenario("cluster-wide")
    [extra] = values["networkPolicy"]["extraEgress"]

    assert [extra in policy["egress"] for policy in policies(values).values()] == [True, True, False]


def test_policies_can_be_left_out() -> None:
    """networkPolicy.enabled false."""
    assert policies({"networkPolicy": {"enabled": False}}) == {}
