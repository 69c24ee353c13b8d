"""A ledger entry as the value of a ConfigMap key: one line of JSON that a person can read and mend.

A value stays within MAX_VALUE_BYTES, so the number of entries alone bounds a shard. Three kinds of text differ in how
they are cut:

- Titles and messages are cut first, by bytes, between two characters.
- What identifies a video is never cut. A listed video whose identity is too long is never written (`EntryLine.fits`). A
  value that somebody made longer than HARD_VALUE_BYTES is not read.
- Only the end of a path is kept if the path would take the value above HARD_VALUE_BYTES. The manifest on the volume has
  all of it.

Text is not ASCII-escaped: an escaped Japanese title takes twice the room, and nobody can read it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from trawler_downloader.contract.download import FollowUpKind
from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.message import LARGEST
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.fitting import cut_bytes
from trawler_operator.api.times import StoredTime, format_time
from trawler_operator.domain.ledger.entry import (
    MAX_SIGHTINGS,
    NEVER_LAUNCHED,
    FollowUp,
    Found,
    LaunchTimes,
    LedgerEntry,
    Sighting,
)

MAX_VALUE_BYTES = 1024
"""Size of a value in bytes without its follow-up. Only an entry whose URL, id, sources and path alone are longer goes
above it.
"""
HARD_VALUE_BYTES = 4096
"""Longest value in bytes: 200 of these, one shard, are 800 KiB, under a ConfigMap's 1 MiB."""
MAX_TITLE_BYTES = 240
MAX_MESSAGE_BYTES = 300
MAX_WORD_BYTES = 64
"""Longest reason, digest, date and version."""
MAX_CLAIM_BYTES = 253
"""Longest name of an object in Kubernetes."""
_SHORTENED = "…/"


class InvalidEntryError(ValueError):
    """A value is not a ledger entry: someone edited it by hand, or a newer version wrote it. The user acts."""


