"""The lister over HTTP, on a Unix socket or a TCP address (implements `ports.Lister`).

What it sends was parsed from the internet by yt-dlp, so every line is validated and everything has a bound: bytes per
line, lines, time. A stream that ends without its trailer is not a listing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import LineTooLong
from pydantic import ValidationError

from trawler_downloader.contract.listing import (
    LIST_PATH,
    LISTING_LINE,
    MAX_ENTRIES,
    EntryLine,
    ListRequest,
    SourceLine,
    TrailerLine,
)
from trawler_operator.reconcile.ports import ListerError, RawListing

logger = logging.getLogger(__name__)

MAX_LINE_BYTES = 64 * 1024
MAX_LINES = 2 * MAX_ENTRIES
"""Entries may come once per tab; more than this is no listing any more."""
MAX_IDENTITY_BYTES = 2048
"""Of what the ledger never cuts (URL, id, source), as it writes it: the path of the file must fit beside it."""
GRACE_SECONDS = 15
"""Beyond the request's own deadline, at which the lister ends the listing with a trailer."""
CONNECT_SECONDS = 5
PATIENCE_SECONDS = 20
"""Until the lister counts as away. It starts beside the operator and takes some seconds more (4 s, measured); a listing
that gave up at once would show trouble after every upgrade."""
TRY_AGAIN_SECONDS = 0.5


class ListerClient:
    """Lists sources.

    Args:
        address: `unix:///path/of/socket` or `http://host:port`.
        patience: seconds for which a lister that takes no connection is waited for.
    """

    def __init__(self, address: str, patience: float = PATIENCE_SECONDS) -> None:
        self._address = address
        self._patience = patience
        parts = urlsplit(address)
        if parts.scheme == "unix":
            self._socket: str | None = parts.path
            self._url = f"http://lister{LIST_PATH}"
        else:
            self._socket = None
            self._url = address.rstrip("/") + LIST_PATH

    async def list(self, request: ListRequest) -> RawListing:
        """List a source to its trailer.

        Raises:
            ListerError: no connection, a cut stream, a line that is none, or no end in time.
        """
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return await self._list(request)
            except aiohttp.ClientConnectorError as error:
                if time.monotonic() >= deadline:
                    reason = error.os_error.strerror or error.os_error
                    raise ListerError(f"nothing takes connections at {self._address}: {reason}") from error
            await asyncio.sleep(TRY_AGAIN_SECONDS)

    async def _list(self, request: ListRequest) -> RawListing:
        connector = aiohttp.UnixConnector(self._socket) if self._socket else aiohttp.TCPConnector()
        timeout = aiohttp.ClientTimeout(total=request.deadline_seconds + GRACE_SECONDS, connect=CONNECT_SECONDS)
        try:
            # A connection per listing: the lister may have restarted since the last, and a listing takes far longer.
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=MAX_LINE_BYTES) as session,
                session.post(
                    self._url, data=request.to_json().encode(), headers={"Content-Type": "application/json"}
                ) as response,
            ):
                if response.status != 200:
                    text = (await response.content.read(500)).decode("utf-8", "replace")
                    raise ListerError(f"HTTP {response.status}: {text.strip()}")
                return await _read(response.content)
        except aiohttp.ClientConnectorError:
            raise
        except TimeoutError as error:
            raise ListerError(f"no end of the listing within {timeout.total:.0f} s") from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise ListerError(f"{type(error).__name__}: {error}") from error


async def _read(stream: aiohttp.StreamReader) -> RawListing:
    sources: list[tuple[SourceLine, list[EntryLine]]] = []
    lines = 0
    while True:
        try:
            raw = await stream.readline()
        except LineTooLong as error:
            raise ListerError(f"a line of more than {MAX_LINE_BYTES} bytes") from error
        if not raw:
            raise ListerError("the listing was cut off before its trailer")
        lines += 1
        if lines > MAX_LINES:
            raise ListerError(f"more than {MAX_LINES} lines")
        try:
            line = LISTING_LINE.validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ListerError(f"line {lines} of the listing is invalid: {first['loc']}: {first['msg']}") from None
        match line:
            case TrailerLine():
                return RawListing(tuple((source, tuple(entries)) for source, entries in sources), line)
            case SourceLine():
                sources.append((line, []))
            case EntryLine():
                if not sources or sources[-1][0].key != line.source:
                    raise ListerError(f"line {lines} of the listing belongs to no source that was announced")
                if _identity_bytes(line) > MAX_IDENTITY_BYTES:
                    logger.warning("left out an entry of %s: its URL or id is too long to keep", line.source)
                    continue
                sources[-1][1].append(line)


def _identity_bytes(line: EntryLine) -> int:
    text = json.dumps([line.url, line.id, line.source, line.extractor], ensure_ascii=False)
    return len(text.encode("utf-8", "replace"))
