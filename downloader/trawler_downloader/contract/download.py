"""What a download Job is asked for, and what it answers.

The request is the JSON value of the environment variable REQUEST_ENV; the result is the container's termination message
(the kubelet keeps the last 4096 bytes of it; ours stays under MAX_RESULT_BYTES), backed by the exit code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from trawler_downloader.contract.listing import CookiesMode, Kind
from trawler_downloader.contract.message import LARGEST, Message
from trawler_downloader.contract.outcomes import OutcomeClass

REQUEST_ENV = "TRAWLER_REQUEST"
LIBRARY_MOUNT = "/library"
"""Where the claim's root is mounted in a download pod."""
CA_FILE = "/etc/trawler/ca/ca.crt"
"""Where extra certificate authorities are mounted when `ca_bundle` is set."""
COOKIES_FILE = "/etc/trawler/cookies/cookies.txt"
"""Where the cookies of a Secret are mounted when `cookies` is set; missing where the Secret or its key is."""
PROXY_CREDENTIALS = "/etc/trawler/proxy"
"""Folder in which the files `username` and `password` of a Secret are mounted when `proxy_credentials` is set."""
MAX_RESULT_BYTES = 3584
MAX_VOLUME_ID = 128
"""Characters of a volume's marker; ours have 36."""
DEFAULT_STALL_TIMEOUT_SECONDS = 600
"""Longer than a NAS takes to fail over, and than ffmpeg or a site is ever silent."""


class MediaType(StrEnum):
    """What is wanted of a video."""

    VIDEO = "Video"
    AUDIO = "Audio"


class Sidecar(StrEnum):
    """Files beside the media file."""

    THUMBNAIL = "Thumbnail"
    DESCRIPTION = "Description"
    INFO_JSON = "InfoJson"
    NFO = "Nfo"


class Layout(StrEnum):
    """How folders and names are built."""

    SHOW = "Show"
    """Channel/Season yy/Title (SyyEmmdd).mp4"""
    FLAT = "Flat"
    """Folder/Title [id].mp4"""


class FollowUpKind(StrEnum):
    """What may be added to a video that stands on the volume already."""

    THUMBNAIL = "Thumbnail"
    """The site had none that could be used when the video was downloaded."""


class SubscriptionRef(Message):
    """The Subscription a Job works for: owns the Job's state folder on the claim."""

    namespace: str
    name: str


class VideoRef(Message):
    """The video, as the listing saw it."""

    key: str
    extractor: str = ""
    id: str
    url: str
    title: str | None = None
    kind: Kind = Kind.VIDEO
    source: str | None = None
    """`source_key(...)` of the listing that told of it: kept in the manifest, for a ledger that is made anew."""


class MediaWish(Message):
    """Preferences with a fallback to the best there is."""

    type: MediaType = MediaType.VIDEO
    max_height: Annotated[int, Field(ge=1)] | None = None
    container: str | None = None
    """Video: mp4, mkv or webm. Audio: m4a, mp3, opus. None: mp4, m4a."""
    sidecars: tuple[Sidecar, ...] = ()


class LibraryPlace(Message):
    """Where on the claim."""

    path: str = ""
    """Section under the claim's root, relative; empty for the root itself."""
    layout: Layout = Layout.SHOW
    folder: str | None = None
    """Instead of the channel's own name."""


class DownloadRequest(Message):
    """One launch for one video."""

    v: Literal[1] = 1
    subscription: SubscriptionRef
    video: VideoRef
    launch: Annotated[int, Field(ge=1)]
    follow_up: FollowUpKind | None = None
    """The video is there: only this is added to it. None: the video is downloaded."""
    source_title: str | None = None
    """The channel's or playlist's title: names the folder where the video's own channel is not told."""
    media: MediaWish = MediaWish()
    library: LibraryPlace = LibraryPlace()
    volume_id: str | None = None
    """Marker that the claim must bear. None: no history there yet, a missing marker is made."""
    min_free_bytes: Annotated[int, Field(ge=0)] | None = None
    """Free space below which nothing is downloaded, and which no download may use up: a full NAS harms more than the
    video that filled it. None: the downloader decides by the volume's size."""
    proxy: str | None = None
    proxy_trusted: bool = False
    """Whoever runs the operator vouches for the proxy: it may have any address. Another one must have a public one."""
    ca_bundle: bool = False
    """CA_FILE is mounted and to be trusted besides the public authorities."""
    cookies: CookiesMode | None = None
    """COOKIES_FILE is mounted, and when it is used."""
    cookies_secret: str | None = None
    """Name of the Secret behind COOKIES_FILE, for messages."""
    proxy_credentials: bool = False
    """PROXY_CREDENTIALS is mounted and holds the proxy's user and password."""
    proxy_secret: str | None = None
    """Name of the Secret behind PROXY_CREDENTIALS, for messages."""
    rate_limit_bytes_per_second: Annotated[int, Field(ge=1)] | None = None
    allow_generic: bool = False
    """yt-dlp's generic extractor may be used: it fetches any page."""
    allowed_cidrs: tuple[str, ...] = ()
    """Networks that may be reached although they are not public."""
    umask: Annotated[str, Field(pattern=r"^0?0[0-7]{2}$")] = "022"
    """In octal; never takes rights from the owner: the downloader could not read what it wrote."""
    stall_timeout_seconds: Annotated[int, Field(ge=1)] = DEFAULT_STALL_TIMEOUT_SECONDS
    """Without any movement for that long, the launch is ended."""


class StepTimes(Message):
    """Unix seconds at which the steps of a launch ended; what did not happen is absent."""

    started: float | None = None
    fetched: float | None = None
    verified: float | None = None
    published: float | None = None


class DownloadResult(Message):
    """How a launch ended."""

    v: Literal[1] = 1
    outcome: OutcomeClass
    reason: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$")]
    """CamelCase, e.g. `Published`, `AlreadyPublished`, `VolumeMarkerMissing`, `VideoRemoved`."""
    message: str = ""
    """For people; cut to fit MAX_RESULT_BYTES."""
    path: str | None = None
    """Media file, relative to the claim's root. Set with Published."""
    bytes: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    """Of the media file."""
    title: str | None = None
    published_date: str | None = None
    """When the site published the video, YYYY-MM-DD."""
    duration_seconds: Annotated[int, Field(ge=0, le=LARGEST)] | None = None
    retry_at: int | None = None
    """Unix seconds; with NotYet, when the site says it will be ready; with RateLimited, when it may be asked again."""
    follow_up: FollowUpKind | None = None
    """What is wanted beside the video and could not be had: worth another look later. Set with Published."""
    volume_id: Annotated[str, Field(max_length=MAX_VOLUME_ID)] | None = None
    """Marker found or made on the claim. Set in whatever outcome once the volume was probed: it answers."""
    cookies_used: bool = False
    """Cookies were sent to the site."""
    cookies_invalid: bool = False
    """And it no longer accepts them: they have to be exported anew."""
    engine: str = ""
    """yt-dlp's version."""
    times: StepTimes = StepTimes()
