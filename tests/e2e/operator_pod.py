"""The operator under test, and what can be done to it: logs, a SIGKILL of one of its processes, an upgrade."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import Any

from e2e import kubectl as k
from e2e import objects
from e2e.waiting import until

SELECTOR = "app.kubernetes.io/name=trawler,app.kubernetes.io/component=operator"


def kill_container(pod_uid: str, container: str) -> None:
    """SIGKILL the first process of a running container, from the node, as the kernel's OOM killer would."""
    node = [os.environ["DOCKER"], "exec", f"{os.environ['CLUSTER']}-control-plane"]
    found = subprocess.run(
        [*node, "crictl", "ps", "-q", "--state", "running", "--label", f"io.kubernetes.pod.uid={pod_uid}",
         "--label", f"io.kubernetes.container.name={container}"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout.split()  # fmt: skip
    assert len(found) == 1, f"expected one running container {container} of pod {pod_uid}, found {found}"
    inspected = subprocess.run(
        [*node, "crictl", "inspect", found[0]], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    pid = int(json.loads(inspected)["info"]["pid"])
    assert pid > 1
    subprocess.run([*node, "kill", "-9", str(pid)], check=True, timeout=60)


@dataclass(frozen=True)
class OperatorPod:
    """The one pod of the operator's Deployment."""

    namespace: str

    def pod(self) -> dict[str, Any]:
        """The pod that runs now."""
        found = objects.items("pods", namespace=self.namespace, labels=SELECTOR)
        pods = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        assert len(pods) == 1, f"expected one operator pod, found {[p['metadata']['name'] for p in pods]}"
        return pods[0]

    def restarts(self, container: str) -> int:
        """How often a container of the pod was restarted."""
        statuses = self.pod()["status"].get("containerStatuses", [])
        return int(next((s["restartCount"] for s in statuses if s["name"] == container), 0))

    def kill(self, container: str = "operator") -> None:
        """SIGKILL a container and wait until its successor runs."""
        before = self.restarts(container)
        kill_container(str(self.pod()["metadata"]["uid"]), container)
        until(f"container {container} was restarted", lambda: self.restarts(container), lambda n: n > before)

    def renew(self) -> None:
        """Another pod in its place: the kubelet waits longer each time, up to 5 min, to start a dead container."""
        k.kubectl("-n", self.namespace, "delete", "pods", "-l", SELECTOR, "--wait=true", timeout=180)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Until the Deployment is rolled out and available."""
        k.kubectl("-n", self.namespace, "rollout", "status", "deployment/trawler", "--timeout=180s", timeout=200)

    def logs(self, tail: int = 100, container: str = "operator") -> str:
        """The log's end, that of the container before the last restart first.

        Raises:
            KubectlError: the present one cannot be read.
        """
        log = ["-n", self.namespace, "logs", "deployment/trawler", "-c", container, f"--tail={tail}"]
        before = ""
        if self.restarts(container):
            before = k.kubectl(*log, "--previous=true")
        return before + k.kubectl(*log)

    def fetch(self, path: str) -> str:
        """What its web server answers, asked through the API server."""
        pod = self.pod()["metadata"]["name"]
        return k.kubectl("get", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/{pod}:8080/proxy{path}")

    def metric(self, series: str, /, **labels: str) -> float | None:
        """A sample of its metrics as Prometheus would read it now: the first that has all these labels."""
        for line in self.fetch("/metrics").splitlines():
            if line.startswith(f"{series}{{") and all(f'{label}="{value}"' in line for label, value in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return None
