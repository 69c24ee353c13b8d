"""How much room a download needs on the volume, and how it is told. Pure."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_DEFAULT_FLOOR = 50 * 2**30
"""A twentieth of a large NAS would be more than anybody wants to keep free."""
_DEFAULT_SHARE = 20
"""A twentieth, 5 %: file systems slow down and fall to pieces when they are fuller."""
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


@dataclass(frozen=True, slots=True)
class Room:
    """What a file system tells of itself.

    Args:
        free: bytes that an ordinary user may still write.
        size: bytes of all of it.
    """

    free: int
    size: int


def floor_of(room: Room, wish: int | None) -> int:
    """Bytes that downloads leave free.

    Args:
        room: of the volume.
        wish: `spec.library.minFree` in bytes, 0 for no floor; None where the spec says nothing: the smaller of 5 % of
            the volume and 50 GiB.
    """
    return min(room.size // _DEFAULT_SHARE, LARGEST_DEFAULT_FLOOR) if wish is None else wish


def below_floor(room: Room | None, wish: int | None) -> str | None:
    """Why nothing may be downloaded at all; None when it may.

    Args:
        room: of the volume; None where the file system tells no numbers.
        wish: as above.
    """
    if room is None or room.free >= floor_of(room, wish):
        return None
    return (
        f"{human(room.free)} are free on the volume, {_floor_in_words(room, wish)}: remove something, or set it lower"
    )


def no_room(room: Room | None, wish: int | None, announced: int | None, copies: int) -> str | None:
    """Why this video does not fit; None when it does, or when nobody knows.

    Args:
        room: as above.
        wish: as above.
        announced: bytes of all streams together, as the site tells; None where it does not.
        copies: how many of them are there at once while the video is put together.
    """
    if room is None or announced is None:
        return None
    needed = copies * announced
    if room.free - floor_of(room, wish) >= needed:
        return None
    return (
        f"the video is announced with {human(announced)} and needs {human(needed)} while it is put together, and "
        f"{_floor_in_words(room, wish)}, but only {human(room.free)} are free on the volume"
    )


def _floor_in_words(room: Room, wish: int | None) -> str:
    origin = "spec.library.minFree"
    if wish is None:
        origin += " is not set: the smaller of 5 % of the volume and 50 GiB"
    return f"{human(floor_of(room, wish))} must stay free ({origin})"


def human(size: int) -> str:
    """A number of bytes in units of 1024, with one decimal: `1.5 GiB`."""
    if size < 1024:
        return f"{size} bytes"
    value, unit = size / 1024, 0
    while round(value, 1) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}"
