"""How many Jobs work over one volume at a time. Who finds no place stands in line, to be woken.

Nobody waits inside: a worker that did could not settle ended Jobs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice


@dataclass(frozen=True, slots=True)
class Party:
    """Who wants a Job over a volume.

    Args:
        name: tells it from all others.
        wake: asks for a look at it.
    """

    name: str
    wake: Callable[[], None] = field(compare=False)


class VolumePlaces:
    """So many places, and the line before them.

    Args:
        limit: places.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: set[Party] = set()
        self._line: OrderedDict[Party, None] = OrderedDict()

    def take(self, party: Party) -> bool:
        """Take a place, or keep it; False: none is free, it stands in line."""
        if party not in self._held and len(self._held) >= self._limit:
            self._line.setdefault(party)
            return False
        self.hold(party)
        return True

    def hold(self, party: Party) -> None:
        """It has a place, whoever allowed that."""
        self._held.add(party)
        self._line.pop(party, None)

    def leave(self, party: Party) -> None:
        """It neither has a place nor wants one (done, suspended, deleted, failed): the line must not wait for it.

        As many are woken as places are free: those who were woken before may not have come yet.
        """
        self._held.discard(party)
        self._line.pop(party, None)
        for first in list(islice(self._line, max(0, self._limit - len(self._held)))):
            first.wake()
