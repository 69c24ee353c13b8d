"""The only module that imports kopf: it watches, and turns every event into a key in the queue.

Low-level event handlers alone, so that kopf writes nothing to any resource: no finalizer that blocks deletion when the
operator is gone, no annotation, no Events. What an event says is not used beyond the question whether it is worth a
pass; a pass reads for itself.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import kopf

from trawler_operator.api import labels
from trawler_operator.api.subscription import Key
from trawler_operator.domain.jobs.containers import may_be_kept_alive

_WATCHED_COMPONENTS = (labels.COMPONENT_DOWNLOAD, labels.COMPONENT_INVENTORY, labels.COMPONENT_SURVEY)
WATCHED_JOBS = (
    f"{labels.MANAGED_BY_LABEL}={labels.MANAGED_BY},{labels.COMPONENT_LABEL} in ({','.join(_WATCHED_COMPONENTS)})"
)
CONNECT_TIMEOUT_SECONDS = 10
FIRST_PAUSES_SECONDS = (1, 1, 2, 3, 5, 8, 13, 21)
"""After requests of kopf's that fail; those that it has by itself."""
LONGEST_PAUSE_SECONDS = 60
LISTED_AT_ONCE = 100
"""Objects in a page of the first list. A thousand Subscriptions have three thousand finished Jobs of 5 KB."""
IDLE_SECONDS = 0.1
"""For how long kopf keeps an object's last event, in case of another one: handlers that only enqueue do not need it."""


class EndlessPauses:
    """Between kopf's attempts: it would give up after the last, and end with all its watches for the sake of one.

    A namespace that was deleted, and our rights in it with it, would end those of all others.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain(FIRST_PAUSES_SECONDS, itertools.repeat(LONGEST_PAUSE_SECONDS))


async def watch(
    enqueue: Callable[[Key], None],
    survey_changed: Callable[[tuple[str, str]], None],
    *,
    namespaces: Collection[str],
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    """Watch Subscriptions and their Jobs until `stop` is set.

    Call it with all other tasks of the program already running: kopf cancels, when it ends, what was begun after it.

    Args:
        enqueue: takes the (namespace, name) of a Subscription that is worth a pass.
        survey_changed: takes the (namespace, label) of a survey whose Job or container has ended, or is gone.
        namespaces: those watched; empty: all of the cluster.
        ready: set once kopf is logged in and watches.
        stop: ends it.
    """
    await kopf.operator(
        registry=build_registry(enqueue, survey_changed),
        settings=build_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=tuple(namespaces),
        ready_flag=ready,
        stop_flag=stop,
    )


def build_settings() -> kopf.OperatorSettings:
    """Kopf's settings: silent, and asking for no more rights than the watches need."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # No watch of namespaces and CRDs: the namespaces are fixed, and the CRD is there or we would not have come here.
    settings.scanning.disabled = True
    settings.networking.connect_timeout = CONNECT_TIMEOUT_SECONDS
    settings.networking.error_backoffs = EndlessPauses()
    settings.watching.connect_timeout = CONNECT_TIMEOUT_SECONDS
    # Memory that thousands of objects took for a moment is never given back: 90 MiB for those Jobs. So few are listed
    # at once, and they go before many more have come.
    settings.watching.chunk_size = LISTED_AT_ONCE
    settings.queueing.idle_timeout = IDLE_SECONDS
    # Chosen by the server: other people's Jobs never reach our memory.
    settings.watching.label_selectors["batch", "jobs"] = WATCHED_JOBS
    return settings


def build_registry(
    enqueue: Callable[[Key], None], survey_changed: Callable[[tuple[str, str]], None]
) -> kopf.OperatorRegistry:
    """The handlers. A registry of our own: kopf's default one would log in through the blocking client."""
    registry = kopf.OperatorRegistry()
    seen: dict[Key, tuple[object, ...]] = {}
    ready: set[str] = set()
    """Uids of the Jobs whose pod is ready, as far as events told."""

    async def login(**kwargs: object) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    async def subscription_changed(event: Mapping[str, Any], **_: object) -> None:
        body = event["object"]
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        mark = _mark(body)
        if event["type"] == "DELETED":
            seen.pop(key, None)
        elif event["type"] is not None and seen.get(key) == mark:
            return  # a new status, written by ourselves
        else:
            seen[key] = mark
        enqueue(key)

    async def job_changed(event: Mapping[str, Any], **_: object) -> None:
        job, deleted = event["object"], event["type"] == "DELETED"
        metadata = job["metadata"]
        found, uid = metadata.get("labels") or {}, metadata["uid"]
        # A pod that was ready and is not any more may be one whose download has ended beside an injected container.
        has_fallen = uid in ready and may_be_kept_alive(job)
        if _is_ready(job) and not deleted:
            ready.add(uid)
        else:
            ready.discard(uid)
        if not (deleted or has_fallen or _has_ended(job)):
            return
        if labels.SUBSCRIPTION_LABEL in found:
            enqueue((metadata["namespace"], found[labels.SUBSCRIPTION_LABEL]))
        elif labels.SURVEY_LABEL in found:  # no Subscription's own
            survey_changed((metadata["namespace"], found[labels.SURVEY_LABEL]))

    def is_watched(component: str | None, **_: object) -> bool:
        return component in _WATCHED_COMPONENTS

    kopf.on.login(registry=registry)(login)
    kopf.on.event(labels.GROUP, labels.VERSION, labels.PLURAL, registry=registry)(subscription_changed)
    kopf.on.event("batch", "v1", "jobs", labels={labels.COMPONENT_LABEL: is_watched}, registry=registry)(job_changed)
    return registry


def _mark(body: Mapping[str, Any]) -> tuple[object, ...]:
    """What a pass looks at in a Subscription, beside the status that it wrote itself."""
    metadata = body["metadata"]
    annotations = metadata.get("annotations") or {}
    return (
        metadata["uid"],
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        *(annotations.get(name) for name in labels.REQUEST_ANNOTATIONS),
    )


def _is_ready(job: Mapping[str, Any]) -> bool:
    return bool((job.get("status") or {}).get("ready"))


def _has_ended(job: Mapping[str, Any]) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c.get("type") in {"Complete", "Failed"} and c.get("status") == "True" for c in conditions)
