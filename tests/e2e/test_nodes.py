"""Two nodes: Jobs of a claim whose volume is on one node at a time run on one node, those of another claim anywhere.

The claims are folders that both nodes have, so that it is the Jobs' own affinity that keeps them together, and nothing
else: neither a volume's node, nor an attachment, which kind has no driver for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.place import Place
from e2e.waiting import until

CROWDED = f"{os.environ.get('CLUSTER')}-control-plane"
"""Everything else of the cluster runs there: the scheduler takes the other node for what may go to both."""
EMPTY = f"{os.environ.get('CLUSTER')}-worker"
ANYWHERE: dict[str, Any] = {"tolerations": [{"key": "trawler-e2e/second", "operator": "Exists"}]}
"""Fields of `spec.job` with which Jobs may go to both."""


def _on(node: str) -> dict[str, Any]:
    """Fields of `spec.job` with which Jobs go to one of them."""
    return {**ANYWHERE, "nodeSelector": {"kubernetes.io/hostname": node}}


def _spec(handle: str, job: dict[str, Any], newest: int) -> dict[str, Any]:
    return {
        "url": f"https://www.youtube.com/{handle}/videos",
        "select": {"newest": newest},
        "library": {"claimName": "shared"},
        "job": job,
    }


def _keep_busy(place: Place, site: StandIn, handle: str, node: str) -> None:
    """A Subscription `first` that downloads its only video on a node, without an end."""
    site.add_channel(handle=handle, videos=1)
    site.fault(endpoint="media", video=site.videos(handle)[0]["id"], kind="slow", bytes_per_second=500)
    place.subscribe("first", _spec(handle, _on(node), 1))
    until("first downloads", lambda: _running(place, "first"), lambda nodes: nodes == {node}, timeout=240)


def _running(place: Place, subscription: str) -> set[str]:
    """The nodes on which downloads of a Subscription run now."""
    selector = f"app.kubernetes.io/component=download,trawler.dev/subscription={subscription}"
    pods = objects.items("pods", namespace=place.namespace, labels=selector, fields="status.phase=Running")
    return {pod["spec"]["nodeName"] for pod in pods}


def _nodes_of(place: Place, title: str) -> set[str]:
    """The nodes that pods were ever given to whose names begin so; the pods themselves may have gone."""
    given = objects.items("events", namespace=place.namespace, fields="reason=Scheduled")
    return {event["note"].rsplit(" ", 1)[-1] for event in given if event["regarding"]["name"].startswith(f"{title}-")}


@pytest.mark.parametrize(
    ("mode", "node"),
    [
        pytest.param("ReadWriteOnce", CROWDED, id="a volume of one node"),
        pytest.param("ReadWriteMany", EMPTY, id="a volume of many"),
    ],
)
def test_jobs_beside_one_that_runs(place: Place, site: StandIn, handle: str, mode: str, node: str) -> None:
    """A volume of one node: they follow to where it is used. One of many: they go where the scheduler likes it best.

    Survey, downloads at a time and inventory alike.
    """
    place.add_claim("shared", f"{place.namespace}/shared", mode)
    _keep_busy(place, site, handle, CROWDED)
    more = handle.rstrip("-") + "x"
    site.add_channel(handle=more, videos=3)
    place.subscribe("second", _spec(more, {**ANYWHERE, "parallelism": 3}, 3))
    place.wait_up_to_date("second", 3)
    k.delete("-n", place.namespace, "configmap", "-l", "trawler.dev/subscription=second")
    place.check("second", "after-the-loss")
    until("its history is back", lambda: place.states("second"), lambda states: states == {"Succeeded": 3})

    assert {title: _nodes_of(place, title) for title in ("shared-survey", "second-inventory", "second")} == {
        "shared-survey": {CROWDED, node},
        "second-inventory": {node},
        "second": {node},
    }
    assert _running(place, "first") == {CROWDED}


@contextlib.contextmanager
def _cordoned(node: str) -> Iterator[None]:
    k.kubectl("cordon", node)
    try:
        yield
    finally:
        k.kubectl("uncordon", node)


@pytest.mark.disruptive
def test_node_of_the_volume_takes_no_more_pods(place: Place, site: StandIn, handle: str) -> None:
    """A Job waits for the node where its volume is in use, and the status says so; later it goes to another one."""
    place.add_claim("shared", f"{place.namespace}/shared", "ReadWriteOnce")
    more = handle.rstrip("-") + "x"
    site.add_channel(handle=more, videos=1)
    place.subscribe("second", _spec(more, ANYWHERE, 1))
    place.wait_up_to_date("second", 1)
    _keep_busy(place, site, handle, EMPTY)
    with _cordoned(EMPTY):
        site.publish(channel=more, count=1)
        place.check("second", "published")
        condition = place.wait_condition("second", "Ready", "False", "DownloadNotStarting", timeout=300)
        assert "1 node(s) were unschedulable" in condition["message"]
        assert "1 node(s) didn't match pod affinity rules" in condition["message"]
        assert _running(place, "first") == {EMPTY}
        k.delete("-n", place.namespace, "ytsub", "first")
        place.wait_up_to_date("second", 2, timeout=500)
        newest = max(place.jobs("second"), key=lambda job: job["metadata"]["creationTimestamp"])
        assert _nodes_of(place, newest["metadata"]["name"]) == {CROWDED}
