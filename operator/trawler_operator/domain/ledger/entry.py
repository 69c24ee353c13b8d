"""One video of one Subscription, as the ledger keeps it.

The states are the product's memory: the state of an entry decides whether its video is downloaded, waited for or left
alone. An entry is a slotted dataclass and not a pydantic model: thousands are in memory, and a model instance takes ten
times as much. `codec` reads and writes its JSON. `launches` decides its next state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from trawler_downloader.contract.download import FollowUpKind
from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass

MAX_SIGHTINGS = 3
"""Other sources that an entry remembers: enough for a channel's three tabs beside the source of an earlier URL."""
ACTIVE_STATES = frozenset({LedgerState.PENDING, LedgerState.RUNNING, LedgerState.FAILED, LedgerState.WAITING})
"""States that change without anybody asking for it."""


class Sighting(NamedTuple):
    """A further source that listed a video.

    Args:
        source: `source_key` of the source.
        seq: where the video stands among those known of that source, in the same numbers as an entry's `seq`.
    """

    source: str
    seq: int


class Found(StrEnum):
    """When a video was found, relative to the first check of its source."""

    UPLOAD = "Upload"
    """A check after the first one found it."""
    WINDOW = "Window"
    """The first check found it."""
    BACK_CATALOGUE = "BackCatalogue"
    """A later request found it below everything known of its source: it does not show where the newest videos are."""


@dataclass(frozen=True, slots=True)
class LaunchTimes:
    """When the steps of the last launch ended (aware, UTC). A step that did not happen is None."""

    claimed: datetime | None = None
    """When the operator wrote `Running`."""
    started: datetime | None = None
    fetched: datetime | None = None
    verified: datetime | None = None
    published: datetime | None = None
    finished: datetime | None = None
    """When the launch ended, or when the operator settled it if no end is known."""


NEVER_LAUNCHED = LaunchTimes()
"""Shared by all entries without a launch: 100,000 waiting entries would take 8 MiB more with an object each."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What is to be added to a video that stands on the volume.

    Args:
        kind: what is missing.
        at: not before this time (UTC).
        tries: launches that looked for it in vain.
        claimed: when a launch was claimed for it that has not ended yet (UTC); None: none was.
    """

    kind: FollowUpKind
    at: datetime
    tries: int = 0
    claimed: datetime | None = None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What is known of a video.

    Args:
        state: the entry's state (see the table of states in docs/design/video.md).
        seq: order of discovery within the Subscription, oldest first; never reused.
        source: `source_key` of the first listing that named the video.
        also_in: other sources that listed it later, at most MAX_SIGHTINGS, the latest last.
        url: the URL that yt-dlp is given.
        extractor: yt-dlp's ie_key; may be empty.
        id: the site's id.
        kind: what the video is on the site.
        title: as listed; after a download, as downloaded.
        published_date: YYYY-MM-DD, known after a download.
        duration_seconds: as listed; after a download, as downloaded.
        added_at: when the video was first seen (UTC).
        launches: number of Jobs claimed so far; part of the Job's name, only grows.
        failures: number of launches that count against `retry.maxAttempts`.
        deferrals: number of endings in a row that cost no try. Each makes the next pause longer; any other ending
            resets it.
        retry_at: earliest time of the next launch (UTC); in the states Pending, Failed and Waiting.
        outcome: how the last launch ended.
        reason: CamelCase word for the outcome; for Skipped, the rule.
        message: text for people; for Skipped, the value that the rule saw.
        built_from: after a Configuration ending, digest of the spec that the last Job was built from. A spec with
            another digest has the video tried again.
        path: in the state Succeeded, the media file relative to the claim's root.
        claim: the PersistentVolumeClaim that holds `path`; `spec.library` may name another by now.
        bytes: size of the media file.
        engine: yt-dlp's version in the last launch.
        found: when the video was found, relative to its source's first check.
        times: when the steps of the last launch ended; in the state Succeeded, of the launch that brought the video.
        follow_up: in the state Succeeded, what is still to be added to the video.
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
    follow_up: FollowUp | None = None

    def shown(self, key: str) -> str:
        """The video as text for people: its title, if known, and its key, which requests take."""
        return f"{self.title} ({key})" if self.title else key

    def seen_in(self, source: str, seq: int) -> LedgerEntry:
        """The entry after another source has listed its video."""
        others = (sighting for sighting in self.also_in if sighting.source != source)
        return replace(self, also_in=(*others, Sighting(source, seq))[-MAX_SIGHTINGS:])

    @property
    def is_active(self) -> bool:
        """Whether the entry may still change without a person's request. Active entries are kept in memory in full."""
        waits = self.waits_for_new_spec or self.was_listed_as_gone or self.follow_up is not None
        return self.state in ACTIVE_STATES or waits

    @property
    def is_claimed(self) -> bool:
        """Whether a launch was claimed that has not ended yet: for the video, or for what is to be added to it."""
        return self.state is LedgerState.RUNNING or self.claimed_at is not None

    @property
    def claimed_at(self) -> datetime | None:
        """When the launch was claimed that has not ended yet."""
        if self.state is LedgerState.RUNNING:
            return self.times.claimed
        return self.follow_up.claimed if self.follow_up is not None else None

    @property
    def waits_for_new_spec(self) -> bool:
        """Whether the entry is a dead letter that a changed spec revives."""
        return self.state is LedgerState.DEAD_LETTER and self.outcome is OutcomeClass.CONFIGURATION

    @property
    def was_listed_as_gone(self) -> bool:
        """Whether only a listing made the entry a dead letter: it has no launch, and a later listing may revive it."""
        dead = self.state is LedgerState.DEAD_LETTER and self.outcome is OutcomeClass.TERMINAL
        return dead and not self.launches
