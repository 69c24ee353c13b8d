"""A ledger entry as the value of a ConfigMap key: one line of JSON that a person can read and mend.

The value stays within MAX_VALUE_BYTES, so that a shard is bounded by its number of entries alone. Titles and messages
give way first, cut by bytes at a character's border; what identifies a video or tells where its file is, is never cut.
Not ASCII-escaped: a Japanese title would take twice the room and nobody could read it.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.times import format_time
from trawler_operator.domain.ledger.entry import NEVER_LAUNCHED, LaunchTimes, LedgerEntry

MAX_VALUE_BYTES = 1024
"""What a value may take; only an entry whose URL, id and path alone are longer goes above, up to HARD_VALUE_BYTES."""
HARD_VALUE_BYTES = 4096
"""200 of these are 800 KiB: still under a ConfigMap's 1 MiB."""
MAX_TITLE_BYTES = 240
MAX_MESSAGE_BYTES = 300


class InvalidEntryError(ValueError):
    """A value that is not a ledger entry: someone edited it by hand, or a newer version wrote it. The user acts."""


class _Times(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    claimed: AwareDatetime | None = None
    started: AwareDatetime | None = None
    fetched: AwareDatetime | None = None
    verified: AwareDatetime | None = None
    published: AwareDatetime | None = None
    finished: AwareDatetime | None = None


class _Value(BaseModel):
    """The JSON's shape. Fields of a newer version are ignored rather than held against the entry."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)
    state: LedgerState
    seq: int = Field(ge=0)
    source: str = Field(min_length=1)
    url: str = Field(min_length=1)
    extractor: str = ""
    id: str
    added_at: AwareDatetime
    kind: Kind = Kind.VIDEO
    title: str | None = None
    published_date: str | None = None
    duration_seconds: int | None = Field(default=None, ge=0)
    launches: int = Field(default=0, ge=0)
    failures: int = Field(default=0, ge=0)
    deferrals: int = Field(default=0, ge=0)
    retry_at: AwareDatetime | None = None
    outcome: OutcomeClass | None = None
    reason: str | None = None
    message: str | None = None
    built_from: str | None = None
    path: str | None = None
    bytes: int | None = Field(default=None, ge=0)
    engine: str | None = None
    back_catalogue: bool = False
    times: _Times = _Times()


_NAMES = tuple(name for name in _Value.model_fields if name != "times")
_TIME_NAMES = tuple(_Times.model_fields)
_ZERO_IS_ABSENT = frozenset({"launches", "failures", "deferrals", "extractor", "back_catalogue"})


def decode_entry(text: str) -> LedgerEntry:
    """Read a value.

    Raises:
        InvalidEntryError: says which field is wrong, without repeating the whole value.
    """
    try:
        value = _Value.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidEntryError(f"{where}: {first['msg']}" if where else str(first["msg"])) from None
    if value.state is LedgerState.RUNNING and value.launches < 1:
        raise InvalidEntryError("launches: a Running entry has had at least one launch")
    fields = {name: getattr(value, name) for name in _NAMES}
    times = LaunchTimes(**{name: getattr(value.times, name) for name in _TIME_NAMES})
    return LedgerEntry(**fields, times=times if times != NEVER_LAUNCHED else NEVER_LAUNCHED)


def encode_entry(entry: LedgerEntry) -> str:
    """Write a value: compact JSON of at most MAX_VALUE_BYTES wherever the uncuttable parts leave room for that.

    Raises:
        InvalidEntryError: even without title and message it is longer than HARD_VALUE_BYTES.
    """
    title = cut_bytes(entry.title, MAX_TITLE_BYTES)
    message = cut_bytes(entry.message, MAX_MESSAGE_BYTES)
    text = _dump(entry, title, message)
    excess = len(text.encode()) - MAX_VALUE_BYTES
    if excess > 0 and message:
        message = cut_bytes(message, max(0, len(message.encode()) - excess))
        text = _dump(entry, title, message)
        excess = len(text.encode()) - MAX_VALUE_BYTES
    if excess > 0 and title:
        title = cut_bytes(title, max(0, len(title.encode()) - excess))
        text = _dump(entry, title, message)
    if len(text.encode()) > HARD_VALUE_BYTES:
        raise InvalidEntryError(f"the entry takes more than {HARD_VALUE_BYTES} bytes without title and message")
    return text


def cut_bytes(text: str | None, limit: int) -> str | None:
    """The text, shortened to at most `limit` bytes of UTF-8 at a character's border; None if nothing is left."""
    if text is None:
        return None
    # Lone surrogates (broken site data) cannot be written as UTF-8 at all.
    raw = text.encode("utf-8", "replace")
    return raw[:limit].decode("utf-8", "ignore") or None


def _dump(entry: LedgerEntry, title: str | None, message: str | None) -> str:
    document: dict[str, Any] = {}
    for name in _NAMES:
        value = title if name == "title" else message if name == "message" else getattr(entry, name)
        if value is None or (name in _ZERO_IS_ABSENT and not value):
            continue
        document[to_camel(name)] = format_time(value) if isinstance(value, datetime) else value
    times = {name: format_time(at) for name in _TIME_NAMES if (at := getattr(entry.times, name)) is not None}
    if times:
        document["times"] = times
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")
