"""Every reason with which the downloader or the lister ends, each with its class.

A reason is API: conditions, ledger entries and alerts carry it. One reason has one class, so that whoever reads the
word knows who has to act. docs/outcomes.md tells people what each means; a test keeps that page complete.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from trawler_downloader.contract.outcomes import OutcomeClass


class Reason(StrEnum):
    """Why a download or a listing ended as it did; CamelCase, as on the wire."""

    outcome: OutcomeClass
    """The class that the reason belongs to."""

    def __new__(cls, word: str, outcome: OutcomeClass) -> Self:
        """A member: its word, and its class."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.outcome = outcome
        return member

    PUBLISHED = "Published", OutcomeClass.PUBLISHED
    ALREADY_PUBLISHED = "AlreadyPublished", OutcomeClass.PUBLISHED
    """The file stood there already: the site was not asked for media."""
    STILL_MISSING = "StillMissing", OutcomeClass.PUBLISHED
    """Of a follow-up: the video stands, and the site still has not what should be added to it."""

    # It will never be had.
    VIDEO_REMOVED = "VideoRemoved", OutcomeClass.TERMINAL
    ACCOUNT_TERMINATED = "AccountTerminated", OutcomeClass.TERMINAL
    """Of the video's uploader."""
    COPYRIGHT = "Copyright", OutcomeClass.TERMINAL
    PAYMENT = "Payment", OutcomeClass.TERMINAL
    DRM = "Drm", OutcomeClass.TERMINAL
    FILE_GONE = "FileGone", OutcomeClass.TERMINAL
    """Of a follow-up: the video that it should add to stands no more where it was put. The site was not asked."""
    SOURCE_GONE = "SourceGone", OutcomeClass.TERMINAL
    """The channel or playlist itself: does not exist, was terminated, leads to the site's home page."""

    # Not now.
    PREMIERE = "Premiere", OutcomeClass.NOT_YET
    """The site's words; UPCOMING is the same from yt-dlp's live_status."""
    LIVE_SCHEDULED = "LiveScheduled", OutcomeClass.NOT_YET
    UPCOMING = "Upcoming", OutcomeClass.NOT_YET
    LIVE = "Live", OutcomeClass.NOT_YET
    POST_LIVE = "PostLive", OutcomeClass.NOT_YET
    """Over, the recording is still being processed (live_status)."""
    RECORDING_NOT_READY = "RecordingNotReady", OutcomeClass.NOT_YET
    """The same in the site's words."""
    PROCESSING = "Processing", OutcomeClass.NOT_YET
    """A new upload that the site still processes."""
    NOT_LIVE = "NotLive", OutcomeClass.NOT_YET

    # Not for us.
    PRIVATE = "Private", OutcomeClass.NEEDS_ACCESS
    MEMBERS_ONLY = "MembersOnly", OutcomeClass.NEEDS_ACCESS
    AGE_RESTRICTED = "AgeRestricted", OutcomeClass.NEEDS_ACCESS
    GEO_RESTRICTED = "GeoRestricted", OutcomeClass.NEEDS_ACCESS
    LOGIN_REQUIRED = "LoginRequired", OutcomeClass.NEEDS_ACCESS
    COOKIES_MISSING = "CookiesMissing", OutcomeClass.NEEDS_ACCESS
    """No fault of the video: once the Secret is there, the next launch takes it."""
    COOKIES_MALFORMED = "CookiesMalformed", OutcomeClass.NEEDS_ACCESS

    # The site asks us to stop.
    RATE_LIMITED = "RateLimited", OutcomeClass.RATE_LIMITED
    BOT_CHECK = "BotCheck", OutcomeClass.RATE_LIMITED
    CAPTCHA = "Captcha", OutcomeClass.RATE_LIMITED
    ADDRESS_BLOCKED = "AddressBlocked", OutcomeClass.RATE_LIMITED

    # Worth another try.
    VIDEO_UNAVAILABLE = "VideoUnavailable", OutcomeClass.TRANSIENT
    """Said of videos that come back as well as of those that never do: the tries decide."""
    NOT_FOUND = "NotFound", OutcomeClass.TRANSIENT
    """404 or 410 of a page. Seen for channels that exist: never final at once."""
    MEDIA_NOT_FOUND = "MediaNotFound", OutcomeClass.TRANSIENT
    """404 or 410 of media: their addresses expire."""
    FORBIDDEN = "Forbidden", OutcomeClass.TRANSIENT
    """401 or 403 of a page."""
    MEDIA_FORBIDDEN = "MediaForbidden", OutcomeClass.TRANSIENT
    """401 or 403 of media: an expired address, or a yt-dlp that the site has outrun."""
    SERVER_ERROR = "ServerError", OutcomeClass.TRANSIENT
    HTTP_ERROR = "HttpError", OutcomeClass.TRANSIENT
    REDIRECT_LOOP = "RedirectLoop", OutcomeClass.TRANSIENT
    UNREACHABLE = "Unreachable", OutcomeClass.TRANSIENT
    MEDIA_UNREACHABLE = "MediaUnreachable", OutcomeClass.TRANSIENT
    """The site had described the video: what cannot be reached is the host of its media, or not any more."""
    ADDRESS_REFUSED = "AddressRefused", OutcomeClass.TRANSIENT
    """It is not public, and neither the proxy's nor of `access.allowedCIDRs`: a redirect, or a DNS that is unwell."""
    TLS_FAILED = "TlsFailed", OutcomeClass.TRANSIENT
    """No encrypted connection comes about; a certificate that is not trusted is TLS_NOT_TRUSTED."""
    TRUNCATED = "Truncated", OutcomeClass.TRANSIENT
    FRAGMENT_MISSING = "FragmentMissing", OutcomeClass.TRANSIENT
    NO_FORMATS = "NoFormats", OutcomeClass.TRANSIENT
    EXTRACTOR_FAILED = "ExtractorFailed", OutcomeClass.TRANSIENT
    """yt-dlp did not understand the site: a hiccup of the site, or a yt-dlp that is too old."""
    NOTHING_EXTRACTED = "NothingExtracted", OutcomeClass.TRANSIENT
    NOTHING_DOWNLOADED = "NothingDownloaded", OutcomeClass.TRANSIENT
    PROCESSING_FAILED = "ProcessingFailed", OutcomeClass.TRANSIENT
    """ffmpeg could not merge, convert or extract."""
    VERIFICATION_FAILED = "VerificationFailed", OutcomeClass.TRANSIENT
    OUT_OF_MEMORY = "OutOfMemory", OutcomeClass.TRANSIENT
    DEADLINE_EXCEEDED = "DeadlineExceeded", OutcomeClass.TRANSIENT
    """Of a listing."""
    STALLED = "Stalled", OutcomeClass.TRANSIENT
    """Nothing moved for the time that the Subscription allows, and the volume answers."""
    LISTER_WORKER_DIED = "ListerWorkerDied", OutcomeClass.TRANSIENT
    UNKNOWN = "Unknown", OutcomeClass.TRANSIENT

    # The volume or the image.
    NO_SPACE = "NoSpace", OutcomeClass.ENVIRONMENT
    READ_ONLY = "ReadOnly", OutcomeClass.ENVIRONMENT
    STALE_VOLUME = "StaleVolume", OutcomeClass.ENVIRONMENT
    BELOW_MIN_FREE = "BelowMinFree", OutcomeClass.ENVIRONMENT
    """Less is free on the volume than the Subscription's library.minFree."""
    NOT_ENOUGH_SPACE = "NotEnoughSpace", OutcomeClass.ENVIRONMENT
    """The announced size does not fit above that."""
    NAME_REFUSED = "NameRefused", OutcomeClass.ENVIRONMENT
    PERMISSION_DENIED = "PermissionDenied", OutcomeClass.ENVIRONMENT
    VOLUME_ERROR = "VolumeError", OutcomeClass.ENVIRONMENT
    VOLUME_MISSING = "VolumeMissing", OutcomeClass.ENVIRONMENT
    VOLUME_MARKER_MISSING = "VolumeMarkerMissing", OutcomeClass.ENVIRONMENT
    VOLUME_MARKER_MISMATCH = "VolumeMarkerMismatch", OutcomeClass.ENVIRONMENT
    VOLUME_MARKER_UNREADABLE = "VolumeMarkerUnreadable", OutcomeClass.ENVIRONMENT
    MANIFEST_UNREADABLE = "ManifestUnreadable", OutcomeClass.ENVIRONMENT
    RESERVATION_UNREADABLE = "ReservationUnreadable", OutcomeClass.ENVIRONMENT
    NO_FREE_NAME = "NoFreeName", OutcomeClass.ENVIRONMENT
    OUTSIDE_LIBRARY = "OutsideLibrary", OutcomeClass.ENVIRONMENT
    LIBRARY_PATH_INVALID = "LibraryPathInvalid", OutcomeClass.ENVIRONMENT
    """Of one Subscription's library.path or folder: it cannot be a folder on the claim, or a file stands there."""
    NOTHING_STAGED = "NothingStaged", OutcomeClass.ENVIRONMENT
    """`publish` was run without a `fetch` before."""
    PROXY_NOT_ALLOWED = "ProxyNotAllowed", OutcomeClass.ENVIRONMENT
    """It has an address inside the network, and whoever runs the operator has not listed it."""
    PROXY_LOGIN_REFUSED = "ProxyLoginRefused", OutcomeClass.ENVIRONMENT
    """It wants a user and password, or others than it was given: no fault of any video."""
    IMAGE_INCOMPLETE = "ImageIncomplete", OutcomeClass.ENVIRONMENT
    """The downloader's image lacks ffmpeg or ffprobe."""
    PROXY_CREDENTIALS_MISSING = "ProxyCredentialsMissing", OutcomeClass.ENVIRONMENT
    PROXY_CREDENTIALS_MALFORMED = "ProxyCredentialsMalformed", OutcomeClass.ENVIRONMENT
    REQUEST_MISSING = "RequestMissing", OutcomeClass.ENVIRONMENT
    REQUEST_INVALID = "RequestInvalid", OutcomeClass.ENVIRONMENT
    """Operator and downloader are of different releases: an image set right mends it, and no spec has to change."""

    # The Subscription asks for what cannot work.
    UNSUPPORTED_URL = "UnsupportedUrl", OutcomeClass.CONFIGURATION
    NOT_A_VIDEO = "NotAVideo", OutcomeClass.CONFIGURATION
    NO_SUCH_TAB = "NoSuchTab", OutcomeClass.CONFIGURATION
    """A listing takes it for an empty tab: channels get their tabs with the first video."""
    FORMAT_UNAVAILABLE = "FormatUnavailable", OutcomeClass.CONFIGURATION
    UNSUPPORTED_STREAM = "UnsupportedStream", OutcomeClass.CONFIGURATION
    FILE_TOO_LARGE = "FileTooLarge", OutcomeClass.CONFIGURATION
    """For the volume's file system, or for a limit of its server."""
    TLS_NOT_TRUSTED = "TlsNotTrusted", OutcomeClass.CONFIGURATION
    CA_BUNDLE_INVALID = "CaBundleInvalid", OutcomeClass.CONFIGURATION

    TERMINATED = "Terminated", OutcomeClass.TERMINATED


def class_of(word: str) -> OutcomeClass | None:
    """The class of a reason; None: this release does not know the reason."""
    return next((reason.outcome for reason in Reason if reason == word), None)
