"""Every way in which a download or a listing can end, with its exit code, and the states of a ledger entry.

The enumeration is complete on purpose: a Job's own condition keeps the exit code when the pod and its message are gone,
so a class must never change its number.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class OutcomeClass(StrEnum):
    """What an ending means for the video, and so who has to act."""

    PUBLISHED = "Published"
    """The finished file stands under its final name, now or since an earlier launch."""
    TERMINAL = "Terminal"
    """It will never be had: removed, account gone, copyright, payment, DRM."""
    NOT_YET = "NotYet"
    """Premiere, live stream, or a stream whose recording is still being processed."""
    NEEDS_ACCESS = "NeedsAccess"
    """Private, members only, age or country restricted: this egress and these cookies may not see it."""
    RATE_LIMITED = "RateLimited"
    """The site asked to stop: 429, bot check, captcha. Says nothing about the video."""
    TRANSIENT = "Transient"
    """Worth another try: 5xx, reset, name service, truncated data, and everything unknown."""
    ENVIRONMENT = "Environment"
    """The volume, the disk, the login at a proxy, or the image: nothing about the video or the site."""
    CONFIGURATION = "Configuration"
    """The Subscription asks for something that cannot work; waits for a change of its spec."""
    TERMINATED = "Terminated"
    """The pod was told to stop (eviction, drain, deletion)."""


EXIT_CODES: Mapping[OutcomeClass, int] = MappingProxyType(
    {
        OutcomeClass.PUBLISHED: 0,
        OutcomeClass.TERMINAL: 40,
        OutcomeClass.NOT_YET: 41,
        OutcomeClass.NEEDS_ACCESS: 42,
        OutcomeClass.RATE_LIMITED: 43,
        OutcomeClass.TRANSIENT: 44,
        OutcomeClass.ENVIRONMENT: 45,
        OutcomeClass.CONFIGURATION: 46,
        OutcomeClass.TERMINATED: 143,  # 128 + SIGTERM, what a shell would report
    }
)
"""The downloader's exit code per class. 40 and up: shells, Python and yt-dlp itself use none of them."""

KILLED_EXIT_CODE = 137
"""128 + SIGKILL: out of memory, or the kubelet's patience ran out. Never chosen by the downloader."""

CLASS_BY_EXIT_CODE: Mapping[int, OutcomeClass] = MappingProxyType({code: cls for cls, code in EXIT_CODES.items()})

FREE_OUTCOMES = frozenset({OutcomeClass.RATE_LIMITED, OutcomeClass.ENVIRONMENT, OutcomeClass.TERMINATED})
"""Endings that say nothing about the video: they cost no try."""

VOLUME_REASONS = frozenset(
    {
        "NoSpace",
        "ReadOnly",
        "StaleVolume",
        "VolumeMissing",
        "VolumeMarkerUnreadable",
        "VolumeError",
        "MountFailed",
    }
)
"""Reasons of Environment that every video on the claim would meet."""

VIDEO_REASONS = frozenset(
    {"NotEnoughSpace", "NameRefused", "NoFreeName", "ManifestUnreadable", "ReservationUnreadable"}
)
"""Reasons of Environment that one video meets alone: its size, its names, its records. The rest is one Subscription's:
its user (PermissionDenied), its floor (BelowMinFree), its image, or the volume that its history is about
(VolumeMarkerMissing, VolumeMarkerMismatch): others on the claim may be right where they are."""

UNREACHED_REASONS = frozenset({"Unreachable", "AddressRefused"})
"""Reasons of Transient with which the site, or the proxy before it, was not reached: its name is not known or leads to
an address that is not public, or nothing answers there."""

ANSWERED_REASONS = frozenset(
    {
        "VideoUnavailable",
        "NotFound",
        "MediaNotFound",
        "Forbidden",
        "MediaForbidden",
        "MediaUnreachable",
        "ServerError",
        "HttpError",
        "RedirectLoop",
        "Truncated",
        "FragmentMissing",
        "NoFormats",
        "ExtractorFailed",
        "ProcessingFailed",
        "VerificationFailed",
        "NotAVideo",
        "FormatUnavailable",
        "UnsupportedStream",
        "FileTooLarge",
        "NotEnoughSpace",
        "NameRefused",
    }
)
"""Reasons of Transient, Configuration and Environment that only an answer of the site leads to, whatever it is."""


class LedgerState(StrEnum):
    """Where a video of a subscription stands."""

    PENDING = "Pending"
    """Selected, waits for a slot."""
    RUNNING = "Running"
    """Claimed by a launch; its Job exists or is about to."""
    FAILED = "Failed"
    """Will be tried again at `retryAt`."""
    WAITING = "Waiting"
    """Premiere, live, members only and the like: looked at again at `retryAt`."""
    SUCCEEDED = "Succeeded"
    """On disk."""
    SKIPPED = "Skipped"
    """Known and not wanted; `reason` names the rule."""
    DEAD_LETTER = "DeadLetter"
    """A person must act."""
