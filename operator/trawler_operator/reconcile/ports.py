"""What the reconciler needs of the world, as Protocols: the adapters implement them, the tests fake them.

Kubernetes objects cross this border as the plain dictionaries that the API server sends. Pure functions read them and
decide. All calls have their own timeouts and retries behind this border.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from trawler_downloader.contract.listing import EntryLine, ListRequest, SourceLine, TrailerLine
from trawler_operator.api.subscription import Key

Manifest = dict[str, Any]
"""A Kubernetes object as the API server sends and takes it."""


class ApiError(Exception):
    """The API server did not do what was asked.

    ApiError
    ├── NotFoundError        404: the object is gone, whoever needs it decides what that means
    ├── ConflictError        409, stale resourceVersion: read again, compute again (us)
    ├── AlreadyExistsError   409 on create: look at what is there (us)
    ├── RejectedError        400, 403, 422: quota, admission policy, RBAC, schema (the user or the cluster's admin)
    ├── NotLeadingError      it was not asked: another operator may be at work (us)
    └── UnavailableError     timeouts, 429, 5xx, no connection after all retries (the cluster)
        └── StorageFullError the API server's own storage takes no more (the cluster's admin)
    """


class NotFoundError(ApiError):
    """404."""


class ConflictError(ApiError):
    """409: the object changed since it was read."""


class AlreadyExistsError(ApiError):
    """409: the name is taken."""


class RejectedError(ApiError):
    """400, 401, 403 or 422: repeating it unchanged is of no use."""


class NotLeadingError(ApiError):
    """The API server was not asked: it is not certain that this operator is the one that works."""


class UnavailableError(ApiError):
    """No answer, or none that counts, after all retries."""


class StorageFullError(UnavailableError):
    """Nothing can be written until somebody makes room in the API server's storage; reads go on."""


class ListerError(Exception):
    """The lister itself failed: not running, cut off, or it broke the protocol. Says nothing about the source."""


@dataclass(frozen=True, slots=True)
class RawListing:
    """All lines of a listing that ended with its trailer."""

    sources: tuple[tuple[SourceLine, tuple[EntryLine, ...]], ...]
    trailer: TrailerLine


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a user should see in `kubectl describe`."""

    reason: str
    message: str
    warning: bool = False


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Now, in UTC, in whole seconds (as Kubernetes keeps times)."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for what lasts no longer than this process."""
        ...


class KubernetesApi(Protocol):
    """The few calls that the reconciler makes. Reads of a missing object answer None."""

    @property
    def clock_ahead(self) -> timedelta:
        """How far our clock is ahead of the one that stamps objects; negative: how far behind."""
        ...

    async def get_subscription(self, key: Key) -> Manifest | None:
        """The Subscription as it is now."""
        ...

    async def patch_subscription_status(self, key: Key, resource_version: str, status: Mapping[str, Any]) -> Manifest:
        """Merge into the status subresource and return the resource as it is stored.

        Raises:
            ConflictError: the resource changed since `resource_version`.
        """
        ...

    async def list_jobs(self, namespace: str, subscription: str) -> list[Manifest]:
        """A Subscription's download Jobs."""
        ...

    async def list_all_jobs(self) -> list[Manifest]:
        """All download Jobs in all watched namespaces."""
        ...

    async def list_volume_jobs(self, namespace: str, labels: Mapping[str, str]) -> list[Manifest]:
        """The Jobs over volumes that bear these labels."""
        ...

    async def get_job(self, namespace: str, name: str) -> Manifest | None:
        """One Job."""
        ...

    async def create_job(self, namespace: str, manifest: Manifest) -> None:
        """Create; raises AlreadyExistsError, RejectedError."""
        ...

    async def delete_job(self, namespace: str, name: str, uid: str) -> None:
        """Delete this very Job and its pod in the background. A missing Job is no error."""
        ...

    async def find_pod(self, namespace: str, job_name: str) -> Manifest | None:
        """The Job's newest pod."""
        ...

    async def read_log(self, namespace: str, pod: str, container: str, max_bytes: int) -> bytes:
        """The beginning of a container's log; raises NotFoundError, RejectedError."""
        ...

    async def list_shard_heads(self, namespace: str, subscription: str) -> list[Manifest]:
        """Metadata of the ledger's ConfigMaps, without their data."""
        ...

    def read_shards(self, namespace: str, subscription: str) -> AsyncIterator[Manifest]:
        """The ledger's ConfigMaps with their data, few in memory at a time."""
        ...

    async def get_config_map(self, namespace: str, name: str) -> Manifest | None:
        """One ConfigMap."""
        ...

    async def create_config_map(self, namespace: str, manifest: Manifest) -> Manifest:
        """Create; raises AlreadyExistsError, RejectedError."""
        ...

    async def patch_config_map(self, namespace: str, name: str, patch: Mapping[str, Any]) -> Manifest:
        """Merge patch; raises ConflictError if the patch has a resourceVersion that is stale."""
        ...

    async def get_secret(self, namespace: str, name: str) -> Manifest | None:
        """One Secret; raises RejectedError if the chart did not grant that."""
        ...

    async def get_claim(self, namespace: str, name: str) -> Manifest | None:
        """One PersistentVolumeClaim."""
        ...


class Lister(Protocol):
    """The listing service."""

    async def list(self, request: ListRequest) -> RawListing:
        """List a source to its trailer; raises ListerError."""
        ...


class EventRecorder(Protocol):
    """Posts Events, best effort: never raises, never waits long."""

    async def record(self, subscription: Manifest, events: Sequence[Event]) -> None:
        """Post about a Subscription."""
        ...


class PassWatch(Protocol):
    """Knows which workers are busy, so that one that hangs is noticed."""

    def pass_started(self, worker: int) -> None:
        """A worker took up a key."""
        ...

    def pass_ended(self, worker: int) -> None:
        """A worker gave its key back."""
        ...


class Measurements(Protocol):
    """What is counted. Calls are cheap and never fail."""

    def check_finished(self, result: str, seconds: float) -> None:
        """A listing ended: `result` is its trailer's end, or `lister-error`."""
        ...

    def launch_finished(self, outcome: str) -> None:
        """A launch was settled."""
        ...

    def gate_moved(self, kind: str, move: str) -> None:
        """A gate closed, stays closed for longer, or opened."""
        ...

    def subscription_seen(self, key: Key, videos: Mapping[str, int], last_success: datetime | None) -> None:
        """State of a Subscription after a pass."""
        ...

    def dead_letters_seen(self, key: Key, reasons: Mapping[str, int]) -> None:
        """All videos of a Subscription that were given up, by reason."""
        ...

    def subscription_gone(self, key: Key) -> None:
        """Forget its series."""
        ...

    def pass_finished(self, seconds: float, *, failed: bool) -> None:
        """A reconcile ended."""
        ...
