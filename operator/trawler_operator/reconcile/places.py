"""How many Subscriptions do a thing at a time: listings, inventories. Who finds no place stands in line, to be woken.

Nobody waits inside: a worker that did could not settle ended Jobs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from trawler_operator.api.subscription import Key


class Places:
    """So many places, and the line before them.

    Args:
        limit: places.
        wake: asks for a pass over the first in line.
    """

    def __init__(self, limit: int, wake: Callable[[Key], None]) -> None:
        self._limit = limit
        self._wake = wake
        self._held: set[Key] = set()
        self._line: OrderedDict[Key, None] = OrderedDict()

    def take(self, key: Key) -> bool:
        """Take a place, or keep it; False: none is free, it stands in line."""
        if key not in self._held and len(self._held) >= self._limit:
            self._line.setdefault(key)
            return False
        self.hold(key)
        return True

    def hold(self, key: Key) -> None:
        """It has a place, whoever allowed that."""
        self._held.add(key)
        self._line.pop(key, None)

    def leave(self, key: Key) -> None:
        """It neither has a place nor wants one (done, suspended, deleted, failed): the line must not wait for it."""
        self._held.discard(key)
        self._line.pop(key, None)
        if self._line and len(self._held) < self._limit:
            self._wake(next(iter(self._line)))
