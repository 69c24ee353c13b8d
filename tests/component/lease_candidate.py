"""An operator that wants the Lease, on a clock that moves only as it waits."""

from __future__ import annotations

from trawler_operator.adapters.kubernetes.client import KubernetesClient
from trawler_operator.adapters.kubernetes.lease import Lease
from trawler_operator.domain.leadership import LeaseTerms

DURATION = 15


class EnoughError(Exception):
    """Ends a loop that would go on for ever."""


class Candidate:
    """An operator's Lease; its loops end after some pauses.

    Args:
        requests: to the API server.
        name: its identity.
        now: what its clock shows first.
        namespace: of the Lease, whose name is "trawler".
    """

    def __init__(self, requests: KubernetesClient, name: str, now: float, namespace: str = "trawler") -> None:
        self.now = now
        self.pauses = 0
        self.lease = Lease(requests, namespace, "trawler", name, LeaseTerms(DURATION), lambda: self.now, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        if self.pauses == 0:
            raise EnoughError
        self.pauses -= 1
        self.now += seconds

    async def acquire(self, pauses: int = 0) -> bool:
        """Try, with so many pauses in between."""
        self.pauses = pauses
        try:
            await self.lease.acquire()
        except EnoughError:
            return False
        return True

    async def keep(self, pauses: int = 1) -> None:
        """Renew, with so many pauses in between."""
        self.pauses = pauses
        try:
            await self.lease.keep()
        except EnoughError:
            return
