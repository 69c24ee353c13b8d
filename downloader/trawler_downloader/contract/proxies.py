"""Where a proxy is, by its URL: the operator, which says who is trusted, and the connect guard must read it alike."""

from __future__ import annotations

from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_SOCKS_PORT = 1080


def proxy_place(url: str) -> tuple[str, int]:
    """Host, in small letters, and port of a proxy.

    Args:
        url: `scheme://host:port`; without a port the scheme's own counts.

    Raises:
        ValueError: it names no host, or a port that there is not.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if not host:
        raise ValueError("it names no host")
    port = _PORTS.get(parts.scheme, _SOCKS_PORT) if parts.port is None else parts.port
    return host, port
