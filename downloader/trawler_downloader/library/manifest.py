"""What the claim itself remembers: of a fetched video (staging record) and of a landed one (manifest).

A manifest is the truth about a video on its volume: it survives the cluster, its ledger and the Subscription. Unknown
fields are ignored, so that a manifest of a newer release with the same version number can be read.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from trawler_downloader.contract.download import LibraryPlace, MediaWish, StepTimes
from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.message import Message


class ManifestError(ValueError):
    """A file of the state folder cannot be read; the message says what is wrong with it."""


class _Stored(Message):
    """Written as a message is, but read with more patience: files outlive the release that wrote them."""

    model_config = ConfigDict(extra="ignore")


_T = TypeVar("_T", bound=_Stored)


class Role(StrEnum):
    """What a file is for."""

    MEDIA = "Media"
    THUMBNAIL = "Thumbnail"
    DESCRIPTION = "Description"
    INFO_JSON = "InfoJson"
    NFO = "Nfo"
    SHOW_NFO = "ShowNfo"
    """Of the show's folder: shared by all its videos, the first one lands it."""


SUFFIXES: dict[Role, str] = {
    Role.THUMBNAIL: "-thumb.jpg",
    Role.DESCRIPTION: ".description",
    Role.INFO_JSON: ".info.json",
    Role.NFO: ".nfo",
}
"""What follows the stem. Kodi, Jellyfin and Emby all take `-thumb.jpg` for an episode's picture."""


class VideoFacts(_Stored):
    """What the site tells of a video."""

    extractor: str
    """yt-dlp's extractor key, e.g. `Youtube`."""
    id: str
    url: str
    title: str
    channel: str | None = None
    published: date | None = None
    """The upload's UTC date, as yt-dlp gives it."""
    named_after: date
    """The date in names: `published`, or the day of the download where the site tells none."""
    duration_seconds: float | None = None
    description: str = ""
    has_video: bool | None = None
    """Whether any format has a picture; None: the site does not say."""
    has_audio: bool | None = None
    """Whether any format has sound; None: the site does not say."""


class StagedFile(_Stored):
    """A complete file in a launch's staging folder."""

    role: Role
    name: str
    """Inside the staging folder."""
    bytes: Annotated[int, Field(ge=0)]


class StagingRecord(_Stored):
    """Written when everything is fetched and verified: `publish` needs nothing else."""

    v: Literal[1] = 1
    key: str
    media: MediaWish
    place: LibraryPlace
    facts: VideoFacts
    files: tuple[StagedFile, ...]
    engine: str
    times: StepTimes


class LandedFile(_Stored):
    """A file under its final name, or about to get it."""

    role: Role
    path: str
    """Relative to the claim's root."""
    bytes: Annotated[int, Field(ge=0)]
    staged: str | None = None
    """Its name in the staging folder; None: it was there before."""


class Manifest(_Stored):
    """One video of one Subscription on this volume."""

    v: Literal[1] = 1
    key: str
    extractor: str
    id: str
    url: str
    kind: Kind = Kind.VIDEO
    source: str | None = None
    """`source_key(...)` of the listing that told of it."""
    title: str
    published: date | None = None
    duration_seconds: int | None = None
    launch: int
    season: int | None = None
    episode: int | None = None
    staging: str | None = None
    """Name of the staging folder that holds the files not yet renamed."""
    files: tuple[LandedFile, ...]
    committed: bool = False
    """All files have their final names."""
    engine: str
    times: StepTimes = StepTimes()

    @property
    def media(self) -> LandedFile:
        """The media file."""
        return next(file for file in self.files if file.role is Role.MEDIA)


def encode(stored: StagingRecord | Manifest) -> bytes:
    """Indented JSON: people read these files on their NAS."""
    return stored.model_dump_json(indent=2, exclude_none=True).encode() + b"\n"


def decode_record(text: bytes) -> StagingRecord:
    """The record.

    Raises:
        ManifestError: it is not one.
    """
    return _decoded(StagingRecord, text)


def decode_manifest(text: bytes) -> Manifest:
    """The manifest.

    Raises:
        ManifestError: it is not one.
    """
    manifest = _decoded(Manifest, text)
    if not any(file.role is Role.MEDIA for file in manifest.files):
        raise ManifestError("files: no media file is named")
    return manifest


def _decoded(kind: type[_T], text: bytes) -> _T:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ManifestError(f"{where}: {first['msg']}") from error
