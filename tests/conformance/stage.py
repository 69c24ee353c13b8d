"""What a conformance test may do: the port under test, and what users, controllers and nodes do beside it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from builders import ledger_entry, subscription
from trawler_operator.adapters.kubernetes.client import KubernetesClient
from trawler_operator.api import labels
from trawler_operator.domain.history.inventory import Progress, order_inventory
from trawler_operator.domain.history.survey import order_survey, survey_id
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults
from trawler_operator.domain.launches.download_job import build_download_job
from trawler_operator.domain.volume_jobs.order import build_volume_job
from trawler_operator.reconcile.ports import KubernetesApi, Manifest

URL = "https://www.youtube.com/@numberline/videos"
ENDING = "ENDING"
"""Environment variable of a test's Job: JSON of what its container shall do."""
CLAIM = "library"
DEFAULTS = JobDefaults(image="trawler-downloader:dev", claim_name=CLAIM)
_PROGRAM = """
import json, os, signal, sys, time
wish = json.loads(os.environ["ENDING"])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
for _ in range(wish["times"]):
    sys.stdout.write(wish["prints"])
sys.stdout.flush()
if wish["message"] is not None:
    with open("/dev/termination-log", "w") as log:
        log.write(wish["message"])
if wish["eats_memory"]:
    hoard = [bytes([1]) * 2**20 for _ in range(2**12)]
if wish["code"] is None:
    time.sleep(600)
sys.exit(wish["code"])
"""


class Stage(Protocol):
    """A namespace of one test. Kinds are written as in manifests."""

    namespace: str
    api: KubernetesApi
    """The port: what the tests are about."""
    requests: KubernetesClient
    """What the adapters without a port make their requests with."""

    async def create(self, kind: str, manifest: Manifest) -> Manifest:
        """As a user does; raises what the port would."""
        ...

    async def read(self, kind: str, name: str) -> Manifest | None:
        """As it is now."""
        ...

    async def names(self, kind: str) -> set[str]:
        """Of all objects of a kind."""
        ...

    async def patch(self, kind: str, name: str, patch: Manifest) -> Manifest:
        """A merge patch by a user."""
        ...

    async def delete(self, kind: str, name: str, propagation: str = "Background") -> None:
        """As `kubectl delete --cascade` does; not waited for."""
        ...

    async def evict(self, pod: str) -> None:
        """As a drain does."""
        ...

    async def eventually(self, what: str, look: Callable[[], Awaitable[Any]]) -> Any:
        """Let controllers and nodes work until `look` answers with something true; its answer."""
        ...

    async def quiet(self) -> None:
        """Let controllers and nodes work until nothing of theirs is due any more."""
        ...


async def subscribe(stage: Stage, name: str = "numberline") -> Manifest:
    """Apply a Subscription that no operator does anything for, and wait until one that runs here has said so."""
    # Of this policy, so that an operator leaves owners of the ledger alone.
    spec = {"url": URL, "suspend": True, "ledgerPolicy": "Delete"}
    manifest = {"apiVersion": labels.API_VERSION, "kind": labels.KIND, "metadata": {"name": name}, "spec": spec}
    await stage.create("Subscription", manifest)
    await stage.quiet()
    body = await stage.api.get_subscription((stage.namespace, name))
    assert body is not None
    return body


def config_map(stage: Stage, name: str, data: dict[str, Any] | None = None, **metadata: Any) -> Manifest:
    """A ConfigMap."""
    body: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": stage.namespace, "name": name, **metadata},
    }
    return body if data is None else {**body, "data": data}


def shard(stage: Stage, name: str, owner: str, data: dict[str, Any] | None = None, **metadata: Any) -> Manifest:
    """A ConfigMap with the labels of a ledger."""
    return config_map(stage, name, data, labels=labels.ledger_labels(owner), **metadata)


