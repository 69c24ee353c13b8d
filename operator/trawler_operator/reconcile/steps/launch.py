"""Last step of a pass: claim launches in the ledger, then create their Jobs.

The claim comes first: a Job without a claim could be created twice, a claim without a Job is seen by every later pass.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.reasons import ConditionReason, EventReason, message
from trawler_operator.domain.gates.gate import launch_task
from trawler_operator.domain.gates.route import GateId, Route
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.jobs.settings import claim_name
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.domain.launches.claims import LaunchAction, claim, give_back, judge_launch
from trawler_operator.domain.launches.download_job import build_download_job
from trawler_operator.domain.launches.subscription_pause import paused_until
from trawler_operator.domain.ledger.backlog import is_eligible
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.reconcile.observation import Pass, Policy
from trawler_operator.reconcile.ports import AlreadyExistsError, Event, KubernetesApi, Measurements, RejectedError
from trawler_operator.reconcile.steps.settle import Ending, write_endings
from trawler_operator.reconcile.stores.gatekeeper import CLAIM_GRACE, Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerStore

logger = logging.getLogger(__name__)


class Launcher:
    """Starts downloads, as many as admission grants."""

    def __init__(
        self,
        api: KubernetesApi,
        store: LedgerStore,
        admission: Admission,
        gatekeeper: Gatekeeper,
        policy: Policy,
        measurements: Measurements,
    ) -> None:
        self._api = api
        self._store = store
        self._admission = admission
        self._gatekeeper = gatekeeper
        self._policy = policy
        self._measurements = measurements

    async def launch(self, current: Pass, source_title: str | None) -> None:
        """Create the Jobs of claims whose Job is missing, then claim and create what admission grants."""
        await self._create_missing(current, source_title)
        if paused_until(current.backoff, current.now) is not None:
            self._admission.withdraw(current.key)
            return
        ledger, busy = current.ledger, current.busy
        # After a pause one launch goes first: it shows whether the trouble is over before others meet it, too.
        parallelism = 1 if current.backoff is not None else current.subscription.spec.job.parallelism
        # A listing may name videos of several sites. More of one than can run at a time are nothing to admission.
        turns = ledger.backlog.turns(current.subscription.generation, current.now, parallelism, busy)
        routes = {site: current.download_route(ledger.active[videos[0]].url) for site, videos in turns.items()}
        current.routes = set(routes.values())
        self._admission.hold(current.key, current.running_through())
        self._admission.stand_only_for(current.key, current.routes)
        for site, videos in turns.items():
            route = routes[site]
            granted = self._admission.request(current.key, route, len(videos), parallelism, current.now)
            if granted:
                is_probe = bool(self._gatekeeper.book.closed(route.gates))
                chosen = ledger.backlog.probes(site, granted, busy) if is_probe else videos[:granted]
                if not await self._start(current, route, chosen, source_title):
                    self._admission.decline(current.key, route, granted)

    async def _create_missing(self, current: Pass, source_title: str | None) -> None:
        """Create the Jobs of claims that have none, as far as gates, slots and budgets let them begin now.

        Such a launch has not begun: the slot that it was granted may be another's by now, its gate may have closed, and
        what it was charged for may be long ago. Where it cannot begin its claim is given back, and it stands in line
        again. Not a fresh one, whose Job another operator may be about to create: that one waits.
        """
        missing, current.missing = current.missing, []
        returned: dict[str, LedgerEntry] = {}
        for video in missing:
            entry = current.ledger.active[video]
            claimed = entry.times.claimed
            is_fresh = claimed is not None and abs(current.now - claimed) < CLAIM_GRACE
            gates = await self._pass_again(current, video, entry, is_fresh=is_fresh)
            if gates is not None:
                await self._create(current, video, source_title, gates)
            elif is_fresh:
                current.missing.append(video)
            else:
                returned[video] = entry
        if returned:
            await self._store.commit(current.subscription, current.ledger, lambda ledger: _give_back(ledger, returned))
            tasks = [launch_task(video, entry.launches) for video, entry in returned.items()]
            await self._gatekeeper.release(current.key, tasks, current.now)

    async def _pass_again(
        self, current: Pass, video: str, entry: LedgerEntry, *, is_fresh: bool
    ) -> Mapping[GateId, int] | None:
        """What the Job of a claim that has none carries, if it may begin now. A fresh claim was charged just now."""
        route, book = current.download_route(entry.url), self._gatekeeper.book
        parallelism = current.subscription.spec.job.parallelism
        if book.closed(route.gates) or not self._admission.resume(current.key, route, parallelism):
            return None
        if is_fresh:
            return book.epochs(route)
        task = launch_task(video, entry.launches)
        return await self._gatekeeper.admit_downloads(current.key, route, [task], current.now)

    async def _start(self, current: Pass, route: Route, chosen: list[str], source_title: str | None) -> bool:
        """Claim launches, the gates first: what dies in between leaves a probe that is given back, and no Job.

        Returns:
            Whether anything went through the gates; another pass may have been quicker since admission granted them, or
            another operator, as a conflict over the claims of the route before has shown.
        """
        active = current.ledger.active
        launches = {video: active[video].launches + 1 for video in chosen if video in active}
        if not launches:
            return False
        tasks = {video: launch_task(video, launch) for video, launch in launches.items()}
        gates = await self._gatekeeper.admit_downloads(current.key, route, tasks.values(), current.now)
        if gates is None:
            return False

        def compute(ledger: Ledger) -> Changes:
            present = {video: ledger.active[video] for video in launches if video in ledger.active}
            generation, now = current.subscription.generation, current.now
            return Changes({v: claim(e, now) for v, e in present.items() if is_eligible(e, generation, now)})

        written = await self._store.commit(current.subscription, current.ledger, compute)
        for video, launch in launches.items():
            # Another operator's claim is not ours to act upon: by now it may be settled, and its Job deleted.
            if video in written.entries and written.entries[video].launches == launch:
                await self._create(current, video, source_title, gates)
            else:
                await self._gatekeeper.release(current.key, [tasks[video]], current.now)
        return True

    async def _create(self, current: Pass, video: str, source_title: str | None, gates: Mapping[GateId, int]) -> None:
        entry, row = current.ledger.active[video], current.ledger.row(video)
        subscription = current.subscription
        manifest = build_download_job(
            subscription,
            video,
            entry,
            launch=entry.launches,
            shard=row.shard if row else 0,
            defaults=self._policy.defaults,
            gates=gates,
            source_title=source_title,
            one_node=current.one_node,
            volume_id=current.ledger.volumes.get(claim_name(subscription.spec, self._policy.defaults)),
        )
        name = manifest["metadata"]["name"]
        try:
            await self._api.create_job(subscription.namespace, manifest)
        except AlreadyExistsError:
            # From an attempt whose answer was lost, or from an earlier Subscription of this name.
            job = await self._api.get_job(subscription.namespace, name)
            if judge_launch(job, subscription.uid) is not LaunchAction.ADOPT:
                current.wait_for_name(job)
        except RejectedError as error:
            await self._rejected(current, video, entry, name, gates, error)
        else:
            logger.info("created Job %s/%s for %s, launch %d", subscription.namespace, name, video, entry.launches)
            text = message(EventReason.DOWNLOAD_CREATED, job=name, video=entry.shown(video), launch=entry.launches)
            current.events.append(Event(EventReason.DOWNLOAD_CREATED, text))
            current.look_at.append(current.now + self._policy.patience.unasked)

    async def _rejected(
        self,
        current: Pass,
        video: str,
        entry: LedgerEntry,
        name: str,
        gates: Mapping[GateId, int],
        error: RejectedError,
    ) -> None:
        """A quota or a policy refuses the Job: give the claim back, so that its slot serves others meanwhile."""
        if await self._api.get_job(current.subscription.namespace, name) is not None:
            return  # an earlier attempt got through, and it is that Job which fills the quota
        text = message(EventReason.JOB_REJECTED, job=name, detail=error)
        current.events.append(Event(EventReason.JOB_REJECTED, text, warning=True))
        refused = ObservedOutcome(
            OutcomeClass.ENVIRONMENT,
            ConditionReason.JOB_REJECTED,
            message(ConditionReason.JOB_REJECTED, detail=error),
            current.now,
        )
        ending = Ending(entry.launches, refused, current.subscription.generation, gates)
        await write_endings(current, {video: ending}, self._store, self._gatekeeper, self._measurements)


def _give_back(ledger: Ledger, claimed: Mapping[str, LedgerEntry]) -> Changes:
    """The claims of those launches that still stand as they did, taken back."""
    return Changes({video: give_back(entry) for video, entry in claimed.items() if ledger.active.get(video) == entry})
