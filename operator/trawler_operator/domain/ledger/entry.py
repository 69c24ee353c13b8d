"""One video of one Subscription, as the ledger keeps it.

The state table is the product's memory: what an entry says decides whether a video is downloaded, waited for or left
alone. A slotted dataclass and not a pydantic model: thousands are resident, and a model instance costs ten times as
much. Reading and writing its JSON is `codec`'s business; deciding its next state is that of `launches`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass

ACTIVE_STATES = frozenset({LedgerState.PENDING, LedgerState.RUNNING, LedgerState.FAILED, LedgerState.WAITING})
"""States that something will happen to by itself."""


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
        state: where it stands (see the state table in the design page).
        seq: order of discovery within the Subscription, oldest first; never reused.
        source: `source_key` of the listing that told of it.
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
        bytes: of the media file.
        engine: yt-dlp's version of the last launch.
        back_catalogue: found below known videos, and asked for since: says nothing about where the newest videos are.
        times: of the last launch.
    """

    state: LedgerState
    seq: int
    source: str
    url: str
    extractor: str
    id: str
    added_at: datetime
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
    bytes: int | None = None
    engine: str | None = None
    back_catalogue: bool = False
    times: LaunchTimes = NEVER_LAUNCHED

    def shown(self, key: str) -> str:
        """The video for people: its title, where one is known, and its key, by which it can be asked for."""
        return f"{self.title} ({key})" if self.title else key

    @property
    def is_active(self) -> bool:
        """Whether it may still change by itself: kept in memory in full."""
        return self.state in ACTIVE_STATES or self.waits_for_new_spec

    @property
    def waits_for_new_spec(self) -> bool:
        """A dead letter that a changed spec revives."""
        return self.state is LedgerState.DEAD_LETTER and self.outcome is OutcomeClass.CONFIGURATION
