"""Runs Jobs over volumes, of any kind: one part of an order after the other, each until its answer has come.

A failed Job stays until the next try, which comes after a pause. A Job that does not start, or does not end, is given
up after the same times as a download. If the process is killed at any point, the next one finds the Job by its name and
goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic

from trawler_downloader.contract.volume_job import MAX_LOG_BYTES, Chunk, UnusableChunkError, parse_chunk
from trawler_operator.api.labels import DOWNLOAD_CONTAINER
from trawler_operator.api.reasons import EventReason, message
from trawler_operator.api.subscription import Key
from trawler_operator.api.times import format_time, parse_time
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.gates.route import GateId, volume_gate
from trawler_operator.domain.jobs.cleanup import has_succeeded
from trawler_operator.domain.jobs.containers import download_succeeded
from trawler_operator.domain.jobs.outcome import ObservedOutcome, is_finished, observe_container, observe_outcome
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.line import Line, LineLimits
from trawler_operator.domain.volume_jobs.order import R, VolumeJobOrder, build_volume_job, check_answer
from trawler_operator.domain.volume_jobs.tries import Tries, describe_failure, retry_at, sort_jobs
from trawler_operator.reconcile.job_watcher import JobWatcher, job_not_starting
from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    Event,
    KubernetesApi,
    Manifest,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper

logger = logging.getLogger(__name__)

MAX_RUNNING = 4
"""Jobs at a time on one volume.

They are short and small, but a new cluster asks for one per Subscription. The limit is per volume, so that a sick
volume holds up no other. After a restart, running Jobs are counted as they are looked at, so for a moment there may be
more.
"""
_OTHERS_ENDED = "other Jobs over its volume have ended"


class Standing(StrEnum):
    """State of an order that has no answer yet."""

    WAITS = "waits for a place"
    RUNS = "runs"
    FAILED = "failed, and will be tried again"
    REJECTED = "its Job was refused"
    HELD = "its volume's gate is closed"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """There is no answer yet.

    Args:
        standing: the order's state.
        detail: why, for people; empty: all is as it should be.
        look_at: when to look again if nothing wakes the Subscription.
        gate: what the volume's closed gate means for the Subscription that the order names.
        event: Event about each waiting Subscription, unless its status shows `detail` already.
        created: whether a Job was created just now.
    """

    standing: Standing
    detail: str = ""
    look_at: tuple[datetime, ...] = ()
    gate: Blocker | None = None
    event: Event | None = None
    created: bool = False


@dataclass(frozen=True, slots=True)
class Delivery(Generic[R]):
    """An answer. Its Job is kept until `VolumeJobRunner.delete`, so that a crash before then loses nothing.

    Args:
        chunk: the answer as it came.
        job: the Job that printed it.
    """

    chunk: Chunk[R]
    job: Manifest

    @property
    def began_at(self) -> datetime:
        """When the Job was created, by the API server's clock."""
        return parse_time(self.job["metadata"]["creationTimestamp"])


@dataclass(frozen=True, slots=True)
class _Turn:
    """One look at an order: the order, the Subscription whose place it takes, and the time."""

    order: VolumeJobOrder[Any]
    party: Key | None
    now: datetime

    @property
    def volume(self) -> GateId:
        return volume_gate(f"{self.order.namespace}/{self.order.claim}")


@dataclass(frozen=True, slots=True)
class _End:
    """How a try ended.

    Args:
        pod: the pod of the try; None: it is gone.
        observed: what the ending means.
        well: whether it printed all that it was asked for.
    """

    pod: Manifest | None
    observed: ObservedOutcome
    well: bool


