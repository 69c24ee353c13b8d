"""Who may use which name: a video's episode number and its stem, claimed on the volume for ever.

The volume is what all Subscriptions on a claim share, so it is where they agree: a reservation is a file that appears
once and whole, whose name is the hash of what is claimed and whose content says for which video. The same video in the
same folder shares its reservations whichever Subscription brings it; a later launch may repeat a claim with the same
end. What decides is the last one, of the video: who comes second takes the place that it names.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path, PurePosixPath

from trawler_downloader.contract.download import Layout, LibraryPlace, MediaType
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.files import Files
from trawler_downloader.library.layouts import EpisodeNumber, LibraryPathError, folder_of, reservation_name, stems
from trawler_downloader.library.manifest import VideoFacts
from trawler_downloader.library.names import fold
from trawler_downloader.library.state import ClaimPaths

MAX_UPLOADS_PER_DAY = 9999
"""Of one show; beyond this something is wrong with the dates."""
CLAIM = "claim-"
"""Prefix of the folders in which reservations are prepared."""
_MEDIA_SUFFIXES = frozenset(
    {".mp4", ".mkv", ".webm", ".mov", ".m4v", ".flv", ".avi", ".ts", ".3gp", ".mpg", ".ogv", ".wmv"}
    | {".m4a", ".mp3", ".opus", ".ogg", ".aac", ".flac", ".wav", ".mka", ".weba"}
)


@dataclass(frozen=True)
class Placement:
    """Where a video stands in a folder."""

    folder: PurePosixPath
    """The show's or collection's, relative to the claim's root."""
    stem: PurePosixPath
    """The final path without suffix, relative to the claim's root."""
    number: EpisodeNumber | None
    """None in a Flat layout."""


@dataclass(frozen=True)
class Reservations:
    """The claims of one video in one library folder."""

    files: Files
    paths: ClaimPaths
    key: str
    media_type: MediaType
    layout: Layout
    folder: PurePosixPath

    @property
    def _holder(self) -> str:
        """Sound and picture of one video are two files that must not share a name."""
        return self.key if self.media_type is MediaType.VIDEO else f"{self.key}#{self.media_type.value}"

    @property
    def _video_path(self) -> Path:
        # The names of reservations know no case, ids of videos do: hashed before.
        return self._path_for(sha256(self._holder.encode()).hexdigest())

    def find(self) -> Placement | None:
        """The place that this video already has in this folder, by whichever Subscription."""
        # Older releases did not hash: under such a name may stand a video whose id differs in case alone.
        return self._read(self._video_path) or self._read(self._path_for(self._holder))

    def _read(self, path: Path) -> Placement | None:
        try:
            stored = json.loads(path.read_bytes())
            if stored["video"] != self._holder:
                return None
            stem, number = PurePosixPath(stored["stem"]), stored.get("number")
            return Placement(
                # As it was written then: the channel's name may have changed its case since.
                stem.parent.parent if self.layout is Layout.SHOW else stem.parent,
                stem,
                None if number is None else EpisodeNumber(date.fromisoformat(number["day"]), int(number["index"])),
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise LaunchError(Reason.RESERVATION_UNREADABLE, f"{path}: restore it, or remove its folder") from error

    def claim(self, facts: VideoFacts) -> Placement:
        """This video's place in this folder, now and for ever.

        Raises:
            LaunchError: Environment, no name is free, or what is reserved cannot be read.
        """
        known = self.find()
        if known is not None:
            return known
        number = self._claim_number(facts) if self.layout is Layout.SHOW else None
        stem = next(
            (stem for stem in stems(self.layout, self.folder, facts.title, facts.id, number) if self._claim_stem(stem)),
            None,
        )
        if stem is None:
            raise LaunchError(Reason.NO_FREE_NAME, f"{self.folder}: all names for {facts.title!r} are taken")
        content: dict[str, object] = {"stem": str(stem)}
        if number is not None:
            content["number"] = {"day": number.day.isoformat(), "index": number.index}
        placement = Placement(self.folder, stem, number)
        if self._create(self._video_path, **content):
            return placement
        return self.find() or placement  # another Subscription was quicker, and may have met another title

    def _claim_number(self, facts: VideoFacts) -> EpisodeNumber:
        for index in range(1, MAX_UPLOADS_PER_DAY):
            number = EpisodeNumber(facts.named_after, index)
            if self._hold(self._path("episode", str(self.folder), number.label), episode=number.label):
                return number
        raise LaunchError(Reason.NO_FREE_NAME, f"{self.folder}: all episode numbers of {facts.named_after} are taken")

    def _claim_stem(self, stem: PurePosixPath) -> bool:
        path = self._path("stem", str(stem))
        # Looked at before the reservation is made: afterwards, what stands there may be our own.
        if not path.exists() and any(siblings(self.paths.root, stem)):
            return False
        return self._hold(path, stem=str(stem))

    def _hold(self, path: Path, **about: object) -> bool:
        if self._create(path, **about):
            return True
        try:
            return bool(json.loads(path.read_bytes())["video"] == self._holder)
        except (ValueError, KeyError, TypeError):
            return False  # broken: nobody knows for which video

    def _create(self, path: Path, **about: object) -> bool:
        # Among the staging folders, where it is swept when this launch dies.
        prepared = self.paths.stagings / f"{CLAIM}{os.urandom(8).hex()}"
        return self.files.create(path, self._content(**about), prepared)

    def _path_for(self, holder: str) -> Path:
        return self._path("video", str(self.folder), self.layout.value, holder)

    def _path(self, kind: str, *subject: str) -> Path:
        return self.paths.reservation(reservation_name(kind, *subject))

    def _content(self, **about: object) -> bytes:
        owner = f"{self.paths.subscription.namespace}/{self.paths.subscription.name}"
        content = {"v": 1, "video": self._holder, "owner": owner, "folder": str(self.folder), **about}
        return json.dumps(content, ensure_ascii=False, indent=2).encode() + b"\n"


def library_folder(place: LibraryPlace, facts: VideoFacts, source_title: str | None) -> PurePosixPath:
    """`layouts.folder_of`, with its error as the end of a launch.

    Raises:
        LaunchError: Environment.
    """
    try:
        return folder_of(place, facts.channel, source_title, facts.extractor)
    except LibraryPathError as error:
        raise LaunchError(Reason.LIBRARY_PATH_INVALID, str(error)) from error


def siblings(root: Path, stem: PurePosixPath) -> Iterator[Path]:
    """The files that share this stem."""
    wanted = fold(stem.name)
    try:
        present = list((root / stem.parent).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in present:
        name = fold(path.name)
        if name.startswith(wanted) and name[len(wanted) : len(wanted) + 1] in {"", ".", "-"}:
            yield path


def landed_media(root: Path, stem: PurePosixPath) -> PurePosixPath | None:
    """The media file with this stem, relative to the root. Final names are given to complete files only."""
    wanted = fold(stem.name)
    for path in siblings(root, stem):
        if fold(path.stem) == wanted and path.suffix.lower() in _MEDIA_SUFFIXES:
            return stem.parent / path.name
    return None
