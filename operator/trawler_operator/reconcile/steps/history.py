"""Before the first listing: a ledger without any shard is made from what is on the volume.

A survey of the volume says whether there is anything (see `steps.surveyor`). If so, one inventory Job after the other
prints a chunk. A chunk's entries are written, then the mark that says how far that came, then the Job is deleted. If
the process is killed in between, the next one finds the Job, reads it again, and knows the entries.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from trawler_downloader.contract.inventory import RecordLine
from trawler_downloader.contract.outcomes import LedgerState
from trawler_downloader.contract.volume_job import Chunk
from trawler_operator.api.reasons import ConditionReason, EventReason, message
from trawler_operator.api.subscription import Key
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.history.inventory import (
    EMPTY_VOLUME,
    Progress,
    check_mounted,
    find_progress,
    mark_after,
    order_inventory,
    rebuilt_entries,
    remembered_requests,
    started_sources,
)
from trawler_operator.domain.history.survey import may_be_new
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.reconcile.job_watcher import JobWatcher, unless_said
from trawler_operator.reconcile.ports import Event, KubernetesApi
from trawler_operator.reconcile.steps.surveyor import Awaited, Surveyor
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerStore
from trawler_operator.reconcile.subject import Policy, Subject
from trawler_operator.reconcile.volume_job_runner import Standing, Unfinished, VolumeJobRunner

logger = logging.getLogger(__name__)

MAX_NAMED = 5
_REASONS = {
    Standing.WAITS: ConditionReason.REBUILDING_HISTORY,
    Standing.RUNS: ConditionReason.REBUILDING_HISTORY,
    Standing.FAILED: ConditionReason.INVENTORY_FAILED,
    Standing.REJECTED: ConditionReason.JOB_REJECTED,
}


@dataclass(frozen=True, slots=True)
class Restored:
    """How far a history has come back.

    Args:
        complete: whether all of it is there; before that, nothing may be listed or launched.
        blocker: what Ready says meanwhile.
        look_at: when to look again if nothing wakes the Subscription.
        events: Events about the Subscription.
    """

    complete: bool
    blocker: Blocker | None = None
    look_at: tuple[datetime, ...] = ()
    events: tuple[Event, ...] = ()


class Historian:
    """Makes lost ledgers anew.

    Args:
        api: the cluster.
        store: writes the ledger.
        gatekeeper: knows the volumes that must not be read now.
        watcher: knows what holds Jobs up.
        policy: chart values.
        wake: asks for a pass over a Subscription, in so many seconds.
    """

    def __init__(
        self,
        api: KubernetesApi,
        store: LedgerStore,
        gatekeeper: Gatekeeper,
        watcher: JobWatcher,
        policy: Policy,
        wake: Callable[[Key, float], None],
    ) -> None:
        self._store = store
        self._runner = VolumeJobRunner(api, gatekeeper, watcher, policy.defaults, wake)
        self.surveyor = Surveyor(self._runner, gatekeeper, lambda key: wake(key, 0.0), lambda: api.clock_ahead)
        self._found: dict[Key, tuple[str, str]] = {}
        """Uid and claim of each Subscription that has a history by a survey, so that no survey is asked again."""

    def withdraw(self, key: Key) -> None:
        """Give up its places: it reads no history, or must not (done, gone, suspended, broken)."""
        self.surveyor.leave(key)
        self._runner.withdraw(key)

    def forget(self, key: Key) -> None:
        """Forget a Subscription that is gone."""
        self._found.pop(key, None)

    async def restore(self, subject: Subject, ledger: Ledger, *, may_run: bool) -> Restored:
        """Go one step further towards a whole ledger.

        Args:
            subject: the Subscription.
            ledger: as it is.
            may_run: whether Jobs may be created.

        Raises:
            ApiError: the API server did not do its part.
            LedgerBusyError: the ledger cannot be written now.
        """
        if find_progress(ledger, subject.claim) is None or not may_run:
            return self._end(subject, ledger)
        if may_be_new(subject.subscription, ledger) and not self._is_found(subject):
            survey = await self.surveyor.ask(subject)
            if isinstance(survey, Awaited):
                self._runner.withdraw(subject.key)  # from the volume that its spec named before
                return Restored(complete=False, blocker=survey.blocker, look_at=survey.look_at, events=survey.events)
            if subject.key[1] in survey.names:
                self._found[subject.key] = (subject.subscription.uid, subject.claim)
            else:
                await self._begin_anew(subject, ledger, survey.volume_id)
        return await self._read_back(subject, ledger)

    async def _read_back(self, subject: Subject, ledger: Ledger) -> Restored:
        """Take over one chunk after the other, as far as they have come."""
        subscription, key = subject.subscription, subject.key
        defaults, one_node = subject.policy.defaults, subject.one_node
        events: tuple[Event, ...] = ()
        while (progress := find_progress(ledger, subject.claim)) is not None:
            believe = partial(check_mounted, subscription=subscription, claim=progress.claim)
            order = order_inventory(subscription, progress, defaults, one_node=one_node)
            found = await self._runner.advance(order, key, subject.now, believe)
            if isinstance(found, Unfinished):
                blocker = found.gate or _blocker(found, f"{len(ledger)} videos so far")
                events += unless_said(subject, found.event, found.detail)
                return Restored(complete=False, blocker=blocker, look_at=found.look_at, events=events)
            events += await self._write(subject, ledger, progress, found.chunk)
            await self._runner.delete(found.job)
        self.forget(subject.key)
        ended = self._end(subject, ledger)
        return Restored(complete=ended.complete, events=(*events, *_rebuilt(ledger)))

    def _end(self, subject: Subject, ledger: Ledger) -> Restored:
        """Stop reading: there is nothing to read, or nothing may be read."""
        self.withdraw(subject.key)
        return Restored(complete=find_progress(ledger, subject.claim) is None)

    def _is_found(self, subject: Subject) -> bool:
        return self._found.get(subject.key) == (subject.subscription.uid, subject.claim)

    async def _begin_anew(self, subject: Subject, ledger: Ledger, volume_id: str | None) -> None:
        """Mark the ledger as whole: the volume has no history of the Subscription."""
        progress = Progress(claim=subject.claim)

        def begin(ledger: Ledger) -> Changes:
            if find_progress(ledger, progress.claim) != progress:
                return Changes()  # another operator was quicker
            return _changes(subject, ledger, progress.claim, volume_id, (), volume_id or EMPTY_VOLUME)

        await self._store.commit(subject.subscription, ledger, begin)
        logger.info("%s/%s: new, the volume knows nothing of it", *subject.key)

    async def _write(
        self, subject: Subject, ledger: Ledger, progress: Progress, chunk: Chunk[RecordLine]
    ) -> tuple[Event, ...]:
        """Write the mark that a history is being read, then the entries, then the mark how far the reading has come."""

        def begin(ledger: Ledger) -> Changes:
            begun = ledger.has_shards or find_progress(ledger, progress.claim) != progress
            return Changes() if begun else Changes(inventory=progress.to_text())

        def add(ledger: Ledger) -> Changes:
            if find_progress(ledger, progress.claim) != progress:
                return Changes()  # another operator was quicker
            volume_id, mark = chunk.header.volume_id, mark_after(progress, chunk)
            return _changes(subject, ledger, progress.claim, volume_id, chunk.records, mark)

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


def _changes(
    subject: Subject,
    ledger: Ledger,
    claim: str,
    volume_id: str | None,
    records: Iterable[RecordLine],
    mark: str,
) -> Changes:
    """The changes that a part of the history makes to the ledger; the part may be empty."""
    records = tuple(records)
    return Changes(
        entries=rebuilt_entries(records, ledger.knows, claim, subject.now),
        started_sources=started_sources(records),
        volumes={claim: volume_id} if volume_id else {},
        requests=remembered_requests(subject.subscription.status),
        inventory=mark,
    )


def _rebuilt(ledger: Ledger) -> tuple[Event, ...]:
    """The Event once the history is all there; none for an empty history."""
    if not len(ledger):
        return ()
    counts = ledger.counts
    downloaded, removed = counts[LedgerState.SUCCEEDED], counts[LedgerState.SKIPPED]
    text = message(EventReason.HISTORY_REBUILT, downloaded=downloaded, removed=removed)
    return (Event(EventReason.HISTORY_REBUILT, text),)


def _blocker(found: Unfinished, otherwise: str) -> Blocker:
    reason = _REASONS[found.standing]
    return Blocker(reason, message(reason, detail=found.detail or otherwise))
