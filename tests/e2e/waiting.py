"""Waiting for what a cluster will show in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")

POLL_SECONDS = 1.0
"""Some looks are a kubectl of 0.07 s of CPU, and several tests look at the same time."""


class NeverSeenError(AssertionError):
    """The awaited state did not come in time; the message holds the last state seen."""


def until(what: str, look: Callable[[], Seen], good: Callable[[Seen], bool], *, timeout: float = 120) -> Seen:
    """Look again and again until `good` says yes; return what was seen then.

    Args:
        what: the awaited state in words, for the error message.
        look: returns the present state; an AssertionError of it counts as "not yet".
        good: judges a state.
        timeout: seconds; generous, because machines are shared. Passing never depends on speed.

    Raises:
        NeverSeenError: the time is up.
    """
    deadline = time.monotonic() + timeout
    last: object = "nothing was seen"
    while time.monotonic() < deadline:
        try:
            seen = look()
        except AssertionError as error:
            last = error
        else:
            if good(seen):
                return seen
            last = seen
        time.sleep(POLL_SECONDS)
    raise NeverSeenError(f"{what}: not within {timeout:.0f} s; last seen: {last!r}")


def throughout(what: str, look: Callable[[], Seen], good: Callable[[Seen], bool], *, seconds: float) -> None:
    """Assert that a state holds at every look for a while (for things that must not happen)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = look()
        assert good(seen), f"{what}: {seen!r}"
        time.sleep(POLL_SECONDS)
