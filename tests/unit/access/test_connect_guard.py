"""Which addresses the connect guard lets through."""

from __future__ import annotations

import socket

import pytest

from trawler_downloader.access.guard import AddressRefusedError, ConnectGuard, ProxyNotAllowedError

INSIDE = ["127.0.0.1", "::1", "10.0.0.5", "fe80::1", "0.0.0.0", "224.0.0.251", "::ffff:10.0.0.5"]


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("93.184.215.14", id="a site"),
        pytest.param("2a00:1450:4001:830::200e", id="a site on IPv6"),
        pytest.param("::ffff:93.184.215.14", id="a site on IPv4, written as IPv6"),
        pytest.param("64:ff9b::5db8:d70e", id="a site on IPv4, where only IPv6 is spoken"),
    ],
)
def test_public_addresses_are_let_through(address: str) -> None:
    ConnectGuard().check(address, 443)


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("::1", id="loopback of IPv6"),
        pytest.param("10.96.0.1", id="a Service"),
        pytest.param("172.16.0.1", id="private"),
        pytest.param("192.168.1.1", id="the router"),
        pytest.param("169.254.169.254", id="a cloud's metadata"),
        pytest.param("168.63.129.16", id="Azure's metadata, a public address"),
        pytest.param("192.0.0.192", id="Oracle's metadata"),
        pytest.param("100.100.100.200", id="Alibaba's metadata, and carrier-grade NAT"),
        pytest.param("fd00:ec2::254", id="Amazon's metadata on IPv6, and a unique local address"),
        pytest.param("0.0.0.0", id="this host"),
        pytest.param("::", id="this host on IPv6"),
        pytest.param("255.255.255.255", id="everybody"),
        pytest.param("224.0.0.251", id="multicast"),
        pytest.param("ff02::fb", id="multicast of IPv6"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("192.88.99.1", id="a relay of old"),
        pytest.param("198.18.0.1", id="for benchmarks"),
        pytest.param("203.0.113.7", id="for documentation"),
        pytest.param("2001:db8::1", id="for documentation on IPv6"),
        pytest.param("3fff::1", id="for documentation on IPv6, the newer range"),
        pytest.param("fe80::1%eth0", id="link-local"),
        pytest.param("fec0::1", id="site-local"),
        pytest.param("::ffff:10.0.0.1", id="private, written as IPv6"),
        pytest.param("::10.0.0.1", id="private, written as IPv6 the old way"),
        pytest.param("64:ff9b::a00:1", id="private, translated"),
        pytest.param("64:ff9b:1::a00:1", id="locally translated"),
        pytest.param("2002:a00:1::1", id="private, in 6to4"),
        pytest.param("2001:0:a00:1::1", id="in Teredo"),
        pytest.param("localhost", id="a name that was never looked up"),
        pytest.param("", id="nothing"),
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(AddressRefusedError):
        ConnectGuard().check(address, 443)


@pytest.mark.parametrize("address", ["192.168.1.30", "::ffff:192.168.1.30", "fd00:1::7"])
def test_listed_networks_are_let_through(address: str) -> None:
    ConnectGuard(["192.168.1.30/32", "fd00:1::/64"]).check(address, 80)


def test_what_lies_beside_a_listed_network_is_refused() -> None:
    with pytest.raises(AddressRefusedError):
        ConnectGuard(["192.168.1.30/32"]).check("192.168.1.31", 80)


@pytest.mark.parametrize(
    ("proxy", "port"),
    [
        pytest.param("http://localhost:3128", 3128, id="its port"),
        pytest.param("http://localhost", 80, id="the port of its scheme"),
        pytest.param("https://localhost/", 443, id="the port of TLS"),
        pytest.param("socks5h://localhost", 1080, id="the port of SOCKS"),
    ],
)
def test_a_trusted_proxys_own_address_and_port_are_let_through(proxy: str, port: int) -> None:
    """The name is looked up when the connection is made: a Service may get another address."""
    ConnectGuard(proxy=proxy, proxy_trusted=True).check("127.0.0.1", port)


@pytest.mark.parametrize(
    ("address", "port"),
    [
        pytest.param("127.0.0.1", 8080, id="another port of the proxy's host"),
        pytest.param("127.0.0.2", 3128, id="another host"),
    ],
)
def test_nothing_else_of_the_proxys_network_is_let_through(address: str, port: int) -> None:
    with pytest.raises(AddressRefusedError):
        ConnectGuard(proxy="http://localhost:3128", proxy_trusted=True).check(address, port)


def test_a_proxy_that_cannot_be_looked_up_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(AddressRefusedError):
        ConnectGuard(proxy="http://proxy.invalid:3128", proxy_trusted=True).check("10.0.0.1", 3128)


@pytest.mark.parametrize("address", [*INSIDE, "169.254.169.254"])
def test_a_proxy_that_nobody_listed_is_refused_inside_the_network(address: str) -> None:
    """Whoever may create a Subscription names host and port."""
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(ProxyNotAllowedError):
        ConnectGuard(proxy=f"http://{host}:3128").check(address, 3128)


def test_a_proxy_that_nobody_listed_may_have_a_public_address() -> None:
    ConnectGuard(proxy="http://93.184.215.14:3128").check("93.184.215.14", 3128)


def test_a_proxy_that_nobody_listed_may_be_where_any_site_may_be() -> None:
    ConnectGuard(["192.168.1.30/32"], "http://192.168.1.30:3128").check("192.168.1.30", 3128)


@pytest.mark.parametrize("asked_again", ["93.184.215.14", "192.168.1.1"])
def test_a_name_that_led_elsewhere_before(monkeypatch: pytest.MonkeyPatch, asked_again: str) -> None:
    """The address is judged that is connected to, whatever the name server says next; the message names the proxy."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (asked_again, 3128))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ProxyNotAllowedError):
        ConnectGuard(proxy="http://Rebind.example:3128").check("192.168.1.1", 3128, "rebind.example.")


def test_what_a_site_names_inside_the_network_is_no_proxy() -> None:
    """Beside a proxy of which only the port is the same."""
    with pytest.raises(AddressRefusedError) as refused:
        ConnectGuard(proxy="http://93.184.215.14:3128").check("10.0.0.5", 3128, "nas.example")
    assert not isinstance(refused.value, ProxyNotAllowedError)


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        ("http://localhost:3128", "spec.access.proxy localhost:3128 is at 127.0.0.1, which is not a public address"),
        ("http://127.0.0.1:3128", "spec.access.proxy 127.0.0.1:3128 is not a public address"),
    ],
    ids=["a name", "an address"],
)
def test_the_message_names_the_proxy_and_who_may_allow_it(proxy: str, said: str) -> None:
    with pytest.raises(ProxyNotAllowedError) as refused:
        ConnectGuard(proxy=proxy).check("127.0.0.1", 3128)
    assert str(refused.value.strerror).startswith(said)
    assert "access.allowedProxies" in str(refused.value.strerror)


def test_the_message_names_host_and_address_and_how_to_allow_it() -> None:
    with pytest.raises(AddressRefusedError) as refused:
        ConnectGuard().check("10.0.0.5", 443, "nas.example")
    said = str(refused.value.strerror)
    assert said.startswith("nas.example (10.0.0.5) is not a public address")
    assert "access.allowedCIDRs" in said


def test_a_wrong_network_is_named() -> None:
    with pytest.raises(ValueError, match="nas"):
        ConnectGuard(["nas"])
