"""What the operator says of a Subscription: the models of its status.

Docstrings of fields are what `kubectl explain` prints.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from trawler_downloader.contract.message import LARGEST
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.conditions import MAX_REASON, Condition
from trawler_operator.api.fitting import cut_characters
from trawler_operator.api.model import StatusModel
from trawler_operator.api.times import Time

MAX_RECENT = 10
"""Of videos and of failures each: a status is read by people and rewritten with every download."""
MAX_TEXT = 512
MAX_KEY = 253
MAX_PATH = 1024


def _fitted(limit: int) -> BeforeValidator:
    """A text that is too long is cut, whoever wrote it: a status that cannot be built would fail every pass."""
    return BeforeValidator(lambda value: cut_characters(value, limit) if isinstance(value, str) else value)


Identifier = Annotated[str, _fitted(MAX_KEY), Field(max_length=MAX_KEY)]
Text = Annotated[str, _fitted(MAX_TEXT), Field(max_length=MAX_TEXT)]
Word = Annotated[str, _fitted(MAX_REASON), Field(max_length=MAX_REASON)]
MediaPath = Annotated[str, _fitted(MAX_PATH), Field(max_length=MAX_PATH)]
Number = Annotated[int, Field(ge=0, le=LARGEST)]
_ABSENT_IF_EMPTY = Field(exclude_if=lambda value: not value)
"""Of what most statuses have nothing of: thousands are stored, and sent whole with every change."""


class Counts(StatusModel):
    """How many videos stand where."""

    downloaded: Annotated[int, Field(ge=0)] = 0
    """On disk."""
    queued: Annotated[int, Field(ge=0)] = 0
    """Selected, wait for their turn."""
    running: Annotated[int, Field(ge=0)] = 0
    """Being downloaded."""
    failed: Annotated[int, Field(ge=0)] = 0
    """Ended in an error: to be tried again, or given up (deadLetter of them)."""
    dead_letter: Annotated[int, Field(ge=0)] = 0
    """Given up; a person must act. Part of failed."""
    waiting: Annotated[int, Field(ge=0)] = 0
    """Cannot be had yet: premieres, live streams, members-only videos. Looked at again later."""
    skipped: Annotated[int, Field(ge=0)] = 0
    """Known and not wanted."""


class SourceStatus(StatusModel):
    """The source as its site names it."""

    id: Identifier
    """Canonical id; stays when a channel changes its handle."""
    title: Text | None = None
    """Of the channel or playlist."""


class LibraryStatus(StatusModel):
    """Where the videos downloaded so far stand."""

    claim_name: Annotated[str, Field(max_length=253)]
    """The PersistentVolumeClaim."""
    path: Annotated[str, Field(max_length=512)] = ""
    """Folder under its root."""
    layout: Annotated[str, Field(max_length=32)]
    """How folders and names are built."""
    folder: Annotated[str, Field(max_length=240)] | None = None
    """Folder name instead of the channel's own."""


class RecentVideo(StatusModel):
    """A video that was downloaded lately. Its path names it; title and size are in the ledger."""

    key: Identifier
    """Its key in the ledger."""
    path: MediaPath | None = None
    """The media file, relative to the claim's root."""
    claim_name: Identifier | None = None
    """The PersistentVolumeClaim that it is on; absent where that is library.claimName of this status."""
    finished_time: Time | None = None
    """When it was done."""


class RecentFailure(StatusModel):
    """A video whose last download ended in an error, or that cannot be had yet."""

    key: Identifier
    """Its key in the ledger."""
    title: Text | None = None
    """As the site has it."""
    state: LedgerState
    """Failed, Waiting or DeadLetter."""
    reason: Word | None = None
    """Why, in one word."""
    message: Text | None = None
    """Why, for people."""
    failures: Annotated[int, Field(ge=0)] = 0
    """Tries used up."""
    finished_time: Time | None = None
    """When the last try ended."""
    retry_time: Time | None = None
    """When it is tried again."""


class LedgerStatus(StatusModel):
    """Where the whole history is."""

    selector: Annotated[str, Field(max_length=256)]
    """Label selector of its ConfigMaps: kubectl get configmaps --selector …"""
    shards: Annotated[int, Field(ge=0)]
    """How many ConfigMaps there are."""


class ProbeStatus(StatusModel):
    """The one download that may pass while downloads pause."""

    task: Annotated[str, Field(max_length=300)]
    """Key of its video, and number of its launch."""
    since_time: Time
    """When it was chosen."""
    until_time: Time
    """No longer waited for then."""


