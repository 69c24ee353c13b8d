"""The stand-in on the loopback, inside the test's own process: for component tests, without DNS and without root."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from certificates import issue
from client import StandIn
from standin.answering import Site
from standin.media import MediaStore
from standin.server import StandInServer
from standin.specs import DEFAULT_CATALOGUE, load_file


@dataclass(frozen=True)
class LocalStandIn:
    """A running stand-in: its control client, the proxy that leads to it, and the CA to trust."""

    control: StandIn
    proxy: str
    """A CONNECT proxy; with it every youtube host is the stand-in."""
    ca_file: Path
    site: Site
    tls_port: int

    @property
    def base_url(self) -> str:
        """Feed, files and control; the same port as the proxy's."""
        return self.proxy

    def ytdlp_options(self) -> dict[str, Any]:
        """What makes yt-dlp use it, together with SSL_CERT_FILE=`ca_file` in the environment."""
        return {"proxy": self.proxy, "compat_opts": {"no-certifi"}}


@contextlib.contextmanager
def running(folder: Path, catalogue: Path = DEFAULT_CATALOGUE) -> Iterator[LocalStandIn]:
    """Run a stand-in on free ports until the context ends; certificates and media go into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    ca_file, certificate, key = issue().write(folder)
    site = Site(load_file(catalogue), MediaStore(folder / "media"))
    server = StandInServer(site, certificate, key, "127.0.0.1", tls_port=0, port=0)
    server.start()
    base = f"http://127.0.0.1:{server.port}"
    try:
        yield LocalStandIn(StandIn(base), base, ca_file, site, server.tls_port)
    finally:
        server.stop()
