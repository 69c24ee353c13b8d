"""Writes one chunk of a volume Job's answer, in the order of its cursors.

One item is read at a time and none is remembered, so a hundred thousand cost no more memory than one. An item that
cannot be read is counted and named in the trailer and does not stop the rest. But where the volume itself does not
answer, there is no trailer, and so no chunk: what could not be looked at must never pass for what is gone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from errno import ENOENT, ENOTDIR
from pathlib import Path
from typing import BinaryIO

from trawler_downloader.contract.volume_job import (
    MAX_CHUNK_BYTES,
    MAX_RECORD_BYTES,
    MAX_UNREADABLE_NAMED,
    ChunkSum,
    ChunkTrailerLine,
    HeaderLine,
    VolumeRecord,
    VolumeRequest,
)
from trawler_downloader.library.names import cut

MAX_PROBLEM_BYTES = 300
GONE = frozenset({ENOENT, ENOTDIR})
"""Answers that mean: there is no such file."""


class UnreadableItemError(ValueError):
    """An item has no record; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that may have a record.

    Args:
        cursor: where it stands in the order.
        name: how it is called where it cannot be read.
        read: its record; None: it turns out to be none. Raises UnreadableItemError.
    """

    cursor: str
    name: str
    read: Callable[[], VolumeRecord | None]


def write_chunk(
    request: VolumeRequest,
    volume_id: str | None,
    items: Iterable[Item],
    output: BinaryIO,
    monotonic: Callable[[], float],
) -> None:
    """Write the chunk, header to trailer.

    Args:
        request: which part.
        volume_id: the volume's marker.
        items: those after the request's cursor, in order; read as far as the chunk goes.
        output: takes the lines.
        monotonic: seconds of a clock that never jumps.

    Raises:
        OSError: the volume does not answer.
    """
    stop_at = monotonic() + request.max_seconds
    header = HeaderLine(scope=request.scope, after=request.after, volume_id=volume_id)
    output.write(header.to_json().encode() + b"\n")
    total = ChunkSum()
    unreadable: list[str] = []
    unreadable_count = 0
    last: str | None = None
    next_after: str | None = None
    for item in items:
        full = total.count >= request.limit or total.bytes > MAX_CHUNK_BYTES - MAX_RECORD_BYTES
        if last is not None and (full or monotonic() >= stop_at):
            next_after = last
            break
        last = item.cursor
        try:
            line = _line(item)
        except UnreadableItemError as error:
            unreadable_count += 1
            if len(unreadable) < MAX_UNREADABLE_NAMED:
                unreadable.append(cut(f"{item.name}: {error}", MAX_PROBLEM_BYTES))
            continue
        if line is not None:
            total.add(line)
            output.write(line + b"\n")
    trailer = ChunkTrailerLine(
        count=total.count,
        sha256=total.sha256,
        next_after=next_after,
        unreadable=unreadable_count,
        unreadable_names=tuple(unreadable),
    )
    output.write(trailer.to_json().encode() + b"\n")
    output.flush()


def names_in(folder: Path) -> list[str]:
    """What a folder holds; nothing where there is no such folder.

    Raises:
        OSError: the volume does not answer.
    """
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone are wanted
    except OSError as error:
        if error.errno in GONE:
            return []
        raise


def _line(item: Item) -> bytes | None:
    record = item.read()
    if record is None:
        return None
    line = record.to_json().encode()
    if len(line) >= MAX_RECORD_BYTES:
        raise UnreadableItemError(f"its record is too long: {len(line)} bytes, fewer than {MAX_RECORD_BYTES} fit")
    return line
