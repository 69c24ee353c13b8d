"""What must exist before anything can be downloaded: the claim, the authorities to trust, and the Secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from trawler_operator.api.conditions import ConditionStatus, ConditionType
from trawler_operator.api.reasons import ConditionReason, message
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.jobs.claim_modes import is_for_one_pod, is_on_one_node
from trawler_operator.domain.jobs.settings import ca_bundle_config_map
from trawler_operator.domain.requests.grammar import asked_check
from trawler_operator.reconcile.ports import KubernetesApi, Manifest
from trawler_operator.reconcile.steps.secrets import ListingSecrets, read_secrets
from trawler_operator.reconcile.stores.recent_answers import RecentAnswers
from trawler_operator.reconcile.subject import Subject

CA_KEY = "ca.crt"


@dataclass(frozen=True, slots=True)
class ListingNeeds:
    """What a listing is given, and what is missing for it; downloads need the same.

    Args:
        blocker: what a person must mend before anything can be listed or downloaded; None: nothing.
        can_list: whether the source may be listed all the same.
        ca_bundle: PEM text for the lister.
        secrets: cookies and the proxy's login for the lister.
    """

    blocker: Blocker | None = None
    can_list: bool = True
    ca_bundle: str | None = None
    secrets: ListingSecrets = field(default_factory=ListingSecrets)


@dataclass(frozen=True, slots=True)
class ClaimState:
    """The claim that downloads go to.

    Args:
        blocker: what is wrong with the claim; None: nothing.
        one_node: whether its volume is attached to one node at a time, so that all Jobs with it must run there.
    """

    blocker: Blocker | None = None
    one_node: bool = False


class Prerequisites:
    """Looks at what a spec or the operator's defaults name.

    Good answers about a claim or a CA bundle serve all Subscriptions that name it for a while (`RecentAnswers`). A
    Subscription that is not known to be well, was changed, or is asked for a check has them read anew: somebody may
    have mended them.

    Args:
        api: the cluster.
        clock: seconds that never go back.
    """

    def __init__(self, api: KubernetesApi, clock: Callable[[], float]) -> None:
        self._api = api
        self._ca_bundles = RecentAnswers[str](clock)
        self._claims = RecentAnswers[ClaimState](clock)

    async def look_at_listing_needs(self, subject: Subject) -> ListingNeeds:
        """Secrets and CA bundle. Secrets are read in each pass, since none is kept."""
        subscription = subject.subscription
        namespace = subscription.namespace
        secrets = await read_secrets(self._api, subscription, subject.policy)
        if secrets.blocker is not None:
            return ListingNeeds(secrets.blocker, can_list=False, secrets=secrets)
        config_map = ca_bundle_config_map(subscription.spec, subject.policy.defaults)
        if not config_map:
            return ListingNeeds(secrets=secrets)
        ca_bundle = None if _looks_anew(subject) else self._ca_bundles.get((namespace, config_map))
        if ca_bundle is None:
            body = await self._api.get_config_map(namespace, config_map)
            ca_bundle = ((body or {}).get("data") or {}).get(CA_KEY) or None
            self._ca_bundles.note((namespace, config_map), ca_bundle)
        if ca_bundle is None:
            reason = ConditionReason.CA_BUNDLE_NOT_FOUND
            blocker = Blocker(reason, message(reason, config_map=config_map, namespace=namespace))
            # Without the bundle a listing would fail, and blame the site.
            return ListingNeeds(blocker, can_list=False, secrets=secrets)
        return ListingNeeds(ca_bundle=ca_bundle, secrets=secrets)

    async def look_at_claim(self, subject: Subject) -> ClaimState:
        """The state of the claim that downloads go to."""
        namespace, name = subject.key[0], subject.claim
        kept = None if _looks_anew(subject) else self._claims.get((namespace, name))
        if kept is not None:
            return kept
        claim = await self._api.get_claim(namespace, name) if name else None
        state = ClaimState(_blocker_of(claim, name, namespace), claim is not None and is_on_one_node(claim))
        self._claims.note((namespace, name), state if state.blocker is None else None)
        return state


def _blocker_of(claim: Manifest | None, name: str, namespace: str) -> Blocker | None:
    """What keeps Jobs from using the claim of that name; None if nothing does."""
    if not name:
        reason = ConditionReason.CLAIM_NOT_CONFIGURED
        return Blocker(reason, message(reason, namespace=namespace))
    if claim is None or claim["metadata"].get("deletionTimestamp"):
        reason = ConditionReason.CLAIM_NOT_FOUND
        return Blocker(reason, message(reason, claim=name, namespace=namespace))
    # Pending is fine: a claim that waits for its first consumer is bound by the first Job.
    if (claim.get("status") or {}).get("phase") == "Lost":
        return Blocker(ConditionReason.CLAIM_LOST, message(ConditionReason.CLAIM_LOST, claim=name))
    if is_for_one_pod(claim):
        reason = ConditionReason.CLAIM_FOR_ONE_POD
        return Blocker(reason, message(reason, claim=name, namespace=namespace))
    return None


def _looks_anew(subject: Subject) -> bool:
    """Whether answers that others got lately are not enough for this Subscription."""
    subscription, status = subject.subscription, subject.subscription.status
    ready = next((c for c in status.conditions if c.type == ConditionType.READY), None)
    is_well = ready is not None and ready.status is ConditionStatus.TRUE
    reported = (status.last_check_digest, status.download_digest)
    is_changed = reported != (subject.listing_digest, subject.download_digest)
    return not is_well or is_changed or asked_check(subscription.annotations, status.last_handled.check) is not None
