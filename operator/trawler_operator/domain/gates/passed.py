"""Which gates a Job passed, as far as the Job can be believed. Pure.

Whoever may write Jobs in one namespace must not be able to move the gates of another. Anyone with the right `patch` may
change a Job's annotations, so they count for nothing here. What is read is:

| what | from | who can change it after the Job was created |
|---|---|---|
| claim, cookie jar | the pod template, and the Job's own namespace | nobody: the API server refuses |
| site, proxy | the pod template | nobody |
| epochs | the pod template | nobody |

A Job that somebody made by hand has a template of their choice. It can name no claim and no jar of another namespace,
since their names begin with the Job's own namespace. All namespaces share the other gates. Of those, the Job's ending
moves only the ones on the route of the Subscription's present spec: any real download of the Subscription would move
these, too. If the spec has named another proxy since the Job began, the ending says nothing of the old proxy; the next
launch through that proxy does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from trawler_downloader.contract.download import REQUEST_ENV, DownloadRequest
from trawler_operator.api import labels
from trawler_operator.domain.gates.codec import decode_epochs
from trawler_operator.domain.gates.route import GateId, Route, download_route
from trawler_operator.domain.jobs.manifest import claim_of

_Job = Mapping[str, Any]


def passed_gates(job: _Job, own: Route) -> dict[GateId, int]:
    """The gates that a download's ending may move, each with its epoch when the launch began.

    Args:
        job: the Job of the launch.
        own: the route of a launch of the same video by the Subscription's present spec.
    """
    subscription = next((gate.subscription for gate in own.own), "")
    route = _taken_route(job, subscription)
    if route is None:
        return {}
    epochs = decode_epochs((job["spec"]["template"]["metadata"].get("annotations") or {}).get(labels.GATES_ANNOTATION))
    believed = [gate for gate in route.gates if not gate.crosses_namespaces or gate in own.gates]
    return {gate: epochs[gate.kind] for gate in believed if gate.kind in epochs}


def egress_name(job: _Job) -> str:
    """The name of the Egress gate that a Job passed; empty if its template does not show it."""
    route = _taken_route(job, "")
    return route.egress.name if route else ""


def _taken_route(job: _Job, subscription: str) -> Route | None:
    """The route of the Job's pod by its template; None if that cannot be read."""
    request, claim, namespace = _request(job), claim_of(job), job["metadata"]["namespace"]
    if request is None or claim is None:
        return None
    jar = f"{namespace}/{request.cookies_secret}" if request.cookies_secret else ""
    return download_route(request.video.url, request.proxy or "", f"{namespace}/{claim}", subscription, jar)


def _request(job: _Job) -> DownloadRequest | None:
    variables = [one for each in job["spec"]["template"]["spec"]["containers"] for one in each.get("env") or ()]
    text = next((one.get("value") for one in variables if one["name"] == REQUEST_ENV), None)
    try:
        return DownloadRequest.model_validate_json(text or "")
    except ValidationError:
        return None
