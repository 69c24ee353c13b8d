"""Before the first listing: a ledger that has no shard is made from the manifests on the volume.

One Job after the other prints a chunk; a chunk's entries are written, then the mark that says how far that came, then
the Job is deleted. Killed anywhere in between, the next process finds the Job, reads it again, and knows the entries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
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
from trawler_operator.domain.jobs.outcome import is_finished, observe_outcome
from trawler_operator.domain.jobs.settings import claim_name
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.reconcile.observation import Pass, Policy
from trawler_operator.reconcile.places import Places
from trawler_operator.reconcile.ports import (
    AlreadyExistsError,
    Event,
    KubernetesApi,
    Manifest,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from trawler_operator.reconcile.steps.settle import look_for_trouble
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerStore

logger = logging.getLogger(__name__)

MAX_RUNNING = 4
"""Inventory Jobs at a time on one volume: short and small, but a new cluster asks for one per Subscription. Per volume,
so that one that is sick holds up no other. After a restart those that run are counted as their Subscriptions are looked
at, so for a moment there may be more."""
MAX_NAMED = 5
_OTHERS_ENDED = "other inventories of its volume have ended"


class Historian:
    """Makes lost ledgers anew.

    Args:
        api: the cluster.
        store: writes the ledger.
        gatekeeper: knows the volumes that must not be read now.
        policy: chart values.
        wake: asks for a pass over a Subscription.
    """

    def __init__(
        self,
        api: KubernetesApi,
        store: LedgerStore,
        gatekeeper: Gatekeeper,
        policy: Policy,
        wake: Callable[[Key], None],
    ) -> None:
        self._api = api
        self._store = store
        self._gatekeeper = gatekeeper
        self._policy = policy
        self._wake = wake
        self._places: dict[GateId, Places] = {}
        self._volumes: dict[Key, GateId] = {}
        """At whose places each Subscription is, or stands in line."""

    def withdraw(self, key: Key) -> None:
        """It has no inventory, or must not have one (done, gone, suspended, broken, failed): no line waits for it."""
        volume = self._volumes.pop(key, None)
        if volume is not None:
            self._places[volume].leave(key)

    def _places_for(self, current: Pass) -> Places:
        """Those of the Subscription's volume: the one that its spec names now."""
        key, volume = current.key, current.volume
        if self._volumes.get(key) != volume:
            self.withdraw(key)
        self._volumes[key] = volume
        return self._places.setdefault(volume, Places(MAX_RUNNING, self._wake))

    async def restore(self, current: Pass, *, may_run: bool) -> bool:
        """Go one step further towards a whole ledger.

        Args:
            current: the pass; gets `history_missing`, `blocker` and `events`.
            may_run: Jobs may be created.

        Returns:
            Whether the history is all there: before that, nothing may be listed.
        """
        claim = claim_name(current.subscription.spec, self._policy.defaults)
        progress = find_progress(current.ledger, claim)
        current.history_missing = progress is not None
        if progress is None or not may_run:
            self.withdraw(current.key)
            return progress is None
        jobs = sort_jobs(await self._api.list_inventory_jobs(*current.key), current.subscription, progress)
        while True:
            for job in jobs.stale:
                await self._delete(job)
            if jobs.present is None or not is_finished(jobs.present):
                await self._run(current, progress, jobs)
                return False
            try:
                chunk = await self._read(current, progress, jobs.present)
            except UnusableChunkError as error:
                ended_at = observe_outcome(jobs.present, None).finished_at
                await self._try_again(current, progress, jobs, str(error), ended_at)
                return False
            except UnavailableError as error:
                # The chunk may be fine, so it is kept; nothing but asking again helps.
                self.withdraw(current.key)
                self._say(current, ConditionReason.INVENTORY_FAILED, f"the log of its Job cannot be read: {error}")
                return False
            await self._write(current, progress, chunk)
            await self._delete(jobs.present)
            progress = find_progress(current.ledger, claim)
            if progress is None:
                return self._finish(current)
            jobs = InventoryJobs(0, None, ())

    async def _run(self, current: Pass, progress: Progress, jobs: InventoryJobs) -> None:
        """See that the Job of the next chunk runs."""
        if jobs.present is not None:
            trouble = await look_for_trouble(current, self._api, jobs.present, self._policy)
            if trouble is not None and trouble.ends_at <= current.now:
                # Its deadline need not end it: a pod stays for as long as its node is away, or its volume hangs.
                why = describe_failure(trouble.ending(current.now))
                await self._try_again(current, progress, jobs, why, trouble.ends_at)
                return
            self._places_for(current).hold(current.key)
            # Until then only shown: a volume that comes back lets it run.
            detail = trouble.message if trouble is not None else f"{len(current.ledger)} videos so far"
            self._say(current, ConditionReason.REBUILDING_HISTORY, detail)
        elif self._gatekeeper.holds_inventory(current):
            self.withdraw(current.key)
        elif self._places_for(current).take(current.key):
            await self._create(current, progress, jobs.attempt + 1)
        else:
            self._say(current, ConditionReason.REBUILDING_HISTORY, f"waits until {_OTHERS_ENDED}")

    async def _create(self, current: Pass, progress: Progress, attempt: int) -> None:
        namespace = current.key[0]
        manifest = build_inventory_job(current.subscription, progress, attempt, self._policy.defaults)
        self._say(current, ConditionReason.REBUILDING_HISTORY, f"{len(current.ledger)} videos so far")
        try:
            await self._api.create_job(namespace, manifest)
        except AlreadyExistsError:
            return  # of an attempt whose answer was lost: its name is nobody else's
        except RejectedError as error:
            self.withdraw(current.key)
            self._say(current, ConditionReason.JOB_REJECTED, str(error))
        else:
            logger.info("created inventory Job %s/%s", namespace, manifest["metadata"]["name"])

    async def _read(self, current: Pass, progress: Progress, job: Manifest) -> Chunk:
        """The chunk that a finished Job printed.

        Raises:
            UnusableChunkError: it printed none, or none that came through.
        """
        namespace, name = current.key[0], job["metadata"]["name"]
        pod = await self._api.find_pod(namespace, name)
        if not has_succeeded(job):
            raise UnusableChunkError(describe_failure(observe_outcome(job, pod)))
        if pod is None:
            raise UnusableChunkError(f"the pod of Job {name} is gone, and its log with it")
        pod_name = pod["metadata"]["name"]
        try:
            log = await self._api.read_log(namespace, pod_name, DOWNLOAD_CONTAINER, MAX_LOG_BYTES)
            chunk = parse_chunk(log)
            check_chunk(chunk, current.subscription, progress)
        except (NotFoundError, RejectedError) as error:
            raise UnusableChunkError(f"the log of pod {pod_name} cannot be read: {error}") from error
        except UnusableChunkError as error:
            raise UnusableChunkError(f"the log of pod {pod_name} is of no use: {error}") from error
        return chunk

    async def _try_again(
        self, current: Pass, progress: Progress, jobs: InventoryJobs, why: str, ended_at: datetime | None
    ) -> None:
        """A Job was of no use: the next try after a pause, then away with this one, be its pod there or not."""
        failed = jobs.present
        assert failed is not None
        at = retry_at(failed, jobs.attempt, ended_at, current.subscription)
        if at is not None and current.now < at:
            self.withdraw(current.key)
            self._say(current, ConditionReason.INVENTORY_FAILED, f"{why}; tried again at {format_time(at)}")
            return
        if self._gatekeeper.holds_inventory(current):
            self.withdraw(current.key)
            return
        self._say(current, ConditionReason.INVENTORY_FAILED, f"{why}; tried again as soon as {_OTHERS_ENDED}")
        if self._places_for(current).take(current.key):
            await self._create(current, progress, jobs.attempt + 1)
            await self._delete(failed)

    async def _write(self, current: Pass, progress: Progress, chunk: Chunk) -> None:
        """The mark that it goes on before the first entry, the entries, the mark how far it came."""

        def begin(ledger: Ledger) -> Changes:
            begun = ledger.has_shards or find_progress(ledger, progress.claim) != progress
            return Changes() if begun else Changes(inventory=progress.to_text())

        def add(ledger: Ledger) -> Changes:
            if find_progress(ledger, progress.claim) != progress:
                return Changes()  # another operator was quicker
            volume_id = chunk.header.volume_id
            return Changes(
                entries=rebuilt_entries(chunk.records, ledger.knows, progress.claim, current.now),
                started_sources=started_sources(chunk.records, format_time(current.now)),
                volumes={progress.claim: volume_id} if volume_id else {},
                requests=remembered_requests(current.subscription.status),
                inventory=mark_after(progress, chunk),
            )

        if chunk.records:
            await self._store.commit(current.subscription, current.ledger, begin)
        await self._store.commit(current.subscription, current.ledger, add)
        trailer = chunk.trailer
        logger.info("%s/%s: %d manifests read, %d unreadable", *current.key, trailer.count, trailer.unreadable)
        if trailer.unreadable:
            names = ", ".join(trailer.unreadable_names[:MAX_NAMED])
            logger.warning("%s/%s: unreadable: %s", *current.key, "; ".join(trailer.unreadable_names))
            text = message(EventReason.MANIFEST_UNREADABLE, count=trailer.unreadable, names=names)
            current.events.append(Event(EventReason.MANIFEST_UNREADABLE, text, warning=True))

    def _finish(self, current: Pass) -> bool:
        current.history_missing = False
        self.withdraw(current.key)
        counts = current.ledger.counts
        if len(current.ledger):
            text = message(
                EventReason.HISTORY_REBUILT,
                downloaded=counts[LedgerState.SUCCEEDED],
                removed=counts[LedgerState.SKIPPED],
            )
            current.events.append(Event(EventReason.HISTORY_REBUILT, text))
        return True

    async def _delete(self, job: Manifest) -> None:
        metadata = job["metadata"]
        await self._api.delete_job(metadata["namespace"], metadata["name"], metadata["uid"])

    @staticmethod
    def _say(current: Pass, reason: ConditionReason, detail: str) -> None:
        current.blocker = Blocker(reason, message(reason, detail=detail))
