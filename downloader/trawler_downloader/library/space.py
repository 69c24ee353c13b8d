"""How much room a download needs on the volume, and how it is told. Pure."""

from __future__ import annotations

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def below_floor(free: int | None, floor: int) -> str | None:
    """Why nothing may be downloaded at all; None when it may.

    Args:
        free: bytes that an ordinary user may still write; None where the file system tells no numbers.
        floor: `library.minFreeBytes`.
    """
    if free is None or free >= floor:
        return None
    return (
        f"{human(free)} are free on the volume, {human(floor)} must stay free (library.minFreeBytes): "
        "remove something, or lower the limit"
    )


def no_room(free: int | None, floor: int, announced: int | None, copies: int) -> str | None:
    """Why this video does not fit; None when it does, or when nobody knows.

    Args:
        free: as above.
        floor: as above.
        announced: bytes of all streams together, as the site tells; None where it does not.
        copies: how many of them are there at once while the video is put together.
    """
    if free is None or announced is None:
        return None
    needed = copies * announced
    if free - floor >= needed:
        return None
    return (
        f"the video is announced with {human(announced)} and needs {human(needed)} while it is put together, and "
        f"{human(floor)} must stay free (library.minFreeBytes), but only {human(free)} are free on the volume"
    )


def human(size: int) -> str:
    """A number of bytes in units of 1024, with one decimal: `1.5 GiB`."""
    if size < 1024:
        return f"{size} bytes"
    value, unit = size / 1024, 0
    while round(value, 1) >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {_UNITS[unit]}"
