"""NFO files: the metadata that Kodi, Jellyfin, Emby and Plex agents read beside a media file."""

from __future__ import annotations

import re
from datetime import date
from xml.etree import ElementTree as ET

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped (https://www.w3.org/TR/xml/#charsets)."""


def episode_nfo(
    *,
    title: str,
    show: str,
    season: int,
    episode: int,
    plot: str,
    aired: date,
    duration_seconds: float | None,
    site: str,
    video_id: str,
    studio: str | None,
) -> bytes:
    """An `episodedetails` document. `runtime` is in minutes, as all readers expect."""
    root = ET.Element("episodedetails")
    _add(root, "title", title)
    _add(root, "showtitle", show)
    _add(root, "season", str(season))
    _add(root, "episode", str(episode))
    _add(root, "aired", aired.isoformat())
    _describe(root, plot, duration_seconds, site, video_id, studio)
    return _document(root)


def movie_nfo(
    *,
    title: str,
    plot: str,
    aired: date,
    duration_seconds: float | None,
    site: str,
    video_id: str,
    studio: str | None,
) -> bytes:
    """A `movie` document, for libraries without seasons."""
    root = ET.Element("movie")
    _add(root, "title", title)
    _add(root, "premiered", aired.isoformat())
    _describe(root, plot, duration_seconds, site, video_id, studio)
    return _document(root)


def show_nfo(*, title: str, studio: str | None) -> bytes:
    """A `tvshow` document. It does not ask readers to look the show up anywhere: no such database knows it."""
    root = ET.Element("tvshow")
    _add(root, "title", title)
    if studio:
        _add(root, "studio", studio)
    return _document(root)


def _describe(
    root: ET.Element, plot: str, duration_seconds: float | None, site: str, video_id: str, studio: str | None
) -> None:
    _add(root, "plot", plot)
    if duration_seconds is not None:
        _add(root, "runtime", str(max(1, round(duration_seconds / 60))))
    _add(root, "uniqueid", video_id).attrib.update({"type": site, "default": "true"})
    if studio:
        _add(root, "studio", studio)


def _add(root: ET.Element, tag: str, text: str) -> ET.Element:
    element = ET.SubElement(root, tag)
    element.text = _NOT_XML.sub("", text)
    return element


def _document(root: ET.Element) -> bytes:
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"
