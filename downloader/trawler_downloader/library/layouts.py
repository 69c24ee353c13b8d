"""Where a video stands in the library: folders and stems, from validated fields only.

A stem is the final path without its suffix, relative to the claim's root: the media file, its artwork and its metadata
share it, so a stem is what gets reserved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import PurePosixPath

from trawler_downloader.contract.download import Layout, LibraryPlace
from trawler_downloader.library.names import MAX_COMPONENT_BYTES, cut, fold, safe_component

STATE_FOLDER = ".trawler"
"""The project's own folder on every claim; no library may be put into it."""
SUFFIX_ROOM = 20
"""Bytes left for the longest suffix of a stem (`.description`, `-thumb.jpg`, `.info.json`) and some to spare."""
MAX_ID_BYTES = 64
"""Of an id in a name; longer ones are hashed."""
MAX_EQUAL_NAMES = 99
"""Tries for a free name. Only files that are not ours can make more than two necessary."""


class LibraryPathError(ValueError):
    """`library.path` cannot be used; the message names the field."""


@dataclass(frozen=True)
class EpisodeNumber:
    """A video's place in a show whose seasons are years and whose episodes are days."""

    day: date
    index: int = 1
    """1 for the first upload of the day in this show, then 2, 3, …"""

    @property
    def season(self) -> int:
        """The year's last two digits."""
        return self.day.year % 100

    @property
    def episode(self) -> int:
        """`mmdd`; from the day's second upload on `mmddNN`."""
        return int(self._digits)

    @property
    def label(self) -> str:
        """`SyyEmmdd`, or `SyyEmmddNN` with NN from 02."""
        return f"S{self.season:02d}E{self._digits}"

    @property
    def _digits(self) -> str:
        digits = f"{self.day.month:02d}{self.day.day:02d}"
        return digits if self.index == 1 else f"{digits}{self.index:02d}"


def section(path: str) -> PurePosixPath:
    """`library.path` as a path relative to the claim's root.

    Raises:
        LibraryPathError: it is absolute, leaves the root, hides in the state folder, or is no name at all.
    """
    if path.startswith("/"):
        raise LibraryPathError(f"spec.library.path: {path!r} must be relative to the claim's root")
    parts = [part for part in path.split("/") if part]
    for part in parts:
        if part != safe_component(part, "") or len(part.encode()) > MAX_COMPONENT_BYTES:
            raise LibraryPathError(
                f"spec.library.path: {part!r} is not a folder name that every NAS can hold; "
                f"{safe_component(part, 'library')!r} would be one"
            )
    return PurePosixPath(*parts)


def folder_of(place: LibraryPlace, channel: str | None, source_title: str | None, fallback: str) -> PurePosixPath:
    """The show's (Show) or the collection's (Flat) folder, relative to the claim's root.

    Args:
        place: `library` of the Subscription; its `folder` wins over all names that the site tells.
        channel: the video's channel.
        source_title: the listing's title, for videos that tell no channel.
        fallback: a name where nothing is told, such as the site's.

    Raises:
        LibraryPathError: see `section`.
    """
    for name in (place.folder, channel, source_title):
        if name and name.strip():
            return section(place.path) / safe_component(name, fallback)
    return section(place.path) / safe_component(fallback, "library")


def stems(
    layout: Layout, folder: PurePosixPath, title: str, video_id: str, number: EpisodeNumber | None
) -> Iterator[PurePosixPath]:
    """The stems that a video may have, best first; the first that nobody else holds is its own for ever.

    Args:
        layout: Show needs a `number`, Flat ignores it.
        folder: of `folder_of`.
        title: as the site tells it.
        video_id: as the extractor gives it; tells equal names apart.
        number: of `EpisodeNumber`, claimed before.
    """
    tag = f"[{short_id(video_id)}]"
    if layout is Layout.SHOW:
        assert number is not None
        folder = folder / f"Season {number.season:02d}"
        endings = [f" ({number.label})", f" ({number.label}) {tag}"]
    else:
        endings = [f" {tag}"]
    endings += [f"{endings[-1]} {again}" for again in range(2, MAX_EQUAL_NAMES)]
    for ending in endings:
        room = MAX_COMPONENT_BYTES - SUFFIX_ROOM - len(ending.encode())
        yield folder / (safe_component(title, short_id(video_id), room) + ending)


def short_id(video_id: str) -> str:
    """The id as a part of a name: itself where it is short and safe."""
    safe = safe_component(video_id, "", MAX_ID_BYTES)
    return safe if safe == video_id else f"{cut(safe, MAX_ID_BYTES - 13)}-{sha256(video_id.encode()).hexdigest()[:12]}"


def reservation_name(kind: str, *subject: str) -> str:
    """The file name of a reservation: the same for names that one file system takes for the same."""
    return sha256("\0".join([kind, *(fold(part) for part in subject)]).encode()).hexdigest()
