"""What goes back: a status, headers and bytes, or a slice of a file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Slice:
    """`length` bytes of a file from `start`; `size` is all of it."""

    path: Path
    start: int
    length: int
    size: int


@dataclass(frozen=True)
class Reply:
    """One answer; `file` takes the place of `body`."""

    status: int
    content_type: str = "application/json; charset=utf-8"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    file: Slice | None = None

    @property
    def length(self) -> int:
        """Bytes of the content."""
        return self.file.length if self.file else len(self.body)


def json_reply(data: Any, status: int = 200) -> Reply:
    """JSON."""
    return Reply(status, body=json.dumps(data, separators=(",", ":")).encode())


def html_reply(page: bytes, status: int = 200) -> Reply:
    """A page."""
    return Reply(status, "text/html; charset=utf-8", page)


def error_reply(status: int, text: str) -> Reply:
    """An error as the site's API words it."""
    return json_reply({"error": {"code": status, "message": text, "status": "STAND_IN"}}, status)


def file_reply(path: Path, content_type: str, requested: str | None) -> Reply:
    """A file, or the part of it that a `Range` header asks for (one range; others are ignored, as HTTP allows)."""
    size = path.stat().st_size
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", requested or "")
    if match is None:
        return Reply(200, content_type, headers={"Accept-Ranges": "bytes"}, file=Slice(path, 0, size, size))
    start = int(match[1])
    end = min(int(match[2]) if match[2] else size - 1, size - 1)
    if start > end:
        return Reply(416, content_type, headers={"Content-Range": f"bytes */{size}"})
    headers = {"Accept-Ranges": "bytes", "Content-Range": f"bytes {start}-{end}/{size}"}
    return Reply(206, content_type, headers=headers, file=Slice(path, start, end - start + 1, size))
