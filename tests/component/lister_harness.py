"""A real lister as a program of its own, the stand-in in this process, and a client for both."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from certificates import issue
from standin import specs
from standin.answering import Site
from standin.media import MediaStore
from standin.server import StandInServer
from trawler_downloader.contract.listing import (
    HEALTH_PATH,
    LIST_PATH,
    LISTING_LINE,
    EntryLine,
    ListRequest,
    SourceLine,
    TrailerLine,
)

ROOT = Path(__file__).parents[2]
YOUTUBE = "https://www.youtube.com"


@dataclass
class Listing:
    """What a lister answered."""

    sources: list[SourceLine] = field(default_factory=list)
    entries: list[EntryLine] = field(default_factory=list)
    trailer: TrailerLine | None = None

    @classmethod
    def parse(cls, body: bytes) -> Listing:
        listing = cls()
        for line in body.splitlines():
            match LISTING_LINE.validate_json(line):
                case SourceLine() as source:
                    listing.sources.append(source)
                case EntryLine() as entry:
                    listing.entries.append(entry)
                case TrailerLine() as trailer:
                    assert listing.trailer is None, "two trailers"
                    listing.trailer = trailer
        return listing

    @property
    def end(self) -> str:
        assert self.trailer is not None
        return self.trailer.end.value

    @property
    def reason(self) -> str | None:
        assert self.trailer is not None
        return self.trailer.reason

    @property
    def requests(self) -> int:
        assert self.trailer is not None
        return self.trailer.requests

    def known(self) -> dict[str, tuple[str, ...]]:
        """What a next request would carry."""
        return {s.key: tuple(e.key for e in self.entries if e.source == s.key) for s in self.sources}


@dataclass
class Standin:
    """The stand-in, reached through its proxy."""

    site: Site
    proxy: str
    ca: str
    tls_port: int
    """What a proxy that we are not leads to."""

    def load(self, *channels: dict[str, Any], playlists: tuple[dict[str, Any], ...] = ()) -> None:
        """Show these channels and nothing else; faults and counts start afresh."""
        fresh = specs.load({"channels": list(channels), "playlists": list(playlists)})
        fresh.revision = self.site.catalogue.revision + 1
        self.site.catalogue = fresh
        self.site.faults.remove()
        self.site.counts.reset()

    def fault(self, kind: str, *, times: int | None = None, status: int | None = None, **match: object) -> None:
        spec = {"kind": kind, "match": match, "times": times, "status": status}
        self.site.faults.add({k: v for k, v in spec.items() if v is not None}, self.site.catalogue)

    def publish(self, channel: str, count: int, tab: str = "videos") -> None:
        specs.publish(self.site.catalogue, {"channel": channel, "count": count, "tab": tab}, self.site.now())

    @property
    def asked(self) -> int:
        """Requests since the last look."""
        total = self.site.counts.snapshot()["total"]
        self.site.counts.reset()
        return int(total)


@contextlib.contextmanager
def running_standin(folder: Path) -> Iterator[Standin]:
    certificates = issue()
    _, certificate, key = certificates.write(folder)
    site = Site(specs.load({}), MediaStore(folder / "media", None))
    server = StandInServer(site, certificate, key, "127.0.0.1", 0, 0)
    server.start()
    try:
        yield Standin(site, f"http://127.0.0.1:{server.port}", certificates.ca, server.tls_port)
    finally:
        server.stop()


@dataclass
class Lister:
    """The program under test, and its client."""

    process: subprocess.Popen[bytes]
    path: Path
    standin: Standin

    def request(self, url: str, **fields: Any) -> ListRequest:
        return ListRequest(
            url=url, **{"proxy": self.standin.proxy, "proxy_trusted": True, "ca_bundle": self.standin.ca, **fields}
        )

    @contextlib.asynccontextmanager
    async def session(self) -> Any:
        async with aiohttp.ClientSession("http://lister", connector=aiohttp.UnixConnector(str(self.path))) as session:
            yield session

    async def list(self, url: str, **fields: Any) -> Listing:
        async with (
            self.session() as session,
            session.post(LIST_PATH, data=self.request(url, **fields).to_json()) as response,
        ):
            assert response.status == 200, await response.text()
            return Listing.parse(await response.read())

    async def health(self) -> int:
        async with self.session() as session, session.get(HEALTH_PATH) as response:
            return int(response.status)

    def fork_server(self) -> int:
        """Its process id."""
        found = [pid for pid in children(self.process.pid) if b"forkserver" in command_line(pid)]
        assert len(found) == 1
        return found[0]

    def workers(self) -> list[int]:
        """Process ids of the listings that run."""
        return children(self.fork_server())


@contextlib.contextmanager
def running_lister(folder: Path, standin: Standin, *options: str, imports: Path | None = None) -> Iterator[Lister]:
    """A lister in `folder`; with `imports` a sitecustomize module there is taken up."""
    path = folder / "lister.sock"
    paths = [str(path) for path in (imports, ROOT / "downloader") if path is not None]
    environ = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy") and k != "SSL_CERT_FILE"}
    with open(folder / "lister.log", "wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "trawler_downloader.lister", "--socket", str(path), *options],
            env={**environ, "PYTHONPATH": os.pathsep.join(paths), "TMPDIR": str(folder)},
            stdout=output,
            stderr=output,
            cwd=folder,
        )
    try:
        wait_until(lambda: _answers(path) or process.poll() is not None)
        assert process.poll() is None, (folder / "lister.log").read_text()
        yield Lister(process, path, standin)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def wait_until(condition: Any, seconds: float = 20) -> None:
    """Look again until it holds; what is waited for sends no event to this process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    except FileNotFoundError:
        return []


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""
