"""What a volume remembers of a Subscription: its manifests as lines of a Job's log.

A cluster that lost its ledgers reads them back from the NAS. One Job prints one chunk: a header, a record per manifest
and a trailer that counts the records and sums them up, so that a log that was cut, rotated or mixed with other words is
noticed: nothing of a chunk without its matching trailer may be used. The next Job goes on after the trailer's cursor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from trawler_downloader.contract.download import MAX_VOLUME_ID, SubscriptionRef
from trawler_downloader.contract.keys import KEY_PATTERN
from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.message import LARGEST, Message

MAX_RECORDS = 2000
"""Per chunk."""
MAX_CHUNK_BYTES = 4 * 2**20
"""Of a chunk's record lines. The kubelet rotates a log at 10 MiB by default, and only its last file can be read."""
MAX_RECORD_BYTES = 3072
"""Of a record's line: what it holds fits a ledger entry (4 KiB)."""
MAX_LOG_BYTES = MAX_CHUNK_BYTES + 2**16
"""What a reader takes of a log: a chunk with its header and trailer."""
MAX_UNREADABLE_NAMED = 20
MAX_TITLE_BYTES = 240
"""As in the ledger."""
_OURS = b'{"type":'
"""How every line of a chunk begins; other lines of the log are somebody else's words."""


class InventoryRequest(Message):
    """Which part of which Subscription's manifests to print."""

    v: Literal[1] = 1
    subscription: SubscriptionRef
    after: str = ""
    """Cursor: the last manifest of the chunk before, as `<2 hex>/<key>`. Empty: from the beginning."""
    limit: Annotated[int, Field(ge=1, le=MAX_RECORDS)] = MAX_RECORDS
    """Records of this chunk."""
    max_seconds: Annotated[int, Field(ge=1, le=3600)] = 120
    """The chunk ends early by then: a slow volume makes more chunks, not a Job that never ends."""
    volume_id: str | None = None
    """Marker that the claim must bear. None: not known yet."""


class HeaderLine(Message):
    """A chunk begins."""

    type: Literal["header"] = "header"
    v: Literal[1] = 1
    subscription: SubscriptionRef
    after: str
    volume_id: Annotated[str, Field(max_length=MAX_VOLUME_ID)] | None = None
    """The volume's marker. None: it has none, no launch has been there yet."""


class RecordLine(Message):
    """A video that landed: what its committed manifest says, and whether its file is still there."""

    type: Literal["record"] = "record"
    key: Annotated[str, Field(pattern=KEY_PATTERN)]
    """`video_key(...)`."""
    extractor: str
    id: str
    url: Annotated[str, Field(min_length=1)]
    kind: Kind = Kind.VIDEO
    source: Annotated[str, Field(pattern=KEY_PATTERN)] | None = None
    """`source_key(...)` of the listing that told of it; None in manifests of releases that did not note it."""
    title: str
    """Cut to MAX_TITLE_BYTES."""
    published_date: str | None = None
    """YYYY-MM-DD."""
    duration_seconds: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    launch: Annotated[int, Field(ge=0, le=LARGEST)]
    """Number of the launch that landed it."""
    path: Annotated[str, Field(min_length=1)]
    """Media file, relative to the claim's root."""
    bytes: Annotated[int, Field(ge=0, le=LARGEST)]
    """Of the media file, as it landed."""
    present_bytes: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    """Of the media file, as it stands there now. None: it is gone."""
    engine: str
    landed_at: int
    """Unix seconds."""

    @property
    def present(self) -> bool:
        """The media file is there. One whose size is another was replaced by hand: still nothing to be downloaded."""
        return self.present_bytes is not None


class ChunkTrailerLine(Message):
    """The mandatory last line of a chunk."""

    type: Literal["trailer"] = "trailer"
    count: Annotated[int, Field(ge=0)]
    """Records of this chunk."""
    sha256: str
    """Over the record lines, each with its line feed."""
    next_after: str | None = None
    """Cursor of the next chunk. None: this is the last one."""
    unreadable: Annotated[int, Field(ge=0)] = 0
    """Manifests of this chunk's part that cannot be read, and so have no record."""
    unreadable_names: tuple[str, ...] = ()
    """`<2 hex>/<key>.json: what is wrong`, of at most MAX_UNREADABLE_NAMED."""


class UnusableChunkError(ValueError):
    """A log that holds no whole chunk; says what is wrong with it."""


class Chunk(Message):
    """A chunk that arrived whole."""

    header: HeaderLine
    records: tuple[RecordLine, ...]
    trailer: ChunkTrailerLine


_Line = Annotated[HeaderLine | RecordLine | ChunkTrailerLine, Field(discriminator="type")]
_LINE: TypeAdapter[HeaderLine | RecordLine | ChunkTrailerLine] = TypeAdapter(_Line)


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


def parse_chunk(log: bytes) -> Chunk:
    """The chunk that a log holds.

    Raises:
        UnusableChunkError: it does not hold exactly one, whole.
    """
    total = ChunkSum()
    header: HeaderLine | None = None
    trailer: ChunkTrailerLine | None = None
    records: list[RecordLine] = []
    for text in _our_lines(log):
        try:
            line = _LINE.validate_json(text)
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
        elif isinstance(line, RecordLine):
            total.add(text)
            records.append(line)
        else:
            trailer = line
    if header is None or trailer is None:
        raise UnusableChunkError("it ends before its trailer")
    if (trailer.count, trailer.sha256) != (total.count, total.sha256):
        raise UnusableChunkError(f"{total.count} records came through, {trailer.count} other ones were written")
    return Chunk(header=header, records=tuple(records), trailer=trailer)


def _our_lines(log: bytes) -> Iterable[bytes]:
    return (line for line in log.split(b"\n") if line.startswith(_OURS))
