"""NFO files: the metadata that Kodi, Jellyfin, Emby and Plex agents read beside a media file."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from trawler_downloader.library.layouts import EpisodeNumber
from trawler_downloader.library.manifest import VideoFacts

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, not even escaped (https://www.w3.org/TR/xml/#charsets)."""


def episode_nfo(facts: VideoFacts, show: str, number: EpisodeNumber) -> bytes:
    """An `episodedetails` document."""
    root = ET.Element("episodedetails")
    _add(root, "title", facts.title)
    _add(root, "showtitle", show)
    _add(root, "season", str(number.season))
    _add(root, "episode", str(number.episode))
    _add(root, "aired", facts.named_after.isoformat())
    _describe(root, facts)
    return _document(root)


def movie_nfo(facts: VideoFacts) -> bytes:
    """A `movie` document, for libraries without seasons."""
    root = ET.Element("movie")
    _add(root, "title", facts.title)
    _add(root, "premiered", facts.named_after.isoformat())
    _describe(root, facts)
    return _document(root)


def show_nfo(*, title: str, studio: str | None) -> bytes:
    """A `tvshow` document. It does not ask readers to look the show up anywhere: no such database knows it."""
    root = ET.Element("tvshow")
    _add(root, "title", title)
    if studio:
        _add(root, "studio", studio)
    return _document(root)


def _describe(root: ET.Element, facts: VideoFacts) -> None:
    _add(root, "plot", facts.description)
    if facts.duration_seconds is not None:  # told in minutes, as all readers expect
        _add(root, "runtime", str(max(1, round(facts.duration_seconds / 60))))
    _add(root, "uniqueid", facts.id).attrib.update({"type": facts.extractor.lower(), "default": "true"})
    if facts.channel:
        _add(root, "studio", facts.channel)


def _add(root: ET.Element, tag: str, text: str) -> ET.Element:
    element = ET.SubElement(root, tag)
    element.text = _NOT_XML.sub("", text)
    return element


def _document(root: ET.Element) -> bytes:
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"
