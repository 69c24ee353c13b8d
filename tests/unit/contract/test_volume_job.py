"""What Jobs over a volume are asked for, and chunks of their answers: what arrived whole counts, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from trawler_downloader.contract.download import SubscriptionRef
from trawler_downloader.contract.inventory import InventoryRequest, RecordLine
from trawler_downloader.contract.survey import SurveyRequest
from trawler_downloader.contract.volume_job import (
    MAX_REQUEST_BYTES,
    Chunk,
    ChunkSum,
    ChunkTrailerLine,
    HeaderLine,
    RequestTooLongError,
    UnusableChunkError,
    VolumeRequest,
    encode_request,
    parse_chunk,
)

HEADER = HeaderLine(scope="media/numberline", after="", volume_id="v-1")


class Moving(VolumeRequest):
    """A kind of work that names what it is about one by one."""

    keys: tuple[str, ...]

    @property
    def scope(self) -> str:
        return "media/moving"


class Nameless(VolumeRequest):
    """A kind of work that does not say whom it is about."""


def read(log: bytes) -> Chunk[RecordLine]:
    return parse_chunk(log, RecordLine)


def record(name: str, present_bytes: int | None = 10) -> RecordLine:
    return RecordLine(
        key=f"youtube.{name}",
        extractor="Youtube",
        id=name,
        url=f"https://x.test/{name}",
        title="Zeile\u2028 und Zeile",
        launch=1,
        path=f"c/{name}.mp4",
        bytes=10,
        present_bytes=present_bytes,
        engine="2026.10.26",
        landed_at=1_700_000_000,
    )


def lines(count: int = 3) -> list[bytes]:
    """Of a chunk."""
    total = ChunkSum()
    records = [record(f"v{number}").to_json().encode() for number in range(count)]
    for line in records:
        total.add(line)
    trailer = ChunkTrailerLine(count=total.count, sha256=total.sha256, next_after="3f/youtube.v2")
    return [HEADER.to_json().encode(), *records, trailer.to_json().encode()]


def log(parts: list[bytes]) -> bytes:
    return b"".join(part + b"\n" for part in parts)


def test_a_whole_chunk_is_read():
    """Line separators that are part of a title split nothing."""
    chunk = read(log(lines()))
    assert chunk.header == HEADER
    assert [line.key for line in chunk.records] == ["youtube.v0", "youtube.v1", "youtube.v2"]
    assert chunk.records[0].title == "Zeile\u2028 und Zeile"
    assert chunk.trailer.next_after == "3f/youtube.v2"


def test_an_empty_chunk_is_one():
    assert read(log(lines(0))).records == ()


def test_other_words_between_the_lines_do_no_harm():
    """As a runtime or a library may put them on standard error."""
    first, second, *others = lines()
    assert len(read(log([b"WARNING: odd", first, b"{}", second, b"", *others, b"bye"])).records) == 3


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        pytest.param(lambda text: b"", "ends before its trailer", id="nothing came"),
        pytest.param(lambda text: text[:-20], "broken", id="cut inside of the trailer"),
        pytest.param(lambda text: b"\n".join(text.split(b"\n")[:3]), "ends before", id="cut between two lines"),
        pytest.param(lambda text: text[:200], "broken", id="cut inside of a record"),
        pytest.param(lambda text: text.split(b"\n", 1)[1], "its beginning is gone", id="rotated"),
        pytest.param(lambda text: text.replace(b"youtube.v1", b"youtube.w1"), "3 records", id="a bit flipped"),
        pytest.param(lambda text: b"\n".join(text.split(b"\n")[:2] + text.split(b"\n")[3:]), "2 records", id="a hole"),
        pytest.param(lambda text: text.replace(b'{"type":"record","key":"youtube.v1"', b""), "2 records", id="mixed"),
        pytest.param(lambda text: text + text, "goes on after its trailer", id="printed twice"),
        pytest.param(lambda text: text.replace(b'"record"', b'"rekord"', 1), "broken", id="unknown type"),
        pytest.param(lambda text: text.split(b"\n", 1)[0] + b"\n" + text, "two headers", id="begun twice"),
        pytest.param(lambda text: text.replace(b'"launch":1', b'"launch":1,"x":2', 1), "broken", id="unknown field"),
        pytest.param(lambda text: text.replace(b"Zeile", b"\xff", 1), "broken", id="no UTF-8"),
    ],
)
def test_a_spoilt_chunk_does_not_count(spoil: Callable[[bytes], bytes], why: str):
    with pytest.raises(UnusableChunkError, match=why):
        read(spoil(log(lines())))


@pytest.mark.parametrize(("present_bytes", "present"), [(10, True), (7, True), (None, False)])
def test_a_file_that_was_replaced_is_there(present_bytes: int | None, present: bool):
    assert record("v0", present_bytes).present is present


@pytest.mark.parametrize(
    ("request_", "scope"),
    [
        (InventoryRequest(subscription=SubscriptionRef(namespace="media", name="numberline")), "media/numberline"),
        (SurveyRequest(namespace="media"), "media"),
    ],
    ids=["an inventory is about a Subscription", "a survey is about a namespace"],
)
def test_whom_the_work_is_about(request_: VolumeRequest, scope: str):
    assert request_.scope == scope


def test_every_kind_says_whom_its_work_is_about():
    with pytest.raises(TypeError, match="scope"):
        Nameless()


def test_a_request_is_read_back_as_it_was_written():
    wanted = Moving(keys=("ü",) * 1000, after="3f/youtube.a")
    assert Moving.model_validate_json(encode_request(wanted)) == wanted


def test_a_request_of_more_than_64_kib_is_refused():
    """Bytes count, not characters."""
    text = "ü" * (MAX_REQUEST_BYTES // 2)
    with pytest.raises(RequestTooLongError, match=r"a Moving of 65\d\d\d bytes: a Job takes at most 65536"):
        encode_request(Moving(keys=(text,)))
