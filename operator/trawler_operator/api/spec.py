"""What a user asks for: the spec of a Subscription, and the rules that its fields obey together.

What a single value must obey stands with its type in `field_types.py`.

The schema of the CRD is generated from these models and carries the same rules in CEL, so that the API server refuses
a bad value before anything is stored. The rules stand here again in Python, because a CRD may be older than the
operator, and because two of them (cron expressions and time zones) cannot be said in CEL.

Docstrings of fields are what `kubectl explain` prints.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from trawler_downloader.contract.download import (
    DEFAULT_STALL_TIMEOUT_SECONDS,
    Layout,
    MediaType,
    Sidecar,
)
from trawler_downloader.contract.listing import MAX_ENTRIES, CookiesMode, Kind
from trawler_operator.api.field_types import (
    CronExpression,
    FatalError,
    FolderName,
    LibraryPath,
    ObjectName,
    ProxyUrl,
    Quantity,
    ResourceName,
    SourceUrl,
    TimeZone,
    Umask,
    UserId,
    cel_rules,
    check_distinct,
)
from trawler_operator.api.model import SpecModel
from trawler_operator.api.pod_metadata import PodAnnotations, PodLabels
from trawler_operator.api.quantities import ByteRate, FreeSpace

DEFAULT_INTERVAL_SECONDS = 3600
DEFAULT_NEWEST = 52
DEFAULT_SIDECARS = (Sidecar.THUMBNAIL, Sidecar.DESCRIPTION, Sidecar.NFO)
DEFAULT_BACKOFF_SECONDS = 60
DEFAULT_ACTIVE_DEADLINE_SECONDS = 21600
"""Six hours: a backstop against a pod that never ends, not a limit of a download's time."""

COOKIES_RULE = "cookies has a meaning with cookiesSecretRef only"
PROXY_LOGIN_RULE = "proxySecretRef needs a proxy that knows user and password: http, https, socks5 or socks5h"
CONTAINER_RULE = "container must be mp4, mkv or webm with type Video, and m4a, mp3 or opus with type Audio"
MAX_HEIGHT_RULE = "maxHeight has a meaning with type Video only"
SCHEDULE_RULE = "set intervalSeconds or cron, not both"
TIME_ZONE_RULE = "timeZone has a meaning with cron only"
_CEL_CONTAINER = (
    "!has(self.container) || self.container in "
    "(has(self.type) && self.type == 'Audio' ? ['m4a', 'mp3', 'opus'] : ['mp4', 'mkv', 'webm'])"
)


class Schedule(SpecModel):
    """When the source is checked: every intervalSeconds, or at the times of a cron expression."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("!(has(self.intervalSeconds) && has(self.cron))", SCHEDULE_RULE),
            ("!has(self.timeZone) || has(self.cron)", TIME_ZONE_RULE),
        )
    )

    interval_seconds: Annotated[int, Field(ge=60, le=31_536_000)] | None = None
    """Seconds from one check to the next, plus a jitter of at most a tenth. Default: 3600, where cron is not set."""
    cron: CronExpression | None = None
    """Five fields: minute, hour, day of month, month, day of week. Checks start up to five minutes after the time."""
    time_zone: TimeZone | None = None
    """Time zone of cron by its IANA name, e.g. Europe/Paris. Default: UTC."""

    @model_validator(mode="after")
    def _one_way_only(self) -> Self:
        if self.interval_seconds is not None and self.cron is not None:
            raise ValueError(SCHEDULE_RULE)
        if self.time_zone is not None and self.cron is None:
            raise ValueError(TIME_ZONE_RULE)
        return self


class Select(SpecModel):
    """Which of the listed videos are wanted."""

    newest: Annotated[int, Field(ge=1, le=MAX_ENTRIES)] = DEFAULT_NEWEST
    """How many of the newest videos a source's first check takes; later checks take everything new. Default: 52."""
    kinds: Annotated[tuple[Kind, ...], Field(min_length=1, max_length=3), AfterValidator(check_distinct)] | None = None
    """Tabs of a bare channel that are listed; of other sources, kinds taken. Default: the URL's own, else Video."""


class Container(StrEnum):
    """Format of the media file."""

    MP4 = "mp4"
    MKV = "mkv"
    WEBM = "webm"
    M4A = "m4a"
    MP3 = "mp3"
    OPUS = "opus"


