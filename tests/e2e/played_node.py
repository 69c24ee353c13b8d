"""A node without a machine behind it: the test says what its kubelet would say.

The scheduler, the Job controller and the operator are the real ones; what a kubelet reports of lost nodes, runtimes
that start nothing or registries that do not answer cannot be had otherwise without harm to all other tests.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from e2e import kubectl as k
from e2e import objects
from e2e.place import Place
from e2e.waiting import until
from trawler_operator.api.times import format_time

_TAINT = "trawler-e2e/played"


@dataclass(frozen=True)
class PlayedNode:
    """A node that only Jobs with `job` can be given to.

    Args:
        name: of the node, and of the one namespace whose pods it gets.
    """

    name: str

    @property
    def job(self) -> dict[str, Any]:
        """Fields of `spec.job` that bring a Subscription's launches here."""
        return {
            "nodeSelector": {"kubernetes.io/hostname": self.name},
            "tolerations": [{"key": _TAINT, "operator": "Exists"}],
        }

    def pod(self) -> str:
        """Waits until the scheduler has given it a pod, and returns the pod's name."""
        pods = until(
            f"a pod is given to {self.name}",
            lambda: objects.items("pods", namespace=self.name, fields=f"spec.nodeName={self.name}"),
            lambda pods: len(pods) == 1,
        )
        name: str = pods[0]["metadata"]["name"]
        return name

    def report(self, pod: str, status: dict[str, Any]) -> None:
        """Say what its kubelet would say of a pod."""
        patch = json.dumps({"status": {"startTime": format_time(datetime.now(UTC)), **status}})
        k.kubectl("-n", self.name, "patch", "pod", pod, "--subresource=status", "-p", patch)


@contextlib.contextmanager
def played_node(place: Place) -> Iterator[PlayedNode]:
    """A node for the launches of one place; at the end it goes, with its pods."""
    name = place.namespace
    # Without kubernetes.io/os the cluster's own DaemonSets leave it alone.
    k.apply(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {"taints": [{"key": _TAINT, "effect": "NoSchedule"}]},
        }
    )
    try:
        room = {"cpu": "8", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "20"}
        now = format_time(datetime.now(UTC))
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "lastHeartbeatTime": now}
        status = {"capacity": room, "allocatable": room, "conditions": [ready]}
        k.kubectl("patch", "node", name, "--subresource=status", "-p", json.dumps({"status": status}))
        yield PlayedNode(name)
    finally:
        k.delete("-n", name, "subscriptions,jobs", "--all")
        k.kubectl("-n", name, "delete", "pods", "--all", "--force", "--grace-period=0")
        k.delete("node", name)
