"""The lister over HTTP, on a Unix socket or a TCP address (implements `ports.Lister`).

What it sends was parsed from the internet by yt-dlp, so every line is validated and everything has a bound: bytes per
line, bytes in all, sources, entries, time. A stream that goes over one of them or ends without its trailer is not a
listing.
"""

from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http_exceptions import LineTooLong
from pydantic import ValidationError

from trawler_downloader.contract.listing import (
    LIST_PATH,
    LISTING_LINE,
    MAX_ENTRIES,
    MAX_SOURCES,
    MAX_TITLE,
    EntryLine,
    ListRequest,
    SourceLine,
    TrailerLine,
)
from trawler_operator.reconcile.ports import ListerError, RawListing

MAX_LINE_BYTES = 64 * 1024
MAX_STREAM_BYTES = 64 * 2**20
"""MAX_ENTRIES entries of 1 KiB each, and some: a line has 400 bytes (measured)."""
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
    listing = _Listing()
    lines = size = 0
    while True:
        try:
            raw = await stream.readline()
        except LineTooLong as error:
            raise ListerError(f"a line of more than {MAX_LINE_BYTES} bytes") from error
        if not raw:
            raise ListerError("the listing was cut off before its trailer")
        lines += 1
        size += len(raw)
        if size > MAX_STREAM_BYTES:
            raise ListerError(f"more than {MAX_STREAM_BYTES} bytes in all")
        try:
            line = LISTING_LINE.validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ListerError(f"line {lines} of the listing is invalid: {first['loc']}: {first['msg']}") from None
        match line:
            case TrailerLine():
                return listing.ended(line)
            case SourceLine():
                listing.begin(line)
            case EntryLine():
                listing.add(line)


class _Listing:
    """What came so far."""

    def __init__(self) -> None:
        self._sources: list[tuple[SourceLine, list[EntryLine]]] = []
        self._entries = 0
        self._omitted: list[EntryLine] = []

    def begin(self, source: SourceLine) -> None:
        if len(self._sources) == MAX_SOURCES:
            raise ListerError(f"more than {MAX_SOURCES} sources")
        self._sources.append((source, []))

    def add(self, entry: EntryLine) -> None:
        if not self._sources or self._sources[-1][0].key != entry.source:
            raise ListerError(f"entry {entry.key} belongs to no source that was announced")
        self._entries += 1
        if self._entries > MAX_ENTRIES:
            raise ListerError(f"more than {MAX_ENTRIES} entries")
        if entry.fits:
            self._sources[-1][1].append(entry)
        else:
            self._omitted.append(entry)

    def ended(self, trailer: TrailerLine) -> RawListing:
        """All of it; the trailer counts what a lister of another release sent although it fits in no ledger."""
        if self._omitted:
            first = self._omitted[0]
            update = {
                "omitted": trailer.omitted + len(self._omitted),
                "omitted_example": trailer.omitted_example or first.title or first.id[:MAX_TITLE],
            }
            trailer = trailer.model_copy(update=update)
        return RawListing(tuple((source, tuple(entries)) for source, entries in self._sources), trailer)
