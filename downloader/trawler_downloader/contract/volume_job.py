"""What every Job that works over a volume is asked for, and how its answer comes back: as lines of its log.

One Job prints one chunk: a header, the records of its kind, and a trailer that counts the records and sums them up. A
log that was cut, rotated or mixed with other words is noticed so: nothing of a chunk without its matching trailer may
be used. The next Job goes on after the trailer's cursor, so work that is interrupted is resumed where it stopped.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, ValidationError

from trawler_downloader.contract.download import MAX_VOLUME_ID
from trawler_downloader.contract.message import Message

MAX_REQUEST_BYTES = 2**16
"""Of a request as JSON. Linux takes no single environment variable of 128 KiB or more."""
MAX_RECORDS = 2000
"""Per chunk."""
MAX_CHUNK_BYTES = 4 * 2**20
"""Of a chunk's record lines. The kubelet rotates a log at 10 MiB by default, and only its last file can be read."""
MAX_RECORD_BYTES = 3072
"""Of a record's line."""
MAX_LOG_BYTES = MAX_CHUNK_BYTES + 2**16
"""What a reader takes of a log: a chunk with its header and trailer."""
MAX_CURSOR = 512
"""Characters of a cursor."""
MAX_UNREADABLE_NAMED = 20
_OURS = b'{"type":'
"""How every line of a chunk begins; other lines of the log are somebody else's words."""


class RequestTooLongError(ValueError):
    """A request that no Job can be given; the message says how long it is and how long it may be."""


class VolumeRequest(Message, ABC):
    """Which part of the work to do. Each kind of Job adds what its work is about."""

    v: Literal[1] = 1
    after: Annotated[str, Field(max_length=MAX_CURSOR)] = ""
    """Cursor: where the chunk before this one ended. Empty: from the beginning."""
    limit: Annotated[int, Field(ge=1, le=MAX_RECORDS)] = MAX_RECORDS
    """Records of this chunk."""
    max_seconds: Annotated[int, Field(ge=1, le=3600)] = 120
    """The chunk ends early by then: a slow volume makes more chunks, not a Job that never ends."""
    volume_id: str | None = None
    """Marker that the claim must bear. None: not known yet."""

    @property
    @abstractmethod
    def scope(self) -> str:
        """Whom the work is about: the header repeats it, so that no Job's answer is taken for another's."""


class VolumeRecord(Message):
    """One line of the answer. Each kind of Job adds what its records tell."""

    type: Literal["record"] = "record"


class HeaderLine(Message):
    """A chunk begins."""

    type: Literal["header"] = "header"
    v: Literal[1] = 1
    scope: str
    """As in the request."""
    after: str
    """As in the request."""
    volume_id: Annotated[str, Field(max_length=MAX_VOLUME_ID)] | None = None
    """The volume's marker. None: it has none, no launch has been there yet."""


class ChunkTrailerLine(Message):
    """The mandatory last line of a chunk."""

    type: Literal["trailer"] = "trailer"
    count: Annotated[int, Field(ge=0)]
    """Records of this chunk."""
    sha256: str
    """Over the record lines, each with its line feed."""
    next_after: Annotated[str, Field(max_length=MAX_CURSOR)] | None = None
    """Cursor of the next chunk. None: this is the last one."""
    unreadable: Annotated[int, Field(ge=0)] = 0
    """Items of this chunk's part that cannot be read, and so have no record."""
    unreadable_names: tuple[str, ...] = ()
    """`<name>: what is wrong`, of at most MAX_UNREADABLE_NAMED."""


class UnusableChunkError(ValueError):
    """A log that holds no whole chunk; says what is wrong with it."""


R = TypeVar("R", bound=VolumeRecord)


@dataclass(frozen=True, slots=True)
class Chunk(Generic[R]):
    """A chunk that arrived whole."""

    header: HeaderLine
    records: tuple[R, ...]
    trailer: ChunkTrailerLine


class ChunkSum:
    """Counts and sums up record lines; writer and reader do it alike."""

    def __init__(self) -> None:
        self.count = 0
        self.bytes = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hexadecimal."""
        return self._digest.hexdigest()

    def add(self, line: bytes) -> None:
        """Take a record's line, without its line feed."""
        self.count += 1
        self.bytes += len(line) + 1
        self._digest.update(line + b"\n")


def encode_request(request: VolumeRequest) -> str:
    """The request as a Job is given it.

    Raises:
        RequestTooLongError: it is longer than MAX_REQUEST_BYTES; the work must be split over several Jobs.
    """
    text = request.to_json()
    size = len(text.encode())
    if size > MAX_REQUEST_BYTES:
        raise RequestTooLongError(
            f"a {type(request).__name__} of {size} bytes: a Job takes at most {MAX_REQUEST_BYTES}; "
            "split the work over several"
        )
    return text


def parse_chunk(log: bytes, record: type[R]) -> Chunk[R]:
    """The chunk that a log holds.

    Args:
        log: of the Job's container.
        record: the model of its kind's records.

    Raises:
        UnusableChunkError: it does not hold exactly one, whole.
    """
    total = ChunkSum()
    header: HeaderLine | None = None
    trailer: ChunkTrailerLine | None = None
    records: list[R] = []
    for text in _our_lines(log):
        try:
            line = _parse_line(text, record)
        except ValidationError as error:
            raise UnusableChunkError("a line of it is broken") from error
        if trailer is not None:
            raise UnusableChunkError("it goes on after its trailer")
        if isinstance(line, HeaderLine):
            if header is not None:
                raise UnusableChunkError("it has two headers")
            header = line
        elif header is None:
            raise UnusableChunkError("it has no header: its beginning is gone")
        elif isinstance(line, ChunkTrailerLine):
            trailer = line
        else:
            total.add(text)
            records.append(line)
    if header is None or trailer is None:
        raise UnusableChunkError("it ends before its trailer")
    if (trailer.count, trailer.sha256) != (total.count, total.sha256):
        raise UnusableChunkError(f"{total.count} records came through, {trailer.count} other ones were written")
    return Chunk(header, tuple(records), trailer)


def _our_lines(log: bytes) -> Iterable[bytes]:
    return (line for line in log.split(b"\n") if line.startswith(_OURS))


def _parse_line(text: bytes, record: type[R]) -> HeaderLine | ChunkTrailerLine | R:
    """Every line begins with its type, since every model names that field first."""
    if text.startswith(b'{"type":"header"'):
        return HeaderLine.model_validate_json(text)
    if text.startswith(b'{"type":"trailer"'):
        return ChunkTrailerLine.model_validate_json(text)
    return record.model_validate_json(text)
