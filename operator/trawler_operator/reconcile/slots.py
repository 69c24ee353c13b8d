"""Counts the Jobs that hold slots, in every pass, whatever else of it fails.

A Job that ends must give its slot back, or one Subscription's trouble would stop all others: where the Subscription or
its ledger cannot be read, and where its pods cannot be looked at. Where the Jobs themselves cannot be listed, those
that were there last are believed to run until none of them can: Kubernetes ends each at its deadline.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from trawler_operator.api.spec import DEFAULT_ACTIVE_DEADLINE_SECONDS
from trawler_operator.api.subscription import Key
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.reconcile.ports import ApiError, Clock, KubernetesApi, Manifest, NotLeadingError
from trawler_operator.reconcile.steps.settle import held_slots

logger = logging.getLogger(__name__)

SLACK = timedelta(minutes=10)
"""From the count of a pass to its last creation, and from a deadline until its Job has ended."""


class SlotCounter:
    """Tells admission how many unfinished Jobs there are.

    Args:
        api: the cluster.
        admission: slots for Jobs.
        clock: the time.
    """

    def __init__(self, api: KubernetesApi, admission: Admission, clock: Clock) -> None:
        self._api = api
        self._admission = admission
        self._clock = clock
        self._over_at: dict[Key, datetime] = {}
        """When everything has ended that ran at the last count, or was begun by that pass."""

    def count(
        self,
        key: Key,
        jobs: Mapping[str, Manifest],
        deleted: frozenset[str] = frozenset(),
        longest: int = DEFAULT_ACTIVE_DEADLINE_SECONDS,
    ) -> int:
        """Count what is there.

        Args:
            key: of the Subscription.
            jobs: of it, by name.
            deleted: names of those that were deleted since they were read.
            longest: seconds for which a Job may run that is begun by this pass.

        Returns:
            How many slots it holds.
        """
        held = held_slots(jobs, deleted)
        self._admission.hold(key, held)
        deadlines = [job["spec"].get("activeDeadlineSeconds", longest) for job in jobs.values()]
        self._over_at[key] = self._clock.now() + timedelta(seconds=max([longest, *deadlines])) + SLACK
        return held.total()

    async def look(self, key: Key) -> bool:
        """Count a Subscription's Jobs where nothing else can be done for it. Whether it holds slots, or may do so."""
        try:
            jobs = await self._api.list_jobs(*key)
        except NotLeadingError:
            raise
        except ApiError as error:
            logger.info("the Jobs of %s/%s cannot be counted: %s", *key, error)
            self.lose(key)
            return True
        return self.count(key, {job["metadata"]["name"]: job for job in jobs}) > 0

    def lose(self, key: Key) -> None:
        """The Jobs cannot be listed: those that are known hold their slots until none of them can run any more."""
        now = self._clock.now()
        longest = timedelta(seconds=DEFAULT_ACTIVE_DEADLINE_SECONDS)
        if now >= self._over_at.setdefault(key, now + longest + SLACK):
            self._admission.hold(key, {})

    def forget(self, key: Key) -> None:
        """The Subscription is gone."""
        self._over_at.pop(key, None)
