"""Names that users and other programs see: API group, labels, annotations.

Every one stands here once; a changed name orphans objects in clusters, so a name never changes within an API version.
"""

from __future__ import annotations

GROUP = "trawler.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "Subscription"
LIST_KIND = "SubscriptionList"
PLURAL = "subscriptions"
SINGULAR = "subscription"
SHORT_NAME = "ytsub"
"""Not `sub`: several other projects' Subscriptions already claim it."""
CATEGORY = "trawler"

MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "trawler"
COMPONENT_LABEL = "app.kubernetes.io/component"
COMPONENT_DOWNLOAD = "download"
COMPONENT_INVENTORY = "inventory"
COMPONENT_SURVEY = "survey"
COMPONENT_LEDGER = "ledger"
COMPONENT_GATES = "gates"
SUBSCRIPTION_LABEL = f"{GROUP}/subscription"
"""The Subscription's name: at most 63 characters by a rule of the schema, so that it fits a label."""
LAUNCH_LABEL = f"{GROUP}/launch"
"""On Jobs and their pods: the launch's number."""
CLAIM_LABEL = f"{GROUP}/claim"
"""On Jobs and their pods: the claim that they use, as `domain.jobs.naming.claim_label` writes it."""

SURVEY_LABEL = f"{GROUP}/survey"
"""On survey Jobs and their pods: a hash of the claim and of all that decides whether and where a pod may read it."""

VIDEO_ANNOTATION = f"{GROUP}/video"
"""On Jobs: the video's key (too long for a label)."""
SHARD_ANNOTATION = f"{GROUP}/shard"
"""On Jobs: number of the ledger's shard that holds the video."""
LAUNCH_ANNOTATION = f"{GROUP}/launch"
"""On Jobs: the launch's number, again; of Jobs over a volume, the try's."""
SPEC_ANNOTATION = f"{GROUP}/spec"
"""On Jobs: digest of the part of the Subscription's spec that the Job was built from."""
GATES_ANNOTATION = f"{GROUP}/gates"
"""On the pods of Jobs, and so in the pod template, which nobody can edit: JSON, for each kind of gate that the launch
passed the gate's epoch at that time."""

CHECK_ANNOTATION = f"{GROUP}/check"
"""On Subscriptions: asks for a check now; a new value is handled once and recorded in `status.lastHandled.check`. On
inventory Jobs: the value that there was when the Job was made."""
RETRY_ANNOTATION = f"{GROUP}/retry"
"""On Subscriptions: asks for videos to be tried again (see `domain.requests.grammar`)."""
SKIP_ANNOTATION = f"{GROUP}/skip"
"""On Subscriptions: asks for videos to be left out."""
CANCEL_ANNOTATION = f"{GROUP}/cancel"
"""On Subscriptions: asks for downloads to be ended, and their videos to be left out."""
PROBE_ANNOTATION = f"{GROUP}/probe"
"""On Subscriptions: asks for one download to go first through the gates that hold it, without waiting for their pauses;
a new value is handled once and recorded in `status.lastHandled.probe`."""
PAUSE_ANNOTATION = f"{GROUP}/pause"
"""On Subscriptions: until when no download begins: an RFC 3339 time, `forever` or `none`; without it none."""
REQUEST_ANNOTATIONS = (
    CHECK_ANNOTATION,
    RETRY_ANNOTATION,
    SKIP_ANNOTATION,
    CANCEL_ANNOTATION,
    PROBE_ANNOTATION,
    PAUSE_ANNOTATION,
)
"""All that a Subscription can be asked for; a change of one is worth a pass."""

SOURCES_ANNOTATION = f"{GROUP}/sources"
"""On the ledger's first shard: JSON, source key → time of its first run."""
VOLUMES_ANNOTATION = f"{GROUP}/volumes"
"""On the ledger's first shard: JSON, claim name → id of the volume's marker."""
REQUESTS_ANNOTATION = f"{GROUP}/requests"
"""On the ledger's first shard: JSON, verb → the last request that was carried out."""

INVENTORY_ANNOTATION = f"{GROUP}/inventory"
"""On the ledger's first shard: the id of the volume whose manifests it was made from, `empty` if the volume had none; a
JSON object while that goes on. A ledger without it is older than inventories, and complete."""

DOWNLOAD_CONTAINER = "download"
"""Name of the only container of the operator's Jobs."""


def ledger_selector(subscription: str) -> str:
    """The label selector of a Subscription's ledger, as `kubectl get configmaps --selector` takes it."""
    return f"{COMPONENT_LABEL}={COMPONENT_LEDGER},{SUBSCRIPTION_LABEL}={subscription}"


def ledger_labels(subscription: str) -> dict[str, str]:
    """Labels of every shard of a Subscription's ledger."""
    return {
        MANAGED_BY_LABEL: MANAGED_BY,
        COMPONENT_LABEL: COMPONENT_LEDGER,
        SUBSCRIPTION_LABEL: subscription,
    }


def gates_labels() -> dict[str, str]:
    """Labels of the ConfigMap that keeps the gates."""
    return {MANAGED_BY_LABEL: MANAGED_BY, COMPONENT_LABEL: COMPONENT_GATES}


def inventory_labels(subscription: str) -> dict[str, str]:
    """Labels of an inventory Job and its pod."""
    return {
        MANAGED_BY_LABEL: MANAGED_BY,
        COMPONENT_LABEL: COMPONENT_INVENTORY,
        SUBSCRIPTION_LABEL: subscription,
    }


def survey_labels(survey: str) -> dict[str, str]:
    """Labels of a survey Job and its pod: it belongs to no Subscription."""
    return {
        MANAGED_BY_LABEL: MANAGED_BY,
        COMPONENT_LABEL: COMPONENT_SURVEY,
        SURVEY_LABEL: survey,
    }


def download_labels(subscription: str, launch: int) -> dict[str, str]:
    """Labels of a download Job and its pod."""
    return {
        MANAGED_BY_LABEL: MANAGED_BY,
        COMPONENT_LABEL: COMPONENT_DOWNLOAD,
        SUBSCRIPTION_LABEL: subscription,
        LAUNCH_LABEL: str(launch),
    }
