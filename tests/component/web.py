"""Small servers on several loopback addresses: one that may be reached, one that plays what is inside the cluster."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

OPEN, INSIDE = "127.0.0.1", "127.0.0.2"
REBINDING = """
import socket, sys
asked, real = [], socket.getaddrinfo
def answer(host, port, *rest, **more):
    if host != "rebind.test":
        return real(host, port, *rest, **more)
    asked.append(host)
    sys.audit("socket.getaddrinfo", host, port, *rest)  # as the real one does
    address = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]
socket.getaddrinfo = answer
"""
"""A sitecustomize module: the name leads to the open server once, and inside from then on."""


@dataclass
class Page:
    """An answer."""

    body: bytes = b""
    kind: str = "text/html"
    location: str | None = None
    """Redirects there."""


@dataclass
class Web:
    """A web server and what it was asked for."""

    address: str
    port: int
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    connections: int = 0
    """Whatever was said over them."""

    def url(self, path: str, host: str | None = None) -> str:
        return f"http://{host or self.address}:{self.port}{path}"


@contextlib.contextmanager
def running_web(address: str, port: int = 0) -> Iterator[Web]:
    """Serve on that address until the context ends."""
    web = Web(address, 0)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append(self.path)
            page = web.pages.get(self.path)
            self.send_response(404 if page is None else 302 if page.location else 200)
            if page is not None and page.location:
                self.send_header("Location", page.location)
            self.send_header("Content-Type", page.kind if page else "text/plain")
            self.send_header("Content-Length", str(len(page.body) if page else 0))
            self.end_headers()
            if page is not None and self.command == "GET":
                self.wfile.write(page.body)

        do_HEAD = do_GET  # noqa: N815 - http.server looks for this name

        def log_message(self, *_: object) -> None:
            """`asked` tells."""

    class Server(ThreadingHTTPServer):
        def process_request(self, *connection: Any) -> None:
            web.connections += 1
            super().process_request(*connection)

    server = Server((address, port), Handler)
    web.port = server.server_address[1]
    with _serving(server):
        yield web


@contextlib.contextmanager
def two_webs() -> Iterator[tuple[Web, Web]]:
    """The open one and the one inside, on the same port."""
    with running_web(OPEN) as open_web, running_web(INSIDE, open_web.port) as inside:
        yield open_web, inside


@dataclass
class Proxy:
    """A proxy that asks for a login."""

    port: int
    username: str
    password: str
    refused: int = 0
    served: int = 0


@contextlib.contextmanager
def http_proxy(
    username: str, password: str, behind: int, onto: str = OPEN, listen: tuple[str, int] = (OPEN, 0)
) -> Iterator[Proxy]:
    """An HTTP proxy at `listen` that hands whoever logs in on to the proxy at host `onto` and port `behind`."""
    proxy = Proxy(0, username, password)
    login = b"Basic " + base64.b64encode(f"{username}:{password}".encode())

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                line = self.rfile.readline()
                if not line:
                    return
                head += line
            if b"Proxy-Authorization: " + login not in head:
                proxy.refused += 1
                self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            proxy.served += 1
            with socket.create_connection((onto, behind)) as onward:
                onward.sendall(head)
                _pipe(self.connection, onward)

    with _serving(_Sockets(listen, Handler)) as server:
        proxy.port = server.server_address[1]
        yield proxy


@contextlib.contextmanager
def socks_proxy(username: str, password: str, target: int) -> Iterator[Proxy]:
    """A SOCKS5 proxy (RFC 1928, 1929) behind which every host is the server at port `target`."""
    proxy = Proxy(0, username, password)

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            methods = self.rfile.read(self.rfile.read(2)[1])
            if 2 not in methods:
                proxy.refused += 1
                self.wfile.write(b"\x05\xff")
                return
            self.wfile.write(b"\x05\x02")
            self.rfile.read(1)
            given = [self.rfile.read(self.rfile.read(1)[0]).decode() for _ in range(2)]
            if given != [username, password]:
                proxy.refused += 1
                self.wfile.write(b"\x01\x01")
                return
            self.wfile.write(b"\x01\x00")
            kind = self.rfile.read(4)[3]
            self.rfile.read({1: 4, 4: 16}.get(kind) or self.rfile.read(1)[0])
            self.rfile.read(2)
            proxy.served += 1
            with socket.create_connection(("127.0.0.1", target)) as onward:
                self.wfile.write(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
                _pipe(self.connection, onward)

        rbufsize = 0

    with _serving(_Sockets(("127.0.0.1", 0), Handler)) as server:
        proxy.port = server.server_address[1]
        yield proxy


class _Sockets(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


@contextlib.contextmanager
def _serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _pipe(one: socket.socket, other: socket.socket) -> None:
    back = threading.Thread(target=_copy, args=(other, one), daemon=True)
    back.start()
    _copy(one, other)
    back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
