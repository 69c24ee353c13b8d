"""What must be there before anything can be downloaded: the claim, the authorities to trust, and the Secrets."""

from __future__ import annotations

from dataclasses import dataclass, field

from trawler_operator.api.reasons import ConditionReason, message
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.jobs.claim_modes import is_for_one_pod, is_on_one_node
from trawler_operator.domain.jobs.settings import ca_bundle_config_map
from trawler_operator.reconcile.ports import KubernetesApi, Manifest
from trawler_operator.reconcile.steps.secrets import ListingSecrets, read_secrets
from trawler_operator.reconcile.subject import Policy, Subject

CA_KEY = "ca.crt"


@dataclass(frozen=True, slots=True)
class ListingNeeds:
    """What a listing is given, and what is missing for it; downloads need the same.

    Args:
        blocker: what a person has to mend before anything can be listed or downloaded; None: nothing.
        can_list: the source may be listed all the same.
        ca_bundle: PEM text for the lister.
        secrets: cookies and the proxy's login for the lister.
    """

    blocker: Blocker | None = None
    can_list: bool = True
    ca_bundle: str | None = None
    secrets: ListingSecrets = field(default_factory=ListingSecrets)


async def look_at_listing_needs(api: KubernetesApi, subscription: Subscription, policy: Policy) -> ListingNeeds:
    """Read what a listing needs, named by the Subscription or by the operator's defaults: Secrets and CA bundle."""
    namespace = subscription.namespace
    secrets = await read_secrets(api, subscription, policy)
    if secrets.blocker is not None:
        return ListingNeeds(secrets.blocker, can_list=False, secrets=secrets)
    config_map = ca_bundle_config_map(subscription.spec, policy.defaults)
    if not config_map:
        return ListingNeeds(secrets=secrets)
    body = await api.get_config_map(namespace, config_map)
    ca_bundle = ((body or {}).get("data") or {}).get(CA_KEY)
    if not ca_bundle:
        reason = ConditionReason.CA_BUNDLE_NOT_FOUND
        blocker = Blocker(reason, message(reason, config_map=config_map, namespace=namespace))
        # Without it a listing would only fail, and blame the site.
        return ListingNeeds(blocker, can_list=False, secrets=secrets)
    return ListingNeeds(ca_bundle=ca_bundle, secrets=secrets)


@dataclass(frozen=True, slots=True)
class ClaimState:
    """The claim that downloads go to.

    Args:
        blocker: what is wrong with it; None: nothing.
        one_node: its volume is attached to one node at a time, so that all Jobs with it must run there.
    """

    blocker: Blocker | None = None
    one_node: bool = False


async def look_at_claim(api: KubernetesApi, subject: Subject) -> ClaimState:
    """Read the claim that downloads go to."""
    namespace, name = subject.key[0], subject.claim
    claim = await api.get_claim(namespace, name) if name else None
    return ClaimState(_blocker_of(claim, name, namespace), claim is not None and is_on_one_node(claim))


def _blocker_of(claim: Manifest | None, name: str, namespace: str) -> Blocker | None:
    """What keeps Jobs from using the claim of that name; None: nothing."""
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
