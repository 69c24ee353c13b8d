"""The lister's stream as the operator reads it: whole, or not at all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from builders import entry_line, source_line
from trawler_downloader.contract.listing import LIST_PATH, ListingEnd, ListRequest, TrailerLine
from trawler_operator.adapters import lister_client
from trawler_operator.adapters.lister_client import MAX_LINE_BYTES, ListerClient
from trawler_operator.reconcile.ports import ListerError

SOURCE = source_line().to_json()
ENTRY = entry_line("a").to_json()
TRAILER = TrailerLine(end=ListingEnd.STOPPED, engine="2026.10.26").to_json()
REQUEST = ListRequest(url="https://www.youtube.com/@numberline/videos")

Script = Callable[[list[str], int], None]


class FakeLister:
    """Answers with the lines it was given."""

    def __init__(self, socket: Path) -> None:
        self.address = f"unix://{socket}"
        self.lines: list[str] = []
        self.status = 200
        self.bodies: list[str] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.text())
        response = web.StreamResponse(status=self.status)
        await response.prepare(request)
        for line in self.lines:
            await response.write(line.encode() + b"\n")
        return response


@asynccontextmanager
async def serving(lister: FakeLister, socket: Path) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post(LIST_PATH, lister.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    yield
    await runner.cleanup()


@pytest.fixture
async def lister(tmp_path: Path) -> AsyncIterator[FakeLister]:
    socket = tmp_path / "lister.sock"
    lister = FakeLister(socket)
    async with serving(lister, socket):
        yield lister


async def test_listing(lister: FakeLister) -> None:
    """Sources with their entries, in order, and the trailer."""
    other = source_line("youtubetab.UCother.shorts").to_json()
    lister.lines = [SOURCE, ENTRY, entry_line("b").to_json(), other, TRAILER]
    listing = await ListerClient(lister.address).list(REQUEST)
    assert [(source.key, [entry.key for entry in entries]) for source, entries in listing.sources] == [
        ("youtubetab.UCnumber.videos", ["youtube.a", "youtube.b"]),
        ("youtubetab.UCother.shorts", []),
    ]
    assert listing.trailer.end is ListingEnd.STOPPED
    assert ListRequest.model_validate_json(lister.bodies[0]) == REQUEST


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        pytest.param([], "cut off", id="nothing"),
        pytest.param([SOURCE, ENTRY], "cut off", id="no trailer"),
        pytest.param([SOURCE, ENTRY[:40]], "line 2", id="cut in a line"),
        pytest.param([SOURCE, "{}", TRAILER], "line 2", id="no type"),
        pytest.param([ENTRY, TRAILER], "youtube.a belongs to no source", id="an entry before its source"),
        pytest.param([SOURCE, ENTRY.replace("UCnumber", "UCwrong"), TRAILER], "no source", id="another's entry"),
        pytest.param([SOURCE, "x" * (MAX_LINE_BYTES * 5)], "more than", id="a line without an end"),
        pytest.param([SOURCE, ENTRY[:-1] + ',"extra":1}', TRAILER], "line 2", id="a field that the contract lacks"),
        pytest.param([SOURCE, ENTRY.replace("youtube.a", "..a"), TRAILER], "line 2", id="a key that no ledger takes"),
        pytest.param([SOURCE, ENTRY[:-1] + ',"timestamp":1e40}', TRAILER], "line 2", id="a time that no clock shows"),
        pytest.param([SOURCE, ENTRY[:-1] + ',"title":"\\ud800"}', TRAILER], "line 2", id="half a character"),
        pytest.param([SOURCE, TRAILER[:-1] + ',"reason":"no word"}'], "line 2", id="a reason that is no word"),
        pytest.param([SOURCE] * 17, "more than 16 sources", id="sources without an end"),
    ],
)
async def test_broken_streams(lister: FakeLister, lines: list[str], said: str) -> None:
    """Nothing of a stream that breaks the protocol is used."""
    lister.lines = lines
    with pytest.raises(ListerError, match=said):
        await ListerClient(lister.address).list(REQUEST)


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        pytest.param({"MAX_ENTRIES": 3}, "more than 3 entries", id="entries without an end"),
        pytest.param({"MAX_STREAM_BYTES": 1000}, "more than 1000 bytes", id="bytes without an end"),
    ],
)
async def test_a_stream_that_goes_on_and_on(
    lister: FakeLister, monkeypatch: pytest.MonkeyPatch, limit: dict[str, int], said: str
) -> None:
    """Each line is in order; their number and their sum are bounded as well."""
    for name, value in limit.items():
        monkeypatch.setattr(lister_client, name, value)
    lister.lines = [SOURCE, *[ENTRY] * 10, TRAILER]
    with pytest.raises(ListerError, match=said):
        await ListerClient(lister.address).list(REQUEST)


async def test_refused(lister: FakeLister) -> None:
    """An HTTP error comes with its text."""
    lister.status, lister.lines = 503, ["busy"]
    with pytest.raises(ListerError, match="503: busy"):
        await ListerClient(lister.address).list(REQUEST)


@pytest.mark.parametrize("address", ["unix:///nowhere/lister.sock", "http://127.0.0.1:9"])
async def test_nobody_listens(address: str) -> None:
    """A lister that does not come is told by its address."""
    with pytest.raises(ListerError, match=f"nothing takes connections at {re.escape(address)}"):
        await ListerClient(address, patience=0).list(REQUEST)


async def test_a_lister_that_still_starts_is_waited_for(tmp_path: Path) -> None:
    """It comes up some seconds after the operator: nothing is wrong with that."""
    socket = tmp_path / "lister.sock"
    lister = FakeLister(socket)
    lister.lines = [SOURCE, ENTRY, TRAILER]
    listing = asyncio.create_task(ListerClient(lister.address).list(REQUEST))
    await asyncio.sleep(0)
    assert not listing.done()
    async with serving(lister, socket):
        assert (await listing).trailer.end is ListingEnd.STOPPED


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"url": "https://x/" + "u" * 3000}, id="a long URL"),
        pytest.param({"url": "https://x/" + "é" * 1500}, id="not ASCII"),
        pytest.param({"url": "https://x/?" + '"' * 1500}, id="to be escaped"),
        pytest.param({"url": "https://x/" + "u" * 1900, "id": "i" * 500}, id="with its id"),
    ],
)
async def test_entry_that_fits_in_no_ledger(lister: FakeLister, change: dict[str, str]) -> None:
    """Left out, counted and named; the others stay."""
    long = entry_line("b").model_copy(update=change).to_json()
    lister.lines = [SOURCE, long, ENTRY, TRAILER]
    listing = await ListerClient(lister.address).list(REQUEST)
    assert [entry.key for entry in listing.sources[0][1]] == ["youtube.a"]
    assert (listing.trailer.omitted, listing.trailer.omitted_example) == (1, "Video b")
