"""The sockets: TLS for the youtube hosts, plain HTTP for control, feed and a CONNECT proxy that leads to the former.

One certificate names every host, so it does not matter which name a client sends. The proxy ends TLS itself and
answers for our hosts only: tests without DNS of their own use it through `https_proxy`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standin import calls, feed
from standin.answering import Site
from standin.calls import Call
from standin.catalogue import UnknownThingError
from standin.control import PREFIX, Control
from standin.faults import TRANSPORT_KINDS, Fault
from standin.hosts import HOSTS
from standin.replies import Reply, error_reply

_BLOCK = 256 * 1024
_IDLE_SECONDS = 60
_GONE = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError, ssl.SSLError, TimeoutError)


class _Sockets(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], standin: StandInServer, tls: ssl.SSLContext | None) -> None:
        self.standin = standin
        self.tls = tls
        super().__init__(address, BaseHTTPRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is not None:
            request.settimeout(_IDLE_SECONDS)
            try:
                request = self.tls.wrap_socket(request, server_side=True)
            except (OSError, ValueError):
                return
        with contextlib.suppress(*_GONE):
            _Handler(request, client_address, self, secure=self.tls is not None)
        if self.tls is not None:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)
            request.close()

    def shutdown_request(self, request: Any) -> None:
        with contextlib.suppress(OSError):
            super().shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "standin"
    timeout = _IDLE_SECONDS
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    server: _Sockets

    def __init__(self, *args: Any, secure: bool, proxied: bool = False) -> None:
        self.secure = secure
        self.proxied = proxied
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: the control API tells what was asked."""

    def do_CONNECT(self) -> None:
        """Be the proxy: end TLS here and answer as the host that was asked for."""
        host = self.path.partition(":")[0].lower()
        if host not in HOSTS:
            self.send_error(502, f"the stand-in does not stand in for {host}")
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        self.wfile.flush()
        self.close_connection = True
        try:
            tunnel = self.server.standin.tls_context.wrap_socket(self.connection, server_side=True)
        except OSError:
            return
        with contextlib.suppress(*_GONE):
            _Handler(tunnel, self.client_address, self.server, secure=True, proxied=True)
        with contextlib.suppress(OSError):
            tunnel.shutdown(socket.SHUT_RDWR)
        tunnel.close()

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    do_POST = do_GET  # noqa: N815 - http.server looks for these names
    do_HEAD = do_GET  # noqa: N815
    do_DELETE = do_GET  # noqa: N815

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        absolute = self.path.startswith("http://")
        host = self.headers.get("Host", "")
        headers = {name.title(): value for name, value in self.headers.items()}
        asked = calls.request(self.command, host, self.path, headers, body, self.proxied or absolute)
        standin, site = self.server.standin, self.server.standin.site
        if not self.secure and (asked.path == "/healthz" or asked.path.startswith(PREFIX + "/")):
            self._send(standin.control.answer(asked))
            return
        feed_call = feed.identify(asked)
        if feed_call is None and not self.secure:
            self._send(error_reply(404, "plain HTTP is for /_control/, /healthz, /feeds/ and /files/"))
            return
        call = feed_call or calls.identify(asked, site.catalogue)
        site.counts.asked(call, _handle(site, call), asked.proxied)
        fault = site.faults.take(call, asked.headers.get("Cookie", ""))
        transport = fault if fault is not None and fault.kind in TRANSPORT_KINDS else None
        if transport is not None and transport.kind in ("status", "redirect", "blank", "hang", "reset"):
            self._refuse(call, asked.path, transport)
            return
        if feed_call is not None:
            reply = feed.answer(site, call, asked)
        else:
            reply = site.answer(call, asked, None if transport else fault)
        site.counts.answered(call, asked.host, asked.path, reply.status)
        self._send(reply, call, transport)

    def _refuse(self, call: Call, path: str, fault: Fault) -> None:
        """Answer with an error status, another address or nothing, or not at all."""
        counts = self.server.standin.site.counts
        if fault.kind == "redirect":
            counts.answered(call, "", path, 302)
            self._send(Reply(302, headers={"Location": str(fault.spec["location"])}))
            return
        if fault.kind == "blank":
            counts.answered(call, "", path, 200)
            self._send(Reply(200))
            return
        if fault.kind == "status":
            status = int(fault.number("status", 500))
            reply = error_reply(status, "the stand-in was asked for this")
            after = fault.spec.get("retry_after")
            headers = {} if after is None else {"Retry-After": str(after)}
            counts.answered(call, "", path, status)
            self._send(Reply(reply.status, reply.content_type, reply.body, headers))
            return
        if fault.kind == "hang":
            self.server.standin.stopping.wait(fault.number("seconds", 3600))
        counts.answered(call, "", path, 0)
        with contextlib.suppress(OSError):
            # A reset: what was sent and not yet read is lost too.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self._cut()

    def _cut(self) -> None:
        """End the connection in the middle; what was sent arrives."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, reply: Reply, call: Call | None = None, fault: Fault | None = None) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(reply.length))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if fault is not None and fault.kind == "sign_out":
            self.send_header("Set-Cookie", "LOGIN_INFO=; Domain=.youtube.com; Path=/; Max-Age=0")
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = 0
        try:
            for block in self._blocks(reply, fault):
                self.wfile.write(block)
                sent += len(block)
            self.wfile.flush()
        finally:
            if call is not None and call.video and reply.file is not None and call.stream is not None:
                whole = sent == reply.file.size
                self.server.standin.site.counts.served(call.video, call.stream, sent, reply.file.size, whole)
        if sent < reply.length:
            self._cut()

    def _blocks(self, reply: Reply, fault: Fault | None) -> Any:
        """The content in pieces, as a fault lets it through."""
        kind = fault.kind if fault is not None else None
        left = (
            min(reply.length, int(fault.number("bytes", reply.length // 2))) if fault and kind == "truncate" else None
        )
        left = reply.length if left is None else left
        speed = fault.number("bytes_per_second", 10_000) if fault and kind == "slow" else None
        size = max(1, int(speed / 10)) if speed else _BLOCK
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(open(reply.file.path, "rb")) if reply.file else None
            if source is not None and reply.file is not None:
                source.seek(reply.file.start)
            position = 0
            while left > 0:
                wanted = min(size, left)
                block = source.read(wanted) if source is not None else reply.body[position : position + wanted]
                if not block:
                    return
                position += len(block)
                left -= len(block)
                yield bytes(len(block)) if kind == "corrupt" else block
                if speed is not None:
                    self.wfile.flush()
                    time.sleep(len(block) / speed)


def _handle(site: Site, call: Call) -> str | None:
    try:
        return site.catalogue.channel(call.channel or "").handle
    except UnknownThingError:
        return None


class StandInServer:
    """The listening stand-in. Ports may be 0: the numbers that the system chose are then in `tls_port`, `port`."""

    def __init__(self, site: Site, certificate: Path, key: Path, host: str, tls_port: int, port: int) -> None:
        self.site = site
        self.control = Control(site)
        self.stopping = threading.Event()
        self.tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls_context.load_cert_chain(certificate, key)
        self._servers = [_Sockets((host, tls_port), self, self.tls_context), _Sockets((host, port), self, None)]
        self.tls_port, self.port = (int(server.server_address[1]) for server in self._servers)
        self._threads = [threading.Thread(target=s.serve_forever, args=(0.2,), daemon=True) for s in self._servers]

    def start(self) -> None:
        """Serve, in threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop serving and let go of the ports."""
        self.stopping.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
