"""How much room a download needs, and how that is told."""

from __future__ import annotations

import pytest

from trawler_downloader.library.space import below_floor, human, no_room

GIB = 2**30


@pytest.mark.parametrize(
    ("free", "refused"),
    [
        pytest.param(GIB, False, id="just the floor"),
        pytest.param(GIB - 1, True, id="a byte less than the floor"),
        pytest.param(0, True, id="nothing"),
        pytest.param(None, False, id="a file system that tells no numbers"),
    ],
)
def test_nothing_is_downloaded_below_the_floor(free: int | None, refused: bool) -> None:
    """The floor is what must be left, so having just as much is enough."""
    assert (below_floor(free, GIB) is not None) is refused


def test_without_a_floor_a_full_volume_is_met_while_writing() -> None:
    """Zero means: no limit."""
    assert below_floor(0, 0) is None


@pytest.mark.parametrize(
    ("free", "announced", "refused"),
    [
        pytest.param(3 * GIB, GIB, False, id="floor and both copies"),
        pytest.param(3 * GIB - 1, GIB, True, id="a byte less"),
        pytest.param(3 * GIB, None, False, id="a site that tells no size"),
        pytest.param(None, GIB, False, id="a file system that tells no numbers"),
        pytest.param(GIB, 0, False, id="an empty announcement"),
    ],
)
def test_a_video_must_fit_twice_above_the_floor(free: int | None, announced: int | None, refused: bool) -> None:
    """Merging needs room for the streams and for the finished file."""
    assert (no_room(free, GIB, announced, 2) is not None) is refused


def test_the_numbers_are_told_in_units_for_people() -> None:
    """With the field that changes them."""
    assert below_floor(300 * 2**20, GIB) == (
        "300.0 MiB are free on the volume, 1.0 GiB must stay free (library.minFreeBytes): "
        "remove something, or lower the limit"
    )
    assert no_room(2 * GIB, GIB, GIB + GIB // 2, 2) == (
        "the video is announced with 1.5 GiB and needs 3.0 GiB while it is put together, and "
        "1.0 GiB must stay free (library.minFreeBytes), but only 2.0 GiB are free on the volume"
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (2**20 - 1, "1.0 MiB"),
        (5 * 2**40, "5.0 TiB"),
        (2**60, "1.0 EiB"),
        (2**71, "2048.0 EiB"),
    ],
)
def test_sizes_are_rounded_to_one_decimal(size: int, text: str) -> None:
    """And never read `1024.0 KiB`."""
    assert human(size) == text
