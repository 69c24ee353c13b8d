"""What one pass has in hand: the Subscription, its ledger, and what it found out on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from trawler_operator.api.reasons import NEVER_STARTED, ConditionReason, message
from trawler_operator.api.status import Backoff, HandledRequest
from trawler_operator.api.subscription import Key, Subscription
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.gates.route import GateId, Route, download_route, listing_route, volume_gate
from trawler_operator.domain.jobs.cleanup import HistoryLimits
from trawler_operator.domain.jobs.naming import job_name
from trawler_operator.domain.jobs.settings import JobDefaults, claim_name, cookies_secret, proxy
from trawler_operator.domain.jobs.start_trouble import Patience, find_other_owner, look_again
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.domain.requests.grammar import Verb
from trawler_operator.domain.sites import site_of
from trawler_operator.domain.status.condition_rules import CheckReport
from trawler_operator.domain.status.cookies import CookiesVerdict
from trawler_operator.reconcile.ports import Event, Manifest


@dataclass(frozen=True, slots=True)
class Policy:
    """Chart values that every pass obeys.

    Args:
        defaults: for what a spec leaves open.
        history: finished Jobs that are kept.
        listing_deadline_seconds: of one listing.
        audit_interval_seconds: between two full walks of a source.
        read_secrets: the operator may read Secrets for listings.
        started_at: when this process began: checks that fell due before were missed.
        patience: with launches that do not start or do not end.
    """

    defaults: JobDefaults
    history: HistoryLimits
    listing_deadline_seconds: int
    audit_interval_seconds: int
    started_at: datetime
    patience: Patience = field(default_factory=Patience)
    read_secrets: bool = False


@dataclass(slots=True)
class Pass:
    """One reconcile of one Subscription.

    Args:
        subscription: as read at the pass's start.
        ledger: agrees with the API server; changes by commits only.
        now: the pass's time.
        policy: chart values.
        backoff: the pause of downloads, as it stands after what was settled.
        events: to be posted after the status was written.
        gate_events: the same, each about the Subscription that it names: whose ending closed the gate.
        routes: of the videos that might be downloaded now.
        missing: Running entries without a Job.
        busy: videos that a live Job works on although the ledger does not know.
        unclaimed: live Jobs that the ledger does not know, by the name of their egress.
        waits_for_gate: a check is due, but a closed gate holds it.
        probe_in_doubt: it holds a probe that nobody seems to make, and which is too fresh to be given back.
        start_trouble: why a Job that should run does not.
        look_at: times at which a Job that does not run yet, or one that bears a name that is needed, is looked at
            again, or a gate is not shown any more.
        history_missing: the ledger is lost, or was never there; it is being made from the volume.
        waits_for_listing: a check is due, but too many listings run: a free place wakes the Subscription.
        asked_for_slots: admission knows what it wants.
        one_node: the claim's volume is attached to one node at a time.
        blocker: what a person has to mend before Jobs can be created.
        check: the check that was made.
        handled: requests that were carried out or refused.
        cookies: what was found out about them.
        reported: the status was written, or needed no writing.
    """

    subscription: Subscription
    ledger: Ledger
    now: datetime
    policy: Policy
    backoff: Backoff | None
    events: list[Event] = field(default_factory=list)
    gate_events: list[tuple[Key, Event]] = field(default_factory=list)
    routes: AbstractSet[Route] = frozenset()
    missing: list[str] = field(default_factory=list)
    busy: set[str] = field(default_factory=set)
    unclaimed: Counter[str] = field(default_factory=Counter)
    waits_for_gate: bool = False
    probe_in_doubt: bool = False
    start_trouble: str | None = None
    look_at: list[datetime] = field(default_factory=list)
    history_missing: bool = False
    waits_for_listing: bool = False
    asked_for_slots: bool = False
    one_node: bool = False
    blocker: Blocker | None = None
    check: CheckReport | None = None
    handled: dict[Verb, HandledRequest] = field(default_factory=dict)
    cookies: CookiesVerdict | None = None
    reported: bool = False
    _download_routes: dict[str, Route] = field(default_factory=dict)
    """By site: thousands of videos are behind the same gates."""

    @property
    def key(self) -> Key:
        """(namespace, name)."""
        return (self.subscription.namespace, self.subscription.name)

    @property
    def defaults(self) -> JobDefaults:
        """For what the spec leaves open."""
        return self.policy.defaults

    @property
    def listing_route(self) -> Route:
        """The gates before the source; the lister has the cookies only where the operator may read them."""
        spec = self.subscription.spec
        return listing_route(spec.url, proxy(spec, self.defaults), self._jar() if self.policy.read_secrets else "")

    def download_route(self, url: str) -> Route:
        """The gates before a video."""
        site = site_of(url)
        route = self._download_routes.get(site)
        if route is None:
            through = proxy(self.subscription.spec, self.defaults)
            route = self._download_routes[site] = download_route(url, through, self._claim(), self._jar())
        return route

    @property
    def volume(self) -> GateId:
        """The gate before what is on the claim."""
        return volume_gate(self._claim())

    def _claim(self) -> str:
        """`namespace/claim`."""
        return f"{self.subscription.namespace}/{claim_name(self.subscription.spec, self.defaults)}"

    def _jar(self) -> str:
        """`namespace/secret` of the cookies; empty where none are named."""
        secret = cookies_secret(self.subscription.spec)
        return f"{self.subscription.namespace}/{secret}" if secret else ""

    def gates(self) -> set[GateId]:
        """All gates that the Subscription is behind just now."""
        own = {self.download_route(self.subscription.spec.url), self.listing_route}
        return {gate for route in {*own, *self.routes} for gate in route.gates}

    def wanted_gates(self) -> set[GateId]:
        """Those of them that it passes or would pass now: with downloads, or with a check that is due."""
        running = {self.download_route(entry.url) for entry in self.ledger.running().values()}
        listing = {self.listing_route} if self.waits_for_gate else set()
        return {gate for route in {*self.routes, *running, *listing} for gate in route.gates}

    def running_through(self) -> Counter[str]:
        """How many of its Jobs run through each egress.

        Claims whose Job is missing take no slot yet; Jobs that the ledger does not know take theirs.
        """
        claimed = Counter(
            self.download_route(entry.url).egress.name
            for video, entry in self.ledger.running().items()
            if video not in self.missing
        )
        return claimed + self.unclaimed

    def shown_blocker(self, gate: Blocker | None) -> Blocker | None:
        """What the status names as keeping videos from being downloaded.

        Args:
            gate: what a closed gate says.
        """
        if self.blocker is not None or gate is not None:
            return self.blocker or gate
        if self.backoff is not None and self.backoff.reason == ConditionReason.JOB_REJECTED:
            return Blocker(ConditionReason.JOB_REJECTED, self.backoff.message)
        if self.backoff is not None and self.backoff.reason in NEVER_STARTED:
            return _not_starting(self.backoff.message)
        return None if self.start_trouble is None else _not_starting(self.start_trouble)

    def wait_for_name(self, job: Manifest | None) -> None:
        """A Job that is not ours (any more) bears a name that a launch needs; None: it did, and has gone just now."""
        self.look_at.append(self.now + look_again(job))
        if job is not None:
            self.start_trouble = self.start_trouble or find_other_owner(job)

    def job_name(self, video: str, entry: LedgerEntry) -> str:
        """Name of the Job of the entry's present launch."""
        return job_name(*self.key, video, entry.launches)

    def claimed_jobs(self) -> set[str]:
        """Names of the Jobs that Running entries need."""
        return {self.job_name(video, entry) for video, entry in self.ledger.running().items()}


def _not_starting(detail: str) -> Blocker:
    return Blocker(ConditionReason.DOWNLOAD_NOT_STARTING, message(ConditionReason.DOWNLOAD_NOT_STARTING, detail=detail))
