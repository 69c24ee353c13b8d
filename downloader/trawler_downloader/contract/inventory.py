"""What a volume remembers of one Subscription: a record for each manifest of a video that landed.

A cluster that lost its ledgers reads them back from the NAS, chunk by chunk (see `contract.volume_job`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trawler_downloader.contract.download import SubscriptionRef
from trawler_downloader.contract.keys import KEY_PATTERN
from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.message import LARGEST
from trawler_downloader.contract.volume_job import VolumeRecord, VolumeRequest

MAX_TITLE_BYTES = 240
"""As in the ledger."""


class InventoryRequest(VolumeRequest):
    """Which part of which Subscription's manifests to print. The cursor is the last manifest, as `<2 hex>/<key>`."""

    subscription: SubscriptionRef

    @property
    def scope(self) -> str:
        """`namespace/name`."""
        return f"{self.subscription.namespace}/{self.subscription.name}"


class RecordLine(VolumeRecord):
    """A video that landed: what its committed manifest says, and whether its file is still there.

    What it holds fits a ledger entry (4 KiB).
    """

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