VIDEO_CONTAINERS = frozenset({Container.MP4, Container.MKV, Container.WEBM})


class Media(SpecModel):
    """What is fetched of a video. Preferences: where a site has nothing that fits, the best there is is taken."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            (_CEL_CONTAINER, CONTAINER_RULE),
            ("!has(self.maxHeight) || !has(self.type) || self.type == 'Video'", MAX_HEIGHT_RULE),
        )
    )

    type: MediaType = MediaType.VIDEO
    """Video, or Audio for the sound alone. Default: Video."""
    max_height: Annotated[int, Field(ge=144, le=8640)] | None = None
    """Largest picture height in lines, e.g. 1080. Default: no limit."""
    container: Container | None = None
    """Video: mp4, mkv or webm. Audio: m4a, mp3 or opus. Default: mp4, m4a."""
    sidecars: Annotated[tuple[Sidecar, ...], Field(max_length=4), AfterValidator(check_distinct)] = DEFAULT_SIDECARS
    """Files beside the media file. Default: Thumbnail, Description, Nfo."""

    @model_validator(mode="after")
    def _fits_the_type(self) -> Self:
        wants_video = self.type is MediaType.VIDEO
        if self.container is not None and wants_video != (self.container in VIDEO_CONTAINERS):
            raise ValueError(CONTAINER_RULE)
        if self.max_height is not None and not wants_video:
            raise ValueError(MAX_HEIGHT_RULE)
        return self


class Library(SpecModel):
    """Where the files go. A change counts for new downloads; a condition says so."""

    claim_name: ObjectName | None = None
    """PersistentVolumeClaim in the Subscription's namespace. Default: the operator's."""
    path: LibraryPath = ""
    """Folder under the claim's root, e.g. a section of the media server. Default: the root itself."""
    layout: Layout = Layout.SHOW
    """Show: Channel/Season yy/Title (SyyEmmdd). Flat: Folder/Title [id]. Default: Show."""
    folder: FolderName | None = None
    """Folder name instead of the channel's own."""
    min_free: FreeSpace | None = None
    """Room that downloads leave free on the volume, e.g. 50Gi; 0 for none. Default: 5 % of it, at most 50Gi."""


class Resources(SpecModel):
    """Compute resources of a Job's pod, as in a container."""

    requests: Annotated[dict[ResourceName, Quantity], Field(max_length=16)] = Field(default_factory=dict)
    """What is reserved for it."""
    limits: Annotated[dict[ResourceName, Quantity], Field(max_length=16)] = Field(default_factory=dict)
    """What it may use at most."""


class TolerationOperator(StrEnum):
    """How a toleration's key and value are compared with a taint's."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(SpecModel):
    """A taint that download pods tolerate, as in a pod."""

    key: Annotated[str, Field(max_length=317)] | None = None
    """The taint's key. Default, with operator Exists: every key."""
    operator: TolerationOperator | None = None
    """Exists or Equal. Default: Equal."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """The taint's value, with operator Equal."""
    effect: TaintEffect | None = None
    """The taint's effect. Default: every effect."""
    toleration_seconds: int | None = None
    """With effect NoExecute: how long the pod stays."""


class JobOptions(SpecModel):
    """How the download Jobs run."""

    parallelism: Annotated[int, Field(ge=1, le=32)] = 1
    """Downloads of this Subscription at a time, within the operator's own limits. Default: 1."""
    active_deadline_seconds: Annotated[int, Field(ge=60, le=604_800)] = DEFAULT_ACTIVE_DEADLINE_SECONDS
    """A download that has not ended by then is stopped and tried again. Default: 21600."""
    stall_timeout_seconds: Annotated[int, Field(ge=30, le=86_400)] = DEFAULT_STALL_TIMEOUT_SECONDS
    """A download in which nothing moves for that long is ended and tried again. Default: 600."""
    resources: Resources | None = None
    """Compute resources of downloads, and of the Job that reads a lost history back. Default: the operator's."""
    node_selector: Annotated[
        dict[Annotated[str, Field(max_length=317)], Annotated[str, Field(max_length=63)]], Field(max_length=32)
    ] = Field(default_factory=dict)
    """Labels of the nodes that downloads may run on."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints that downloads tolerate."""
    pod_annotations: PodAnnotations = Field(default_factory=dict)
    """Annotations of the Jobs' pods, e.g. one that keeps a service mesh from injecting its sidecar."""
    pod_labels: PodLabels = Field(default_factory=dict)
    """Labels of the Jobs' pods, besides the operator's own."""
    run_as_user: UserId | None = None
    """User id that writes to the NAS; never 0. Default: the operator's, 65532."""
    run_as_group: UserId | None = None
    """Group id that writes to the NAS; never 0. Default: the operator's, 65532."""
    fs_group: UserId | None = None
    """Group that volumes are made writable for, where they support it; never 0. Default: the operator's, 65532."""
    supplemental_groups: Annotated[tuple[UserId, ...], Field(max_length=32)] = ()
    """More groups of the downloading process, e.g. the one that owns the NAS share."""
    umask: Umask = "022"
    """Permissions that new files do not get, in octal. Default: 022."""