def quota(stage: Stage, **hard: int) -> Manifest:
    """A ResourceQuota."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"namespace": stage.namespace, "name": "tight"},
        "spec": {"hard": {name: str(limit) for name, limit in hard.items()}},
    }


def job(
    stage: Stage,
    *,
    owner: Manifest | None = None,
    video: str = "youtube.abcdefghijk",
    code: int | None = None,
    message: str | None = None,
    deadline: int = 3600,
    eats_memory: bool = False,
    prints: str = "",
    times: int = 1,
    beside: str | None = None,
) -> Manifest:
    """A download Job as the operator makes it, with another program in it and no claim.

    Args:
        stage: gives the namespace.
        owner: the Subscription; None: one of that name that is not there, and no reference to it.
        video: its key.
        code: exit code of its container; None: runs for ten minutes.
        message: termination message.
        deadline: activeDeadlineSeconds.
        eats_memory: until it is killed for it.
        prints: to its log.
        times: over and over.
        beside: image of a second container, which does not end; None: there is none.
    """
    wish = {"code": code, "message": message, "eats_memory": eats_memory, "prints": prints, "times": times}
    manifest = _with_program(download_job(stage, owner, video), wish)
    manifest["spec"]["activeDeadlineSeconds"] = deadline
    if beside is not None:
        containers = manifest["spec"]["template"]["spec"]["containers"]
        command = ["python", "-c", "import time; time.sleep(600)"]
        kept = {name: containers[0][name] for name in ("resources", "securityContext")}
        containers.append({"name": "beside", "image": beside, "command": command, **kept})
    return manifest


def printing_inventory(stage: Stage, owner: Manifest, prints: str) -> Manifest:
    """An inventory Job as the operator makes it, with a program that prints and no claim."""
    wish = {"code": 0, "message": None, "eats_memory": False, "prints": prints, "times": 1}
    return _with_program(inventory_job(stage, owner), wish)


def download_job(stage: Stage, owner: Manifest | None = None, video: str = "youtube.abcdefghijk") -> Manifest:
    """A download Job just as the operator makes it, but for the owner, where there is none."""
    metadata = (owner or {}).get("metadata") or {"uid": "none", "name": "numberline"}
    manifest = build_download_job(
        subscription(namespace=stage.namespace, name=metadata["name"], uid=metadata["uid"]),
        video,
        ledger_entry(),
        launch=1,
        shard=0,
        gates={},
        defaults=DEFAULTS,
        access=AccessRules(),
    )
    if owner is None:
        del manifest["metadata"]["ownerReferences"]
    return manifest


def inventory_job(stage: Stage, owner: Manifest) -> Manifest:
    """The first inventory Job of a Subscription, just as the operator makes it."""
    metadata = owner["metadata"]
    owned_by = subscription(namespace=stage.namespace, name=metadata["name"], uid=metadata["uid"])
    return build_volume_job(order_inventory(owned_by, Progress(claim=CLAIM), DEFAULTS), 1, DEFAULTS)


def survey_job(stage: Stage, asks: Manifest) -> Manifest:
    """The first survey Job of a claim, just as the operator makes it."""
    metadata = asks["metadata"]
    asked_by = subscription(namespace=stage.namespace, name=metadata["name"], uid=metadata["uid"])
    survey = survey_id(asked_by, CLAIM, DEFAULTS)
    return build_volume_job(order_survey(asked_by, CLAIM, survey, None, at_once=False), 1, DEFAULTS)


def _with_program(manifest: Manifest, wish: dict[str, Any]) -> Manifest:
    pod = manifest["spec"]["template"]["spec"]
    container = pod["containers"][0]
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "library"]
    pod["terminationGracePeriodSeconds"] = 5
    container |= {
        "command": ["python", "-c", _PROGRAM],
        "env": [{"name": ENDING, "value": json.dumps(wish)}],
        "resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "32Mi"}},
        "volumeMounts": [mount for mount in container["volumeMounts"] if mount["name"] != "library"],
    }
    return manifest
