"""One video of one Subscription, as the ledger keeps it.

The state table is the product's memory: what an entry says decides whether a video is downloaded, waited for or left
alone. A slotted dataclass and not a pydantic model: thousands are resident, and a model instance costs ten times as
much. Reading and writing its JSON is `codec`'s business; deciding its next state is that of `launches`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass

MAX_SIGHTINGS = 3
"""Other sources that an entry remembers: a channel's three tabs, where the first source is an earlier URL's."""
ACTIVE_STATES = frozenset({LedgerState.PENDING, LedgerState.RUNNING, LedgerState.FAILED, LedgerState.WAITING})
"""States that something will happen to by itself."""


class Sighting(NamedTuple):
    """A second source that listed a video.

    Args:
        source: its `source_key`.
        seq: of the same numbers as an entry's: where the video stands among what is known of that source.
    """

    source: str
    seq: int


class Found(StrEnum):
    """When a video was found, seen from its source."""

    UPLOAD = "Upload"
    """After the source's first check."""
    WINDOW = "Window"
    """By its first check."""
    BACK_CATALOGUE = "BackCatalogue"
    """Below everything known of it, and asked for since: says nothing about where the newest videos are."""


@dataclass(frozen=True, slots=True)
class LaunchTimes:
    """When the steps of the last launch ended; what did not happen is None. All aware, UTC."""

    claimed: datetime | None = None
    """The operator wrote `Running`."""
    started: datetime | None = None
    fetched: datetime | None = None
    verified: datetime | None = None
    published: datetime | None = None
    finished: datetime | None = None
    """The operator settled the launch."""


NEVER_LAUNCHED = LaunchTimes()
"""One for all: a hundred thousand that wait would take 8 MiB more with one each."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What is known of a video.

    Args:
        state: where it stands (see the table of states in docs/design/video.md).
        seq: order of discovery within the Subscription, oldest first; never reused.
        source: `source_key` of the listing that told of it first.
        also_in: other sources that listed it since, at most MAX_SIGHTINGS, the latest last.
        url: what yt-dlp is given.
        extractor: yt-dlp's ie_key; may be empty.
        id: the site's id.
        kind: what it is on the site.
        title: as listed, later as downloaded.
        published_date: YYYY-MM-DD, known after a download.
        duration_seconds: as listed, later as downloaded.
        added_at: when it was first seen (UTC).
        launches: Jobs claimed so far; part of the Job's name, only grows.
        failures: launches that count against `retry.maxAttempts`.
        deferrals: consecutive endings that cost no try; each makes the next pause longer, any other ending resets it.
        retry_at: not before this time (UTC); with Pending, Failed and Waiting.
        outcome: how the last launch ended.
        reason: CamelCase; for Skipped the rule.
        message: for people; for Skipped the value that the rule saw.
        built_from: digest of the spec that its last Job was built from, with a Configuration ending: under another
            one it is tried again.
        path: media file relative to the claim's root, with Succeeded.
        claim: the PersistentVolumeClaim that `path` is on; `spec.library` may name another by now.
        bytes: of the media file.
        engine: yt-dlp's version of the last launch.
        found: when, seen from its source.
        times: of the last launch.
    """

    state: LedgerState
    seq: int
    source: str
    url: str
    extractor: str
    id: str
    added_at: datetime
    also_in: tuple[Sighting, ...] = ()
    kind: Kind = Kind.VIDEO
    title: str | None = None
    published_date: str | None = None
    duration_seconds: int | None = None
    launches: int = 0
    failures: int = 0
    deferrals: int = 0
    retry_at: datetime | None = None
    outcome: OutcomeClass | None = None
    reason: str | None = None
    message: str | None = None
    built_from: str | None = None
    path: str | None = None
    claim: str | None = None
    bytes: int | None = None
    engine: str | None = None
    found: Found = Found.WINDOW
    times: LaunchTimes = NEVER_LAUNCHED

    def shown(self, key: str) -> str:
        """The video for people: its title, where one is known, and its key, by which it can be asked for."""
        return f"{self.title} ({key})" if self.title else key

    def seen_in(self, source: str, seq: int) -> LedgerEntry:
        """The entry, once another source has listed its video."""
        others = (sighting for sighting in self.also_in if sighting.source != source)
        return replace(self, also_in=(*others, Sighting(source, seq))[-MAX_SIGHTINGS:])

    @property
    def is_active(self) -> bool:
        """Whether it may still change by itself: kept in memory in full."""
        return self.state in ACTIVE_STATES or self.waits_for_new_spec or self.was_listed_as_gone

    @property
    def waits_for_new_spec(self) -> bool:
        """A dead letter that a changed spec revives."""
        return self.state is LedgerState.DEAD_LETTER and self.outcome is OutcomeClass.CONFIGURATION

    @property
    def was_listed_as_gone(self) -> bool:
        """A dead letter on the word of a listing alone: a later listing may take that back."""
        dead = self.state is LedgerState.DEAD_LETTER and self.outcome is OutcomeClass.TERMINAL
        return dead and not self.launches