class GateStatus(StatusModel):
    """The Subscription's own gate, while it is closed: trouble that its downloads meet, and nobody else's."""

    epoch: Number
    """Of its last move."""
    since_time: Time
    """When it closed."""
    paused_time: Time
    """When the present pause began."""
    until_time: Time
    """No download begins before this time; then one goes first."""
    step: Annotated[int, Field(ge=1, le=LARGEST)]
    """How many times in a row."""
    reason: Word
    """Why, in one word."""
    message: Text = ""
    """Why, for people."""
    unclear: Number = 0
    """Downloads that went first since then, and from which nothing could be told."""
    probe: ProbeStatus | None = None
    """The download that goes first."""


class HandledRequest(StatusModel):
    """A request by annotation that was carried out, or refused."""

    id: Identifier
    """What the annotation's value begins with, up to the first semicolon; of check, the whole value."""
    time: Time
    """When."""
    accepted: Number | None = None
    """How many videos it changed; absent with check."""
    unknown: Number | None = None
    """How many of the keys it names are in no ledger entry; absent with check."""
    message: Text | None = None
    """Why it was refused; absent where it was carried out."""


class LastHandled(StatusModel):
    """The last request of each verb; a request is carried out once per id."""

    check: HandledRequest | None = None
    """Of the annotation trawler.dev/check."""
    retry: HandledRequest | None = None
    """Of the annotation trawler.dev/retry."""
    skip: HandledRequest | None = None
    """Of the annotation trawler.dev/skip."""
    cancel: HandledRequest | None = None
    """Of the annotation trawler.dev/cancel."""
    probe: HandledRequest | None = None
    """Of the annotation trawler.dev/probe."""
    pause: HandledRequest | None = None
    """Of the annotation trawler.dev/pause, where its value cannot be understood."""


class SubscriptionStatus(StatusModel):
    """What the operator knows. The whole history is in the ledger, see ledger.selector."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Generation of the spec that this status was made for."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = ()
    """Ready, SourceReachable, OnSchedule, UpToDate, LibraryInPlace, LedgerIntact and, with cookies, CookiesValid."""
    counts: Counts = Counts()
    """How many videos stand where."""
    bytes: Number = 0
    """Of all media files downloaded."""
    source: SourceStatus | None = None
    """The source as its site names it."""
    library: LibraryStatus | None = None
    """Where the videos downloaded so far stand; spec.library may have changed since."""
    last_check_time: Time | None = None
    """When the source was last looked at, with whatever result. Where checks find nothing new it is up to half an hour
    behind, as are the other times of checks."""
    last_successful_check_time: Time | None = None
    """When a listing was last complete."""
    last_audit_time: Time | None = None
    """When the source was last walked as far as it goes."""
    next_check_time: Time | None = None
    """When the source will be looked at again; absent while suspended."""
    last_check_digest: Annotated[str, Field(max_length=64)] | None = None
    """Digest of what the last check was made from: url, select and access."""
    download_digest: Annotated[str, Field(max_length=64)] | None = None
    """Digest of what downloads are made from: media, library, access and job."""
    last_check_outcome: OutcomeClass | None = None
    """Why the last check failed; absent when it went well."""
    failed_checks: Annotated[int, Field(ge=0), _ABSENT_IF_EMPTY] = 0
    """Checks that failed in a row; absent: none."""
    gone_checks: Annotated[int, Field(ge=0), _ABSENT_IF_EMPTY] = 0
    """Checks in a row to which the site answered that there is no such source; absent: none. From 3 on it is looked at
    rarely."""
    gate: GateStatus | None = None
    """Set while downloads pause for trouble of this Subscription alone; what all meet is kept by shared gates."""
    recent_videos: Annotated[tuple[RecentVideo, ...], Field(max_length=MAX_RECENT), _ABSENT_IF_EMPTY] = ()
    """Newest downloads first."""
    recent_failures: Annotated[tuple[RecentFailure, ...], Field(max_length=MAX_RECENT), _ABSENT_IF_EMPTY] = ()
    """Newest failures first."""
    last_handled: LastHandled = LastHandled()
    """Requests by annotation that were carried out."""
    ledger: LedgerStatus | None = None
    """Where the whole history is."""

    def to_dict(self) -> dict[str, Any]:
        """As the API server stores it: camelCase, times as text, without what is absent."""
        return self.model_dump(mode="json", exclude_none=True)


def parse_status(status: object) -> SubscriptionStatus:
    """The status of a resource; what cannot be read is taken for empty."""
    try:
        return SubscriptionStatus.model_validate(status or {})
    except ValidationError:
        return SubscriptionStatus()
