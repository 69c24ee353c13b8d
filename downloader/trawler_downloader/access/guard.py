"""Which addresses yt-dlp's network may reach: public ones, a trusted proxy, and networks that the operator lists.

A page, a redirect, a manifest and a name server can all name an address inside the cluster, and what answers there
would land in the library. So the address is judged at the last moment, when a socket is connected: after name
resolution, for every redirect and every segment. Python's audit events are the lowest place that all of it passes
(urllib, requests, websockets and SOCKS alike), and nothing that runs later in the process can take a hook out again.

Beside Python's sockets nothing has a network: see `confine`. Where a proxy is used it is the proxy that resolves names
and connects; which addresses it may reach is its own business. Where the proxy itself may be is ours: anybody who may
create a Subscription names one, and with it a host and a port. Whoever runs the operator lists those that may have an
address inside the network; any other is judged like a site, at each connection, whatever its name led to before.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
import threading
from collections.abc import Iterable

from trawler_downloader.contract.proxies import proxy_place

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

HOW_TO_ALLOW = "allow it with the chart's value access.allowedCIDRs if it may be reached"
HOW_TO_TRUST = "ask whoever runs trawler to list the proxy in the chart's value access.allowedProxies"

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is assigned to the internet (IANA's registry): the rest is local, reserved or multicast."""
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""NAT64 (RFC 6052): holds an IPv4 address, and in a cluster without IPv4 every site is reached by it."""
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        # `is_global` differs between versions of Python, and never covers multicast.
        "100.64.0.0/10",  # carrier-grade NAT; some clouds' metadata services
        "168.63.129.16/32",  # Azure's metadata and DHCP service, a public address that only its machines reach
        "192.0.0.0/24",  # protocol assignments; a cloud's metadata service
        "192.88.99.0/24",  # 6to4 relays, abandoned
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",  # Teredo and other assignments
        "2001:db8::/32",
        "2002::/16",  # 6to4: holds an IPv4 address of anybody's choice
        "3fff::/20",  # documentation
    )
)
_CONNECTING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class AddressRefusedError(OSError):
    """A connection to an address that is not public and was not allowed.

    An OSError: whatever connects treats it like a host that cannot be reached.
    """

    def __init__(self, host: str | None, address: str) -> None:
        where = address if host in (None, address) else f"{host} ({address})"
        super().__init__(errno.EACCES, f"{where} is not a public address; {HOW_TO_ALLOW}")


class ProxyNotAllowedError(AddressRefusedError):
    """A connection to a proxy that is not trusted, at an address that is not public."""

    def __init__(self, host: str, port: int, address: str) -> None:
        super().__init__(host, address)
        where = f"{host}:{port}" + ("" if host == address else f" is at {address}, which")
        self.strerror = f"spec.access.proxy {where} is not a public address; {HOW_TO_TRUST}"


class ConnectGuard:
    """Judges every connection of this process, once it is installed.

    Args:
        allowed_cidrs: networks that may be reached although they are not public.
        proxy: URL.
        proxy_trusted: the proxy's own address and port may be reached, whatever the address is when it is connected to.

    Raises:
        ValueError: one of allowed_cidrs is no network, or proxy no URL.
    """

    def __init__(
        self, allowed_cidrs: Iterable[str] = (), proxy: str | None = None, *, proxy_trusted: bool = False
    ) -> None:
        self._allowed = tuple(ipaddress.ip_network(cidr, strict=False) for cidr in allowed_cidrs)
        self._proxy = None if proxy is None else proxy_place(proxy)
        self._proxy_trusted = proxy_trusted
        self._looked_up = threading.local()

    def install(self) -> None:
        """For the rest of the process's life."""
        sys.addaudithook(self._on_event)

    def check(self, address: str, port: int, host: str | None = None) -> None:
        """Judges one connection.

        Args:
            address: an IP address; a name is refused, since what it stands for is not known.
            port: of the connection.
            host: the name that led to the address, for the message.

        Raises:
            ProxyNotAllowedError: it may not be made, and is one to the proxy.
            AddressRefusedError: it may not be made.
        """
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            raise AddressRefusedError(host, address) from None
        if is_public(ip) or self._is_allowed(ip) or (self._proxy_trusted and self._is_proxy(ip, port)):
            return
        if self._proxy is not None and not self._proxy_trusted and self._is_meant_for_proxy(ip, port, host):
            raise ProxyNotAllowedError(*self._proxy, address)
        raise AddressRefusedError(host, address)

    def _is_allowed(self, ip: Address) -> bool:
        meant = _meant(ip)
        return any(meant in network or ip in network for network in self._allowed)

    def _is_proxy(self, ip: Address, port: int) -> bool:
        if self._proxy is None or port != self._proxy[1]:
            return False
        try:
            found = socket.getaddrinfo(*self._proxy, type=socket.SOCK_STREAM)
        except OSError:
            return False
        return any(_meant(ipaddress.ip_address(str(entry[4][0]))) == _meant(ip) for entry in found)

    def _is_meant_for_proxy(self, ip: Address, port: int, host: str | None) -> bool:
        """Whether a refused connection is one to the proxy, whose name may lead elsewhere when it is asked again."""
        named = host is not None and (host.rstrip(".").lower(), port) == self._proxy
        return named or self._is_proxy(ip, port)

    def _on_event(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.getaddrinfo":
            self._looked_up.host = _text(arguments[0])
        elif event in _CONNECTING:
            self._judge(*arguments)

    def _judge(self, connecting: object, address: object) -> None:
        family = getattr(connecting, "family", None)
        if family == socket.AF_UNIX or address is None:  # a socket that is connected already sends to nobody
            return
        if family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
            raise AddressRefusedError(None, repr(address))
        host: str | None = getattr(self._looked_up, "host", None)
        self.check(_text(address[0]), int(address[1]), host)


def is_public(ip: Address) -> bool:
    """Whether an address is one of the internet's. An IPv6 address that stands for an IPv4 one is as public as that."""
    ip = _meant(ip)
    if isinstance(ip, ipaddress.IPv6Address) and ip not in _GLOBAL_UNICAST:
        return False
    return ip.is_global and not any(ip in network for network in _NOT_PUBLIC)


def _meant(ip: Address) -> Address:
    """The IPv4 address that a mapped or translated IPv6 address stands for."""
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip in _TRANSLATED:
            return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip


def _text(value: object) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