class _Times(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    claimed: StoredTime | None = None
    started: StoredTime | None = None
    fetched: StoredTime | None = None
    verified: StoredTime | None = None
    published: StoredTime | None = None
    finished: StoredTime | None = None


class _FollowUp(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: FollowUpKind
    at: StoredTime
    tries: int = Field(default=0, ge=0, le=LARGEST)
    claimed: StoredTime | None = None


class _Value(BaseModel):
    """The JSON's shape. Fields that only a newer version knows are ignored and do not make a value invalid."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)
    state: LedgerState
    seq: int = Field(ge=0, le=LARGEST)
    source: str = Field(min_length=1)
    url: str = Field(min_length=1)
    extractor: str = ""
    id: str
    added_at: StoredTime
    also_in: dict[str, Annotated[int, Field(ge=0, le=LARGEST)]] = Field(default_factory=dict)
    kind: Kind = Kind.VIDEO
    title: str | None = None
    published_date: str | None = None
    duration_seconds: int | None = Field(default=None, ge=0, le=LARGEST)
    launches: int = Field(default=0, ge=0, le=LARGEST)
    failures: int = Field(default=0, ge=0, le=LARGEST)
    deferrals: int = Field(default=0, ge=0, le=LARGEST)
    retry_at: StoredTime | None = None
    outcome: OutcomeClass | None = None
    reason: str | None = None
    message: str | None = None
    built_from: str | None = None
    path: str | None = None
    claim: str | None = None
    bytes: int | None = Field(default=None, ge=0, le=LARGEST)
    engine: str | None = None
    found: Found = Found.WINDOW
    times: _Times = _Times()
    follow_up: _FollowUp | None = None


_NAMES = tuple(name for name in _Value.model_fields if name not in {"times", "follow_up"})
_SHARED = ("source", "extractor", "reason", "built_from", "engine", "claim")
"""Fields whose values thousands of entries have in common: each value is one string in memory for all of them."""
_TIME_NAMES = tuple(_Times.model_fields)
_FOLLOW_UP_NAMES = tuple(_FollowUp.model_fields)
_ZERO_IS_ABSENT = frozenset({"launches", "failures", "deferrals", "extractor", "also_in"})


def decode_entry(text: str) -> LedgerEntry:
    """Read a value.

    Raises:
        InvalidEntryError: the value is not an entry. The message names the wrong field and does not repeat the value.
    """
    if len(text.encode()) > HARD_VALUE_BYTES:
        raise InvalidEntryError(f"it is longer than {HARD_VALUE_BYTES} bytes")
    try:
        value = _Value.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidEntryError(f"{where}: {first['msg']}" if where else str(first["msg"])) from None
    fields = {name: getattr(value, name) for name in _NAMES}
    for name in _SHARED:
        if fields[name] is not None:
            fields[name] = sys.intern(fields[name])
    fields["also_in"] = tuple(Sighting(source, seq) for source, seq in value.also_in.items())[-MAX_SIGHTINGS:]
    times = LaunchTimes(**{name: getattr(value.times, name) for name in _TIME_NAMES})
    fields["times"] = times if times != NEVER_LAUNCHED else NEVER_LAUNCHED
    if value.follow_up is not None and value.state is LedgerState.SUCCEEDED:
        # A hand that sets another state, to have the video again, need not know of it.
        fields["follow_up"] = FollowUp(**{name: getattr(value.follow_up, name) for name in _FOLLOW_UP_NAMES})
    entry = LedgerEntry(**fields)
    if entry.is_claimed and entry.launches < 1:
        raise InvalidEntryError("launches: an entry with a claimed launch has had at least one")
    return entry


def encode_entry(entry: LedgerEntry) -> str:
    """Write a value as compact JSON.

    The JSON has at most MAX_VALUE_BYTES, unless the parts that are never cut need more. A follow-up comes on top: it
    goes again, and what was cut for it would stay cut.
    """
    follow_up = entry.follow_up
    entry = replace(
        entry,
        follow_up=None,
        title=cut_bytes(entry.title, MAX_TITLE_BYTES),
        message=cut_bytes(entry.message, MAX_MESSAGE_BYTES),
        reason=cut_bytes(entry.reason, MAX_WORD_BYTES),
        built_from=cut_bytes(entry.built_from, MAX_WORD_BYTES),
        claim=cut_bytes(entry.claim, MAX_CLAIM_BYTES),
        published_date=cut_bytes(entry.published_date, MAX_WORD_BYTES),
        engine=cut_bytes(entry.engine, MAX_WORD_BYTES),
    )
    text = _dump(entry)
    if (excess := len(text.encode()) - MAX_VALUE_BYTES) > 0:
        entry = replace(entry, message=_shorter(entry.message, excess))
        text = _dump(entry)
    if (excess := len(text.encode()) - MAX_VALUE_BYTES) > 0:
        entry = replace(entry, title=_shorter(entry.title, excess))
        text = _dump(entry)
    if follow_up is not None:
        entry = replace(entry, follow_up=follow_up)
        text = _dump(entry)
    if (excess := len(text.encode()) - HARD_VALUE_BYTES) > 0:
        text = _dump(replace(entry, also_in=(), path=_end_of(entry.path, excess)))
    return text


def _shorter(text: str | None, excess: int) -> str | None:
    return None if text is None else cut_bytes(text, max(0, len(text.encode()) - excess))


def _end_of(path: str | None, excess: int) -> str | None:
    """The last parts of a path, whose JSON is `excess` bytes shorter; at least a third of the path is cut."""
    if path is None:
        return None
    raw = path.encode("utf-8", "replace")
    end = raw[max(len(raw) // 3, excess + len(_SHORTENED.encode())) :].decode("utf-8", "ignore")
    return _SHORTENED + (end.partition("/")[2] or end)


def _dump(entry: LedgerEntry) -> str:
    document: dict[str, Any] = {}
    for name in _NAMES:
        value = getattr(entry, name)
        if name == "also_in":
            value = dict(entry.also_in)
        if value is None or (name in _ZERO_IS_ABSENT and not value):
            continue
        document[to_camel(name)] = format_time(value) if isinstance(value, datetime) else value
    if times := _dump_fields(entry.times, _TIME_NAMES):
        document["times"] = times
    if entry.follow_up is not None:
        document["followUp"] = _dump_fields(entry.follow_up, _FOLLOW_UP_NAMES)
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")


def _dump_fields(part: LaunchTimes | FollowUp, names: Iterable[str]) -> dict[str, Any]:
    """A part of an entry, without what is absent or zero."""
    values = {name: value for name in names if (value := getattr(part, name))}
    return {name: format_time(value) if isinstance(value, datetime) else value for name, value in values.items()}
