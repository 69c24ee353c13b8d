"""Rows of the tables of Jobs that end without a report or do not start, with what becomes of the video.

Those that a healthy node can be brought to stand in test_job_endings; here a node is played.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e.place import Place
from e2e.played_node import PlayedNode, played_node
from e2e.waiting import until

LONGER_AT_MOST = 1.2
"""A pause is made up to a fifth longer, by chance."""


@dataclass(frozen=True)
class Row:
    """What a kubelet says of a pod, and what becomes of its video.

    Args:
        reason: of the ending, in the ledger.
        outcome: its class.
        state: of the ledger's entry.
        failures: tries that it cost.
        pause: seconds until the next launch; each pause may be a fifth longer.
        ready: reason of the condition Ready.
        status: of the pod; None: nothing is ever said.
    """

    reason: str
    outcome: str
    state: str
    failures: int
    pause: float
    ready: str
    status: dict[str, Any] | None

    @property
    def lasts(self) -> bool:
        """Whether the launch ends only when the operator's patience does."""
        return self.status is None or self.status["phase"] == "Pending"


def _container(state: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"name": "download", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}]


def _ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    """The container ended."""
    state = {"terminated": {"exitCode": code, "reason": reason, "message": message}}
    return {"phase": "Failed" if code else "Succeeded", "containerStatuses": _container(state)}


def _waits(reason: str, message: str) -> dict[str, Any]:
    """The container waits, with the kubelet's reason for it."""
    return {"phase": "Pending", "containerStatuses": _container({"waiting": {"reason": reason, "message": message}})}


def _failed(reason: str, message: str) -> dict[str, Any]:
    """The kubelet has given the pod up."""
    return {"phase": "Failed", "reason": reason, "message": message}


_PULLING = {"phase": "Pending", "conditions": [{"type": "PodReadyToStartContainers", "status": "True"}]}

_HELD = ("Pending", 0)
ROWS = {
    "its node never takes it up": Row("NodeLost", "Terminated", *_HELD, 10, "Watching", None),
    "its node was lost": Row("NodeLost", "Terminated", *_HELD, 10, "Watching", _failed("NodeLost", "node is gone")),
    "its container is not known any more": Row(
        "NodeLost", "Terminated", *_HELD, 10, "Watching", _ended(137, "ContainerStatusUnknown")
    ),
    "its node refuses it": Row(
        "PodRefused", "Terminated", *_HELD, 10, "Watching", _failed("OutOfcpu", "Node didn't have enough resource")
    ),
    "its node evicts it": Row(
        "Disrupted", "Terminated", *_HELD, 10, "Watching", _failed("Evicted", "The node was low on resource")
    ),
    "no image comes": Row(
        "ImagePullFailed", "Environment", *_HELD, 60, "DownloadNotStarting", _waits("ImagePullBackOff", "Back-off")
    ),
    "an image is pulled without an end": Row(
        "ImagePullFailed", "Environment", *_HELD, 60, "DownloadNotStarting", _PULLING
    ),
    "its container cannot be made": Row(
        "ContainerNotStarted",
        "Environment",
        *_HELD,
        60,
        "DownloadNotStarting",
        _waits("CreateContainerConfigError", "no such Secret"),
    ),
    "its program cannot be started": Row(
        "ContainerNotStarted",
        "Environment",
        *_HELD,
        60,
        "DownloadNotStarting",
        _ended(128, "StartError", "exec: no such file"),
    ),
    "killed by whoever it was": Row("Killed", "Terminated", *_HELD, 10, "Watching", _ended(137)),
    "ended with the code of a class": Row("Exited", "Environment", *_HELD, 60, "SubscriptionGateClosed", _ended(45)),
    "ended with a code of no class": Row("Exited", "Transient", "Failed", 1, 60, "Watching", _ended(3)),
    "failed without a word": Row("LaunchVanished", "Transient", "Failed", 1, 60, "Watching", {"phase": "Failed"}),
    "ended well without a report": Row("ResultLost", "Terminated", *_HELD, 10, "Watching", _ended(0, "Completed")),
}


def _wanted_there(place: Place, site: StandIn, handle: str, node: PlayedNode) -> str:
    """A Subscription with a history, and then a first video, launched on that node. Returns the video's key."""
    site.add_channel(handle=handle, videos=0)
    spec = {"url": f"https://www.youtube.com/{handle}/videos"}
    place.subscribe("one", spec)
    place.wait_up_to_date("one", 0)
    place.subscribe("one", {**spec, "job": node.job})
    video = site.publish(channel=handle, count=1)[0]["id"]
    place.check("one", "published")
    return f"youtube.{video}"


def _holds(place: Place, key: str, row: Row) -> None:
    """The ledger has it as the row says, for as long as the row says; the condition says so too."""
    entry = until(
        f"the launch ended with {row.reason}",
        lambda: place.ledger("one")[key],
        lambda entry: entry.get("reason") == row.reason and entry["state"] != "Running",
        timeout=240,
    )
    seen = datetime.now(UTC).timestamp()
    assert (entry["outcome"], entry["state"], entry.get("failures", 0)) == (row.outcome, row.state, row.failures)
    again = datetime.fromisoformat(_held_until(place, entry, row)).timestamp()
    ended = datetime.fromisoformat(entry["times"]["finished"]).timestamp()
    assert ended + row.pause - 1 <= again <= seen + row.pause * LONGER_AT_MOST + 1  # stamps are whole seconds
    place.wait_condition("one", "Ready", "True" if row.ready == "Watching" else "False", row.ready)


def _held_until(place: Place, entry: dict[str, Any], row: Row) -> str:
    """The time of the next launch: the video's own, or that of the Subscription's gate, which all its videos share."""
    if row.ready == "Watching":
        return str(entry["retryAt"])
    gate = until("its gate is closed", lambda: place.status("one").get("gate", {}), bool)
    return str(gate["untilTime"])


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=name, marks=[pytest.mark.lengthy] if row.lasts else []) for name, row in ROWS.items()],
)
def test_what_a_kubelet_says_of_a_launch(place: Place, site: StandIn, handle: str, row: Row) -> None:
    """Class, state, tries, the time of the next launch and the condition follow from what the kubelet says."""
    with played_node(place) as node:
        key = _wanted_there(place, site, handle, node)
        pod = node.pod()
        if row.status is not None:
            node.report(pod, row.status)
        _holds(place, key, row)


@pytest.mark.lengthy
def test_node_that_leaves_the_cluster(place: Place, site: StandIn, handle: str) -> None:
    """As an autoscaler removes it: Kubernetes clears its pods away and says so."""
    with played_node(place) as node:
        key = _wanted_there(place, site, handle, node)
        node.pod()
        k.delete("node", node.name)
        _holds(place, key, Row("Disrupted", "Terminated", *_HELD, 10, "Watching", None))