class ConfigMapRef(SpecModel):
    """A ConfigMap of the Subscription's namespace."""

    name: ObjectName
    """Its name."""


class SecretRef(SpecModel):
    """A Secret of the Subscription's namespace. Who may create Subscriptions there can use it, as with a pod."""

    name: ObjectName
    """Its name."""


class Access(SpecModel):
    """How the source is reached."""

    model_config = ConfigDict(
        json_schema_extra=cel_rules(
            ("!has(self.cookies) || has(self.cookiesSecretRef)", COOKIES_RULE),
            ("!has(self.proxySecretRef) || !has(self.proxy) || !self.proxy.startsWith('socks4')", PROXY_LOGIN_RULE),
        )
    )

    cookies_secret_ref: SecretRef | None = None
    """Secret whose key cookies.txt holds cookies of a signed-in browser session (Netscape format)."""
    cookies: CookiesMode | None = None
    """Always, or WhenNeeded: only where a site asks for a sign-in. Default: WhenNeeded."""
    proxy_secret_ref: SecretRef | None = None
    """Secret with the proxy's user and password (keys username and password, as of type kubernetes.io/basic-auth)."""
    rate_limit: ByteRate | None = None
    """How fast one download may be: bytes per second, e.g. 4M or 500Ki. Default: no limit."""
    allow_generic: bool = False
    """Any page, feed or file, where yt-dlp has no extractor for the site: it then guesses. Default: false."""
    ca_bundle_ref: ConfigMapRef | None = None
    """ConfigMap whose key ca.crt holds certificate authorities to trust besides the public ones (PEM)."""
    proxy: ProxyUrl | None = None
    """Proxy for checks and downloads, e.g. socks5://vpn.media:1080. Default: the operator's."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.cookies is not None and self.cookies_secret_ref is None:
            raise ValueError(COOKIES_RULE)
        if self.proxy_secret_ref is not None and (self.proxy or "").startswith("socks4"):
            raise ValueError(PROXY_LOGIN_RULE)
        return self


class Retry(SpecModel):
    """What happens after a failed download."""

    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    """Tries before a video is given up. Endings that say nothing of the video cost none. Default: 3."""
    backoff_seconds: Annotated[int, Field(ge=1, le=86_400)] = DEFAULT_BACKOFF_SECONDS
    """Pause after the first failed try; each further one doubles it, up to an hour or this value. Default: 60."""
    fatal_errors: Annotated[tuple[FatalError, ...], Field(max_length=32)] = ()
    """Parts of error messages, in any case, after which a video is given up at once, whatever tries are left."""


class LedgerPolicy(StrEnum):
    """What becomes of the history when the Subscription is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class SubscriptionSpec(SpecModel):
    """What is mirrored, and where to."""

    url: SourceUrl
    """A channel, one of its tabs, a playlist, or a video: anything that yt-dlp can list."""
    suspend: bool = False
    """No checks and no new downloads while true; running downloads finish."""
    schedule: Schedule = Schedule()
    """When the source is checked. Default: every hour."""
    select: Select = Select()
    """Which of the listed videos are wanted."""
    media: Media = Media()
    """What is fetched of a video."""
    library: Library = Library()
    """Where the files go."""
    access: Access = Access()
    """How the source is reached."""
    retry: Retry = Retry()
    """What happens after a failed download."""
    job: JobOptions = JobOptions()
    """How the download Jobs run."""
    ledger_policy: LedgerPolicy = LedgerPolicy.RETAIN
    """Retain keeps the history when the Subscription is deleted, for the next one of that name; Delete removes it."""