class VolumeJobRunner:
    """Makes Jobs over volumes, and reads what they print.

    Args:
        api: the cluster.
        gatekeeper: knows the volumes that must not be read now.
        watcher: knows what holds Jobs up.
        defaults: the operator's settings.
        wake: asks for a pass over a Subscription, in so many seconds.
    """

    def __init__(
        self,
        api: KubernetesApi,
        gatekeeper: Gatekeeper,
        watcher: JobWatcher,
        defaults: JobDefaults,
        wake: Callable[[Key, float], None],
    ) -> None:
        self._api = api
        self._gatekeeper = gatekeeper
        self._watcher = watcher
        self._defaults = defaults
        self._wake = wake
        self._places: dict[GateId, Line] = {}
        self._volumes: dict[Key, GateId] = {}
        """The volume at whose places each Subscription is, or stands in line."""

    def withdraw(self, party: Key) -> None:
        """Give up the Subscription's place: it wants no Job or must not have one (done, gone, suspended, failed)."""
        volume = self._volumes.pop(party, None)
        if volume is not None:
            self._places[volume].leave(party)

    async def advance(
        self, order: VolumeJobOrder[R], party: Key | None, now: datetime, believe: Callable[[Chunk[R]], None]
    ) -> Delivery[R] | Unfinished:
        """Go one step further with an order.

        Args:
            order: what is wanted.
            party: the Subscription whose place on the volume the Job takes; None: it takes no place, since several wait
                for its answer.
            now: the present.
            believe: raises UnusableChunkError for an answer that cannot be true.

        Returns:
            The answer, or why there is none yet.

        Raises:
            ApiError: the API server did not do its part. A refused Job and an unreadable log are returned instead.
        """
        tries = sort_jobs(await self._api.list_volume_jobs(order.namespace, order.labels), order)
        turn = _Turn(order, party, now)
        for job in tries.stale:
            await self.delete(job)
        end = await self._find_end(tries.present) if tries.present is not None else None
        if tries.present is None or end is None:
            return await self._run(turn, tries)
        try:
            chunk = await self._read(order, tries.present, end, believe)
        except UnusableChunkError as error:
            return await self._try_again(turn, tries, str(error), end.observed.finished_at)
        except UnavailableError as error:
            # The chunk may be fine, so its Job is kept; only asking again helps.
            self._give_up_place(turn)
            return Unfinished(Standing.FAILED, f"the log of its Job cannot be read: {error}")
        return Delivery(chunk, tries.present)

    async def delete(self, job: Manifest) -> None:
        """Delete a Job whose answer was taken over, or is not wanted any more."""
        metadata = job["metadata"]
        await self._api.delete_job(metadata["namespace"], metadata["name"], metadata["uid"])

    async def _run(self, turn: _Turn, tries: Tries) -> Unfinished:
        """Ensure that the Job of a try runs."""
        if tries.present is not None:
            trouble, again = await self._watcher.look(tries.present, turn.now)
            if trouble is not None and trouble.ends_at <= turn.now:
                # Its deadline may not end it: a pod stays for as long as its node is away, or its volume hangs.
                why = describe_failure(trouble.ending(turn.now))
                return await self._try_again(turn, tries, why, trouble.ends_at)
            self._hold_place(turn)
            # Until patience ends, trouble is only shown: a volume that comes back lets the Job run.
            look_at = (again,) if again else ()
            if trouble is None:
                return Unfinished(Standing.RUNS, look_at=look_at)
            event = job_not_starting(tries.present["metadata"]["name"], trouble)
            return Unfinished(Standing.RUNS, trouble.message, look_at, event=event)
        if (held := self._held(turn)) is not None:
            return held
        if not self._take_place(turn):
            return Unfinished(Standing.WAITS, f"waits until {_OTHERS_ENDED}")
        return await self._create(turn, tries.attempt + 1)

    async def _try_again(self, turn: _Turn, tries: Tries, why: str, ended_at: datetime | None) -> Unfinished:
        """Make the next try after a pause, then delete the Job that brought no answer, whether it has a pod or not."""
        failed = tries.present
        assert failed is not None
        at = retry_at(failed, tries.attempt, ended_at, turn.order)
        if at is not None and turn.now < at:
            self._give_up_place(turn)
            return Unfinished(Standing.FAILED, f"{why}; tried again at {format_time(at)}", (at,))
        if (held := self._held(turn)) is not None:
            return held
        if not self._take_place(turn):
            return Unfinished(Standing.FAILED, f"{why}; tried again as soon as {_OTHERS_ENDED}")
        made = await self._create(turn, tries.attempt + 1)
        await self.delete(failed)
        if made.standing is Standing.REJECTED:
            return made
        return Unfinished(Standing.FAILED, f"{why}; tried again now", created=made.created)

    def _held(self, turn: _Turn) -> Unfinished | None:
        """Why the volume must not be touched now; None if it may."""
        held = self._gatekeeper.holds_inventory(turn.order.subscription.key, turn.volume, turn.now)
        if held is None:
            return None
        self._give_up_place(turn)
        return Unfinished(Standing.HELD, look_at=(held[1],), gate=held[0])

    async def _create(self, turn: _Turn, attempt: int) -> Unfinished:
        namespace, manifest = turn.order.namespace, build_volume_job(turn.order, attempt, self._defaults)
        name = manifest["metadata"]["name"]
        try:
            await self._api.create_job(namespace, manifest)
        except AlreadyExistsError:
            # An attempt whose answer was lost made it, or another operator did: nobody else uses its name.
            return Unfinished(Standing.RUNS)
        except RejectedError as error:
            self._give_up_place(turn)
            text = message(EventReason.JOB_REJECTED, job=name, detail=error)
            event = Event(EventReason.JOB_REJECTED, text, warning=True)
            return Unfinished(Standing.REJECTED, str(error), event=event)
        logger.info("created %s Job %s/%s", turn.order.kind.name, namespace, name)
        return Unfinished(Standing.RUNS, created=True)

    async def _find_end(self, job: Manifest) -> _End | None:
        """How a Job's try ended: by the Job, or by its container if another keeps the pod alive; None: it goes on."""
        if is_finished(job):
            pod = await self._api.find_pod(job["metadata"]["namespace"], job["metadata"]["name"])
            return _End(pod, observe_outcome(job, pod), well=has_succeeded(job))
        pod = await self._watcher.find_kept_alive(job)
        return _End(pod, observe_container(pod), well=download_succeeded(pod)) if pod is not None else None

    async def _read(
        self, order: VolumeJobOrder[R], job: Manifest, end: _End, believe: Callable[[Chunk[R]], None]
    ) -> Chunk[R]:
        """The chunk that a Job has printed.

        Raises:
            UnusableChunkError: the Job printed none, or none that can be used.
        """
        namespace, name = order.namespace, job["metadata"]["name"]
        if not end.well:
            raise UnusableChunkError(describe_failure(end.observed))
        if end.pod is None:
            raise UnusableChunkError(f"the pod of Job {name} is gone, and its log with it")
        pod_name = end.pod["metadata"]["name"]
        try:
            log = await self._api.read_log(namespace, pod_name, DOWNLOAD_CONTAINER, MAX_LOG_BYTES)
            chunk = parse_chunk(log, order.kind.record)
            check_answer(chunk, order)
            believe(chunk)
        except (NotFoundError, RejectedError) as error:
            raise UnusableChunkError(f"the log of pod {pod_name} cannot be read: {error}") from error
        except UnusableChunkError as error:
            raise UnusableChunkError(f"the log of pod {pod_name} is of no use: {error}") from error
        return chunk

    def _take_place(self, turn: _Turn) -> bool:
        return turn.party is None or self._places_for(turn.party, turn.volume).take(turn.party)

    def _hold_place(self, turn: _Turn) -> None:
        if turn.party is not None:
            self._places_for(turn.party, turn.volume).hold(turn.party)

    def _give_up_place(self, turn: _Turn) -> None:
        if turn.party is not None:
            self.withdraw(turn.party)

    def _places_for(self, party: Key, volume: GateId) -> Line:
        """The places of the volume that the order names now."""
        if self._volumes.get(party) != volume:
            self.withdraw(party)
        self._volumes[party] = volume
        return self._places.setdefault(volume, Line(LineLimits(MAX_RUNNING), self._wake, time.monotonic))
