"""The state folder of a claim: which path means what. Computes paths only.

- `.trawler/` is hidden from media servers by `.ignore` and `.plexignore`;
- `.trawler/volume-id` is the volume's marker; without a dot, for with one it could be a Subscription's folder;
- `.trawler/names/<2 hex>/<sha256>/claim.json` are reservations, shared by all Subscriptions on the claim;
- `.trawler/<namespace>.<name>/` is one Subscription's own: `staging/<launch>-<pod>/` holds what was fetched and has no
  final name yet, `videos/<2 hex>/<key>.json` are manifests.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from trawler_downloader.contract.download import SubscriptionRef
from trawler_downloader.library.layouts import STATE_FOLDER

RECORD = "record.json"
HEARTBEAT = "heartbeat"
VIDEO = "video"
"""In a staging folder: the key of the video that it is for."""
MEDIA_FOLDER = "media"
"""In a staging folder: where the engine writes."""


@dataclass(frozen=True)
class ClaimPaths:
    """Paths on a claim, as one Subscription's launch sees them."""

    root: Path
    """Where the claim is mounted."""
    subscription: SubscriptionRef

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.root / STATE_FOLDER

    @property
    def marker(self) -> Path:
        """The volume's marker."""
        return self.state / "volume-id"

    @property
    def own(self) -> Path:
        """The Subscription's folder. Namespaces are DNS labels: the first dot ends them, so no two share a folder."""
        return self.state / f"{self.subscription.namespace}.{self.subscription.name}"

    @property
    def stagings(self) -> Path:
        """Where the Subscription's staging folders are."""
        return self.own / "staging"

    def manifest(self, key: str) -> Path:
        """The manifest of a video; 256 folders keep each small with a hundred thousand videos."""
        return self.own / "videos" / sha256(key.encode()).hexdigest()[:2] / f"{key}.json"

    def reservation(self, name: str) -> Path:
        """The reservation of that name (see `layouts.reservation_name`)."""
        return self.state / "names" / name[:2] / name / "claim.json"
