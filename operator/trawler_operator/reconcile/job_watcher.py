"""Looks at Jobs that are not finished: what holds them up, and the Event about that."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from trawler_operator.api.reasons import NEVER_STARTED, EventReason, message
from trawler_operator.domain.jobs.containers import is_kept_alive, may_be_kept_alive
from trawler_operator.domain.jobs.start_trouble import (
    LOOK_AT_STARTING,
    Patience,
    Trouble,
    find_stuck_deletion,
    find_trouble,
    first_look,
)
from trawler_operator.reconcile.ports import Event, KubernetesApi, Manifest
from trawler_operator.reconcile.subject import Subject


class JobWatcher:
    """Looks at the pods of live Jobs: what holds a Job up, by our own clock, and whether its download has ended.

    Args:
        api: the cluster.
        patience: chart values.
    """

    def __init__(self, api: KubernetesApi, patience: Patience) -> None:
        self._api = api
        self._patience = patience

    async def find_kept_alive(self, job: Manifest) -> Manifest | None:
        """The pod of a live Job whose download has ended while another container keeps it alive; None if it goes on."""
        if not may_be_kept_alive(job):
            return None
        pod = await self._api.find_pod(job["metadata"]["namespace"], job["metadata"]["name"])
        return pod if pod is not None and is_kept_alive(pod) else None

    async def look(self, job: Manifest, now: datetime) -> tuple[Trouble | None, datetime | None]:
        """What holds a live Job up, if it must be shown by now, and when to look at the Job again."""
        look = first_look(job, self._patience)
        if look is None:
            return None, None
        look += self._api.clock_ahead
        if now < look:
            return None, min(look, now + LOOK_AT_STARTING)
        metadata = job["metadata"]
        pod = await self._api.find_pod(metadata["namespace"], metadata["name"])
        trouble = self._by_our_clock(find_trouble(job, pod, self._patience))
        if trouble is None:
            return None, None
        if trouble.shown_at > now:
            return None, trouble.shown_at
        return trouble, trouble.ends_at if trouble.ends_at > now else None

    def stuck_deletion(self, job: Manifest) -> Trouble | None:
        """What it means that a Job whose name is needed is being deleted; None if it is not being deleted."""
        return self._by_our_clock(find_stuck_deletion(job, self._patience))

    def _by_our_clock(self, trouble: Trouble | None) -> Trouble | None:
        """The trouble with its times by our clock.

        Patience counts from the API server's stamps. If our clock is ahead of these, it must not end patience at first
        sight.
        """
        if trouble is None:
            return None
        shown_at, ends_at = (at + self._api.clock_ahead for at in (trouble.shown_at, trouble.ends_at))
        return replace(trouble, shown_at=shown_at, ends_at=ends_at)


def job_not_starting(job: str, trouble: Trouble) -> Event | None:
    """The Event of a Job that does not come to run; None for other trouble."""
    if trouble.reason not in NEVER_STARTED:
        return None
    text = message(EventReason.JOB_NOT_STARTING, job=job, detail=trouble.message)
    return Event(EventReason.JOB_NOT_STARTING, text, warning=True)


def unless_said(subject: Subject, event: Event | None, detail: str) -> tuple[Event, ...]:
    """An Event about something that lasts, unless the status shows it already: so no later pass repeats it.

    Args:
        subject: the Subscription.
        event: the Event; None: there is none.
        detail: the text by which the status shows it.
    """
    said = any(detail in condition.message for condition in subject.subscription.status.conditions)
    return () if event is None or said else (event,)
