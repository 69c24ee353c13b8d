"""What must be there before anything can be downloaded: the claim, the authorities to trust, and the Secrets."""

from __future__ import annotations

from dataclasses import dataclass, field

from trawler_operator.api.reasons import ConditionReason, message
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.jobs.claim_modes import is_for_one_pod, is_on_one_node
from trawler_operator.domain.jobs.settings import ca_bundle_config_map, claim_name
from trawler_operator.reconcile.observation import Policy
from trawler_operator.reconcile.ports import KubernetesApi, Manifest
from trawler_operator.reconcile.steps.secrets import ListingSecrets, read_secrets

CA_KEY = "ca.crt"


@dataclass(frozen=True, slots=True)
class Prerequisites:
    """What was found.

    Args:
        blocker: what a person has to mend before Jobs can be created; None: nothing.
        can_list: checks may go on, whatever the blocker.
        ca_bundle: PEM text for the lister.
        secrets: cookies and the proxy's login for the lister.
        one_node: the claim's volume is attached to one node at a time, so that all Jobs with it must run there.
    """

    blocker: Blocker | None = None
    can_list: bool = True
    ca_bundle: str | None = None
    secrets: ListingSecrets = field(default_factory=ListingSecrets)
    one_node: bool = False


async def look_at_prerequisites(api: KubernetesApi, subscription: Subscription, policy: Policy) -> Prerequisites:
    """Read what the Subscription names, directly or by the operator's defaults: Secrets, CA bundle, claim."""
    namespace, defaults = subscription.namespace, policy.defaults
    secrets = await read_secrets(api, subscription, policy)
    if secrets.blocker is not None:
        return Prerequisites(secrets.blocker, can_list=False, secrets=secrets)
    ca_bundle: str | None = None
    config_map = ca_bundle_config_map(subscription.spec, defaults)
    if config_map:
        body = await api.get_config_map(namespace, config_map)
        ca_bundle = ((body or {}).get("data") or {}).get(CA_KEY)
        if not ca_bundle:
            text = message(ConditionReason.CA_BUNDLE_NOT_FOUND, config_map=config_map, namespace=namespace)
            # Without it a listing would only fail, and blame the site.
            return Prerequisites(Blocker(ConditionReason.CA_BUNDLE_NOT_FOUND, text), can_list=False, secrets=secrets)
    name = claim_name(subscription.spec, defaults)
    claim = await api.get_claim(namespace, name) if name else None
    blocker = _blocker_of(claim, name, namespace)
    one_node = claim is not None and is_on_one_node(claim)
    return Prerequisites(blocker, ca_bundle=ca_bundle, secrets=secrets, one_node=one_node)


def _blocker_of(claim: Manifest | None, name: str, namespace: str) -> Blocker | None:
    """What keeps Jobs from using the claim of that name; None: nothing."""
    if not name:
        reason = ConditionReason.CLAIM_NOT_CONFIGURED
        return Blocker(reason, message(reason, namespace=namespace))
    if claim is None or claim["metadata"].get("deletionTimestamp"):
        return Blocker(
            ConditionReason.CLAIM_NOT_FOUND, message(ConditionReason.CLAIM_NOT_FOUND, claim=name, namespace=namespace)
        )
    # Pending is fine: a claim that waits for its first consumer is bound by the first Job.
    if (claim.get("status") or {}).get("phase") == "Lost":
        return Blocker(ConditionReason.CLAIM_LOST, message(ConditionReason.CLAIM_LOST, claim=name))
    if is_for_one_pod(claim):
        reason = ConditionReason.CLAIM_FOR_ONE_POD
        return Blocker(reason, message(reason, claim=name, namespace=namespace))
    return None
