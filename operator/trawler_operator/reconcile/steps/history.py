"""Before the first listing: a ledger that has no shard is made from the manifests on the volume.

One Job after the other prints a chunk; a chunk's entries are written, then the mark that says how far that came, then
the Job is deleted. Killed anywhere in between, the next process finds the Job, reads it again, and knows the entries.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from trawler_downloader.contract.inventory import MAX_LOG_BYTES, Chunk, UnusableChunkError, parse_chunk
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.labels import DOWNLOAD_CONTAINER
from trawler_operator.api.reasons import ConditionReason, EventReason, message
from trawler_operator.api.subscription import Key
from trawler_operator.api.times import format_time
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.gates.route import GateId
from trawler_operator.domain.history.inventory import (
    InventoryJobs,
    Progress,
    build_inventory_job,
    check_chunk,
    describe_failure,
    find_progress,
    mark_after,
    rebuilt_entries,
    remembered_requests,
    retry_at,
    sort_jobs,
    started_sources,
)
from trawler_operator.domain.jobs.cleanup import has_succeeded
from trawler_operator.domain.jobs.containers import download_succeeded
from trawler_operator.domain.jobs.outcome import ObservedOutcome, is_finished, observe_container, observe_outcome
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.line import Line, LineLimits
from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    Event,
    KubernetesApi,
    Manifest,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from trawler_operator.reconcile.steps.settle import JobWatcher, job_not_starting, unless_said
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerStore
from trawler_operator.reconcile.subject import Subject

logger = logging.getLogger(__name__)

MAX_RUNNING = 4
"""Inventory Jobs at a time on one volume: short and small, but a new cluster asks for one per Subscription. Per volume,
so that one that is sick holds up no other. After a restart those that run are counted as their Subscriptions are looked
at, so for a moment there may be more."""
MAX_NAMED = 5
_OTHERS_ENDED = "other inventories of its volume have ended"


@dataclass(frozen=True, slots=True)
class Restored:
    """How far a history has come back.

    Args:
        complete: it is all there: before that, nothing may be listed or launched.
        blocker: what Ready says meanwhile.
        look_at: when to look again, where nothing wakes the Subscription.
        events: about the Subscription.
    """

    complete: bool
    blocker: Blocker | None = None
    look_at: tuple[datetime, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class _End:
    """How a try ended.

    Args:
        pod: that tried; None: it is gone.
        observed: what that means.
        well: it printed all that it was asked for.
    """

    pod: Manifest | None
    observed: ObservedOutcome
    well: bool


class Historian:
    """Makes lost ledgers anew.

    Args:
        api: the cluster.
        store: writes the ledger.
        gatekeeper: knows the volumes that must not be read now.
        watcher: knows what holds Jobs up.
        wake: asks for a pass over a Subscription, in so many seconds.
    """

    def __init__(
        self,
        api: KubernetesApi,
        store: LedgerStore,
        gatekeeper: Gatekeeper,
        watcher: JobWatcher,
        wake: Callable[[Key, float], None],
    ) -> None:
        self._api = api
        self._store = store
        self._gatekeeper = gatekeeper
        self._watcher = watcher
        self._wake = wake
        self._places: dict[GateId, Line] = {}
        self._volumes: dict[Key, GateId] = {}
        """At whose places each Subscription is, or stands in line."""

    def withdraw(self, key: Key) -> None:
        """It has no inventory, or must not have one (done, gone, suspended, broken, failed): no line waits for it."""
        volume = self._volumes.pop(key, None)
        if volume is not None:
            self._places[volume].leave(key)

    def _places_for(self, subject: Subject) -> Line:
        """Those of the Subscription's volume: the one that its spec names now."""
        key, volume = subject.key, subject.volume
        if self._volumes.get(key) != volume:
            self.withdraw(key)
        self._volumes[key] = volume
        return self._places.setdefault(volume, Line(LineLimits(MAX_RUNNING), self._wake, time.monotonic))

    async def restore(self, subject: Subject, ledger: Ledger, *, may_run: bool) -> Restored:
        """Go one step further towards a whole ledger.

        Args:
            subject: the Subscription.
            ledger: as it is.
            may_run: Jobs may be created.
        """
        progress = find_progress(ledger, subject.claim)
        if progress is None or not may_run:
            self.withdraw(subject.key)
            return Restored(complete=progress is None)
        jobs = sort_jobs(await self._api.list_inventory_jobs(*subject.key), subject.subscription, progress)
        events: tuple[Event, ...] = ()
        while True:
            for job in jobs.stale:
                await self._delete(job)
            end = await self._find_end(jobs.present) if jobs.present is not None else None
            if jobs.present is None or end is None:
                step = await self._run(subject, ledger, progress, jobs)
                return replace(step, events=(*events, *step.events))
            try:
                chunk = await self._read(subject, progress, jobs.present, end)
            except UnusableChunkError as error:
                step = await self._try_again(subject, progress, jobs, str(error), end.observed.finished_at)
                return replace(step, events=(*events, *step.events))
            except UnavailableError as error:
                # The chunk may be fine, so it is kept; nothing but asking again helps.
                self.withdraw(subject.key)
                detail = f"the log of its Job cannot be read: {error}"
                return Restored(
                    complete=False, blocker=_blocker(ConditionReason.INVENTORY_FAILED, detail), events=events
                )
            events += await self._write(subject, ledger, progress, chunk)
            await self._delete(jobs.present)
            progress = find_progress(ledger, subject.claim)
            if progress is None:
                self.withdraw(subject.key)
                return Restored(complete=True, events=(*events, *_rebuilt(ledger)))
            jobs = InventoryJobs(0, None, ())

    async def _run(self, subject: Subject, ledger: Ledger, progress: Progress, jobs: InventoryJobs) -> Restored:
        """See that the Job of the next chunk runs."""
        so_far = f"{len(ledger)} videos so far"
        if jobs.present is not None:
            trouble, again = await self._watcher.look(jobs.present, subject.now)
            if trouble is not None and trouble.ends_at <= subject.now:
                # Its deadline need not end it: a pod stays for as long as its node is away, or its volume hangs.
                why = describe_failure(trouble.ending(subject.now))
                return await self._try_again(subject, progress, jobs, why, trouble.ends_at)
            self._places_for(subject).hold(subject.key)
            # Until then only shown: a volume that comes back lets it run.
            name = jobs.present["metadata"]["name"]
            events = tuple(job_not_starting(subject, name, trouble)) if trouble is not None else ()
            shown = _blocker(ConditionReason.REBUILDING_HISTORY, trouble.message if trouble is not None else so_far)
            return Restored(complete=False, blocker=shown, look_at=(again,) if again else (), events=events)
        held = self._gatekeeper.holds_inventory(subject.key, subject.volume, subject.now)
        if held is not None:
            self.withdraw(subject.key)
            return Restored(complete=False, blocker=held[0], look_at=(held[1],))
        if self._places_for(subject).take(subject.key):
            refused, events = await self._create(subject, progress, jobs.attempt + 1)
            shown = refused or _blocker(ConditionReason.REBUILDING_HISTORY, so_far)
            return Restored(complete=False, blocker=shown, events=events)
        return Restored(
            complete=False, blocker=_blocker(ConditionReason.REBUILDING_HISTORY, f"waits until {_OTHERS_ENDED}")
        )

    async def _create(
        self, subject: Subject, progress: Progress, attempt: int
    ) -> tuple[Blocker | None, tuple[Event, ...]]:
        """Create the Job of a try; what keeps it from being created, if anything does."""
        namespace = subject.key[0]
        manifest = build_inventory_job(
            subject.subscription, progress, attempt, subject.policy.defaults, one_node=subject.one_node
        )
        try:
            await self._api.create_job(namespace, manifest)
        except AlreadyExistsError:
            return None, ()  # of an attempt whose answer was lost: its name is nobody else's
        except RejectedError as error:
            self.withdraw(subject.key)
            text = message(EventReason.JOB_REJECTED, job=manifest["metadata"]["name"], detail=error)
            event = Event(EventReason.JOB_REJECTED, text, warning=True)
            return _blocker(ConditionReason.JOB_REJECTED, str(error)), tuple(unless_said(subject, event, str(error)))
        logger.info("created inventory Job %s/%s", namespace, manifest["metadata"]["name"])
        return None, ()

    async def _find_end(self, job: Manifest) -> _End | None:
        """How a Job's try ended, by the Job, or by its container where another one keeps the pod alive."""
        if is_finished(job):
            pod = await self._api.find_pod(job["metadata"]["namespace"], job["metadata"]["name"])
            return _End(pod, observe_outcome(job, pod), well=has_succeeded(job))
        pod = await self._watcher.find_kept_alive(job)
        return _End(pod, observe_container(pod), well=download_succeeded(pod)) if pod is not None else None

    async def _read(self, subject: Subject, progress: Progress, job: Manifest, end: _End) -> Chunk:
        """The chunk that a Job has printed.

        Raises:
            UnusableChunkError: it printed none, or none that came through.
        """
        namespace, name = subject.key[0], job["metadata"]["name"]
        if not end.well:
            raise UnusableChunkError(describe_failure(end.observed))
        if end.pod is None:
            raise UnusableChunkError(f"the pod of Job {name} is gone, and its log with it")
        pod_name = end.pod["metadata"]["name"]
        try:
            log = await self._api.read_log(namespace, pod_name, DOWNLOAD_CONTAINER, MAX_LOG_BYTES)
            chunk = parse_chunk(log)
            check_chunk(chunk, subject.subscription, progress)
        except (NotFoundError, RejectedError) as error:
            raise UnusableChunkError(f"the log of pod {pod_name} cannot be read: {error}") from error
        except UnusableChunkError as error:
            raise UnusableChunkError(f"the log of pod {pod_name} is of no use: {error}") from error
        return chunk

    async def _try_again(
        self, subject: Subject, progress: Progress, jobs: InventoryJobs, why: str, ended_at: datetime | None
    ) -> Restored:
        """A Job was of no use: the next try after a pause, then away with this one, be its pod there or not."""
        failed = jobs.present
        assert failed is not None
        at = retry_at(failed, jobs.attempt, ended_at, subject.subscription, subject.policy.defaults)
        if at is not None and subject.now < at:
            self.withdraw(subject.key)
            return Restored(
                complete=False,
                blocker=_blocker(ConditionReason.INVENTORY_FAILED, f"{why}; tried again at {format_time(at)}"),
                look_at=(at,),
            )
        held = self._gatekeeper.holds_inventory(subject.key, subject.volume, subject.now)
        if held is not None:
            self.withdraw(subject.key)
            return Restored(complete=False, blocker=held[0], look_at=(held[1],))
        shown = _blocker(ConditionReason.INVENTORY_FAILED, f"{why}; tried again as soon as {_OTHERS_ENDED}")
        if self._places_for(subject).take(subject.key):
            refused, events = await self._create(subject, progress, jobs.attempt + 1)
            await self._delete(failed)
            return Restored(complete=False, blocker=refused or shown, events=events)
        return Restored(complete=False, blocker=shown)

    async def _write(self, subject: Subject, ledger: Ledger, progress: Progress, chunk: Chunk) -> tuple[Event, ...]:
        """The mark that it goes on before the first entry, the entries, the mark how far it came."""

        def begin(ledger: Ledger) -> Changes:
            begun = ledger.has_shards or find_progress(ledger, progress.claim) != progress
            return Changes() if begun else Changes(inventory=progress.to_text())

        def add(ledger: Ledger) -> Changes:
            if find_progress(ledger, progress.claim) != progress:
                return Changes()  # another operator was quicker
            volume_id = chunk.header.volume_id
            return Changes(
                entries=rebuilt_entries(chunk.records, ledger.knows, progress.claim, subject.now),
                started_sources=started_sources(chunk.records, format_time(subject.now)),
                volumes={progress.claim: volume_id} if volume_id else {},
                requests=remembered_requests(subject.subscription.status),
                inventory=mark_after(progress, chunk),
            )

        if chunk.records:
            await self._store.commit(subject.subscription, ledger, begin)
        await self._store.commit(subject.subscription, ledger, add)
        trailer = chunk.trailer
        logger.info("%s/%s: %d manifests read, %d unreadable", *subject.key, trailer.count, trailer.unreadable)
        if not trailer.unreadable:
            return ()
        names = ", ".join(trailer.unreadable_names[:MAX_NAMED])
        logger.warning("%s/%s: unreadable: %s", *subject.key, "; ".join(trailer.unreadable_names))
        text = message(EventReason.MANIFEST_UNREADABLE, count=trailer.unreadable, names=names)
        return (Event(EventReason.MANIFEST_UNREADABLE, text, warning=True),)

    async def _delete(self, job: Manifest) -> None:
        metadata = job["metadata"]
        await self._api.delete_job(metadata["namespace"], metadata["name"], metadata["uid"])


def _rebuilt(ledger: Ledger) -> tuple[Event, ...]:
    """Said once the history is all there, if there is any."""
    if not len(ledger):
        return ()
    counts = ledger.counts
    downloaded, removed = counts[LedgerState.SUCCEEDED], counts[LedgerState.SKIPPED]
    text = message(EventReason.HISTORY_REBUILT, downloaded=downloaded, removed=removed)
    return (Event(EventReason.HISTORY_REBUILT, text),)


def _blocker(reason: ConditionReason, detail: str) -> Blocker:
    return Blocker(reason, message(reason, detail=detail))
