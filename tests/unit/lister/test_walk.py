"""What a walk makes of entries as hostile sites send them; the rest is shown with the real yt-dlp and the stand-in."""

from __future__ import annotations

from typing import Any

import pytest

from trawler_downloader.contract.listing import EntryLine, ListingEnd, ListRequest, SourceLine
from trawler_downloader.lister.sources import NotAListingError
from trawler_downloader.lister.walk import Progress, walk

URL = "https://media.example/list"


class FakeEngine:
    """Answers with one result."""

    no_more_requests = False

    def __init__(self, result: dict[str, Any]) -> None:
        self._result = result

    def extractor_for(self, _: str) -> None:
        return None

    def extract(self, _: str) -> dict[str, Any]:
        return self._result


def walked(result: dict[str, Any]) -> tuple[list[SourceLine | EntryLine], Progress]:
    lines: list[SourceLine | EntryLine] = []
    progress = Progress()
    assert walk(ListRequest(url=URL), FakeEngine(result), lines.append, progress) is ListingEnd.COMPLETE  # type: ignore[arg-type]
    return lines, progress


@pytest.mark.parametrize(
    ("long", "named"),
    [
        pytest.param({"id": "b", "url": f"{URL}/" + "u" * 3000, "title": "Long"}, "Long", id="URL"),
        pytest.param({"id": "é" * 1500, "url": URL}, "é" * 500, id="id"),
        pytest.param(
            {"id": None, "url": f"{URL}/" + "u" * 100_000}, (f"{URL}/" + "u" * 500)[:500], id="URL, and no name"
        ),
    ],
)
def test_an_entry_that_fits_in_no_ledger(long: dict[str, Any], named: str) -> None:
    """Never cut: it would be another video. It is left out, counted, and the first is named."""
    entries = [{"id": "a", "url": f"{URL}/a"}, long, {**long, "id": "x" * 3000}, {"id": "c", "url": f"{URL}/c"}]
    lines, progress = walked({"id": "l", "extractor_key": "Generic", "entries": entries})

    assert [line.id for line in lines[1:]] == ["a", "c"]
    assert (progress.omitted, progress.omitted_example) == (2, named)


def test_everything_at_its_longest() -> None:
    """Names and words are cut, nonsense is left away; every line is one that the operator takes."""
    long, number = "\ud83c\udfac\ud800é\0" * 10_000, float("inf")
    entry = {
        "id": "a",
        "url": f"{URL}/a",
        "ie_key": "x" * 1000,
        **dict.fromkeys(("title", "live_status", "availability"), long),
        **dict.fromkeys(("duration", "timestamp", "release_timestamp"), number),
    }
    result = {"id": long, "title": long, "webpage_url": f"{URL}/" + long, "extractor_key": long, "entries": [entry]}
    (source, listed), _ = walked(result)

    assert SourceLine.model_validate_json(source.to_json()) == source
    assert EntryLine.model_validate_json(listed.to_json()) == listed


def test_a_single_video_that_fits_in_no_ledger() -> None:
    """Nothing to subscribe to, and why."""
    with pytest.raises(NotAListingError, match="too long"):
        walked({"id": "i" * 3000, "extractor_key": "Generic", "webpage_url": URL})
