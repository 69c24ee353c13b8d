"""NFO documents."""

from datetime import date
from xml.etree import ElementTree as ET

from trawler_downloader.library.layouts import EpisodeNumber
from trawler_downloader.library.manifest import VideoFacts
from trawler_downloader.library.nfo import episode_nfo, movie_nfo, show_nfo

FACTS = VideoFacts(
    extractor="Youtube",
    id="dQw4w9WgXcQ",
    url="https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    title="A & B <c>",
    channel="A channel",
    named_after=date(2024, 12, 25),
    duration_seconds=125.0,
    description="Two\nlines",
)


def elements(document):
    return {element.tag: element.text for element in ET.fromstring(document)}


def test_an_episode_tells_its_place_in_the_show():
    document = episode_nfo(FACTS, "A show", EpisodeNumber(date(2024, 12, 25), 2))
    assert document.startswith(b"<?xml version='1.0' encoding='utf-8'?>\n<episodedetails>")
    assert elements(document) == {
        "title": "A & B <c>",
        "showtitle": "A show",
        "season": "24",
        "episode": "122502",
        "aired": "2024-12-25",
        "plot": "Two\nlines",
        "runtime": "2",
        "uniqueid": "dQw4w9WgXcQ",
        "studio": "A channel",
    }
    assert ET.fromstring(document).find("uniqueid").attrib == {"type": "youtube", "default": "true"}


def test_a_movie_has_no_season():
    document = movie_nfo(FACTS.model_copy(update={"channel": None, "duration_seconds": None}))
    assert ET.fromstring(document).tag == "movie"
    assert set(elements(document)) == {"title", "premiered", "plot", "uniqueid"}


def test_a_runtime_is_never_nothing():
    assert elements(movie_nfo(FACTS.model_copy(update={"duration_seconds": 9.0})))["runtime"] == "1"


def test_characters_that_xml_cannot_hold_are_left_out():
    """A document that cannot be parsed would be worse than a title without a bell."""
    facts = FACTS.model_copy(update={"title": "a\x07\x00b\ufffe\ud800💥"})
    assert elements(movie_nfo(facts))["title"] == "ab💥"


def test_a_show_has_a_title_and_perhaps_a_studio():
    assert elements(show_nfo(title="A show", studio="S")) == {"title": "A show", "studio": "S"}
    assert elements(show_nfo(title="A show", studio=None)) == {"title": "A show"}
