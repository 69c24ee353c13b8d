"""What a pass is about: one Subscription at one time, with the chart's values for what its spec leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from trawler_operator.api.subscription import Key, Subscription
from trawler_operator.domain.checks.schedule import CheckLimits
from trawler_operator.domain.gates.route import GateId, Route, download_route, listing_route, volume_gate
from trawler_operator.domain.jobs.cleanup import HistoryLimits
from trawler_operator.domain.jobs.digests import download_digest, listing_digest
from trawler_operator.domain.jobs.naming import job_name
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults, claim_name, cookies_secret, proxy
from trawler_operator.domain.jobs.start_trouble import Patience
from trawler_operator.domain.ledger.entry import LedgerEntry


@dataclass(frozen=True, slots=True)
class Policy:
    """Chart values that every pass obeys.

    Args:
        defaults: settings for what a spec leaves open.
        access: how sites may be reached.
        checks: limits for checks of sources.
        history: how many finished Jobs are kept.
        patience: how long a launch may fail to start or to end.
        started_at: when this process began. Checks that fell due earlier were missed.
    """

    defaults: JobDefaults
    access: AccessRules
    checks: CheckLimits
    history: HistoryLimits
    patience: Patience
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Subject:
    """A Subscription as a pass sees it.

    Args:
        subscription: as read at the pass's start, with what is known of its status.
        policy: chart values.
        now: the time of what is done. It moves on after a listing, which may take minutes.
        one_node: whether the volume of its claim is attached to one node at a time, so that all Jobs with it must run
            there.
    """

    subscription: Subscription
    policy: Policy
    now: datetime
    one_node: bool = False

    @property
    def key(self) -> Key:
        """(namespace, name)."""
        return self.subscription.key

    @property
    def claim(self) -> str:
        """Name of the PersistentVolumeClaim; empty if none is named."""
        return claim_name(self.subscription.spec, self.policy.defaults)

    @property
    def listing_route(self) -> Route:
        """The gates of the source. The lister has the cookies only if the operator may read them."""
        jar = self._jar() if self.policy.access.read_secrets else ""
        return listing_route(self.subscription.spec.url, self._proxy(), jar)

    def download_route(self, url: str) -> Route:
        """The gates of a video."""
        return download_route(url, self._proxy(), self._full_claim(), "/".join(self.key), self._jar())

    @property
    def listing_digest(self) -> str:
        """Digest of the part of the spec that listings are made from."""
        return listing_digest(self.subscription.spec, self.policy.defaults)

    @property
    def download_digest(self) -> str:
        """Digest of the part of the spec that downloads are made from."""
        return download_digest(self.subscription.spec, self.policy.defaults)

    @property
    def volume(self) -> GateId:
        """The gate of the claim."""
        return volume_gate(self._full_claim())

    @property
    def own_gates(self) -> frozenset[GateId]:
        """The gates of the source, for listings and for downloads."""
        routes = (self.download_route(self.subscription.spec.url), self.listing_route)
        return frozenset(gate for route in routes for gate in route.gates)

    def job_name(self, video: str, entry: LedgerEntry) -> str:
        """Name of the Job of the entry's present launch."""
        follow_up = entry.follow_up.kind if entry.follow_up is not None else None
        return job_name(*self.key, video, entry.launches, follow_up)

    def _proxy(self) -> str:
        return proxy(self.subscription.spec, self.policy.defaults)

    def _full_claim(self) -> str:
        """`namespace/claim`."""
        return f"{self.subscription.namespace}/{self.claim}"

    def _jar(self) -> str:
        """`namespace/secret` of the cookies; empty if none are named."""
        secret = cookies_secret(self.subscription.spec)
        return f"{self.subscription.namespace}/{secret}" if secret else ""
