"""How much room a download needs, and how that is told."""

from __future__ import annotations

import pytest

from trawler_downloader.library.space import Room, below_floor, floor_of, human, no_room

GIB = 2**30


def volume(free: int | None, size: int = 1000 * GIB) -> Room | None:
    """What a volume tells; None where it tells no numbers."""
    return None if free is None else Room(free, size)


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
    assert (below_floor(volume(free), GIB) is not None) is refused


def test_without_a_floor_a_full_volume_is_met_while_writing() -> None:
    """Zero means: no limit."""
    assert below_floor(volume(0), 0) is None


@pytest.mark.parametrize(
    ("size", "wish", "floor"),
    [
        pytest.param(100 * GIB, None, 5 * GIB, id="a small volume: 5 %"),
        pytest.param(1000 * GIB, None, 50 * GIB, id="where both are the same"),
        pytest.param(8 * 2**40, None, 50 * GIB, id="a large volume: 50 GiB"),
        pytest.param(100 * GIB, 90 * GIB, 90 * GIB, id="a wish is what is wished"),
        pytest.param(100 * GIB, 0, 0, id="no floor is a wish, too"),
    ],
)
def test_the_floor_is_the_wish_or_follows_from_the_volumes_size(size: int, wish: int | None, floor: int) -> None:
    """The smaller of 5 % and 50 GiB."""
    assert floor_of(Room(0, size), wish) == floor


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
    assert (no_room(volume(free), GIB, announced, 2) is not None) is refused


def test_the_numbers_are_told_in_units_for_people() -> None:
    """With the field that changes them."""
    assert below_floor(volume(300 * 2**20), GIB) == (
        "300.0 MiB are free on the volume, 1.0 GiB must stay free (spec.library.minFree): "
        "remove something, or set it lower"
    )
    assert no_room(volume(2 * GIB), GIB, GIB + GIB // 2, 2) == (
        "the video is announced with 1.5 GiB and needs 3.0 GiB while it is put together, and "
        "1.0 GiB must stay free (spec.library.minFree), but only 2.0 GiB are free on the volume"
    )


def test_a_floor_that_nobody_set_says_where_it_comes_from() -> None:
    """Else people look for it in a spec that does not have it."""
    assert below_floor(Room(GIB, 100 * GIB), None) == (
        "1.0 GiB are free on the volume, 5.0 GiB must stay free (spec.library.minFree is not set: the smaller of 5 % "
        "of the volume and 50 GiB): remove something, or set it lower"
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
