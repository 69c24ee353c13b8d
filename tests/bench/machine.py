"""What the machine and the cluster's node have used: CPU of all and of the node's container, memory of a process.

Two meters, because a machine is seldom quiet. `/proc/stat` sees everything, neighbours included; the node's control
group sees what runs in the node (API server, etcd, kubelet, containerd, every pod, the stand-in site among them) and
nothing else. Both count whole CPU-seconds that were spent, wherever in the cluster they were spent.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
LASTING = ("operator", "lister", "standin", "kube-apiserver", "etcd")
"""Containers whose share is told; what else runs (kubelet, containerd, the Jobs' own pods) is the rest."""
_CGROUPS = Path("/sys/fs/cgroup")


def parse_busy_seconds(stat: str) -> float:
    """CPU-seconds that all CPUs were busy since boot, from the text of /proc/stat.

    Everything but idle and iowait. Steal counts as not ours; guest time is part of user time already.
    """
    line = next(line for line in stat.splitlines() if line.startswith("cpu "))
    user, nice, system, _idle, _iowait, irq, softirq = map(int, line.split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS_PER_SECOND


def parse_cgroup_path(cgroups: str, container: str, controller: str) -> str | None:
    """The control group of a whole container, from /proc/PID/cgroup of its first process.

    Args:
        cgroups: that file's text.
        container: id of the container; its first process may have moved into a group below the container's own.
        controller: of cgroup v1, e.g. `cpuacct`; empty for v2.
    """
    for line in cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") and (found := re.match(rf".*{container}[^/]*", path)):
            return found[0]
    return None


def machine_busy_seconds() -> float:
    """CPU-seconds of the whole machine since boot."""
    return parse_busy_seconds(Path("/proc/stat").read_text())


def _used(file: Path) -> float:
    """CPU-seconds of a control group, from `cpu.stat` (v2) or `cpuacct.usage` (v1)."""
    text = file.read_text()
    return int(text.split("usage_usec ")[1].split()[0]) / 1e6 if file.name == "cpu.stat" else int(text) / 1e9


@dataclass(frozen=True)
class Spent:
    """CPU-seconds between two looks, and how long that was."""

    machine: float
    """Of everything, without the measuring program itself."""
    node: float
    """Of everything in the node; NaN where its control group cannot be read."""
    parts: dict[str, float]
    """Of that, by container that ran all the time."""
    seconds: float


class Meter:
    """Measures from its creation on."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._machine = machine_busy_seconds()
        self._own = time.process_time()
        self._in_node = node.cpu_seconds()
        self._parts = node.container_seconds()
        self._began = time.monotonic()

    def spent(self) -> Spent:
        """What was used until now."""
        own = time.process_time() - self._own
        parts = self._node.container_seconds()
        return Spent(
            machine=machine_busy_seconds() - self._machine - own,
            node=self._node.cpu_seconds() - self._in_node,
            parts={name: seconds - self._parts.get(name, 0.0) for name, seconds in parts.items()},
            seconds=time.monotonic() - self._began,
        )


class Node:
    """The one node of a kind cluster, seen from the machine.

    Args:
        docker: the docker CLI.
        cluster: kind's name of the cluster.
    """

    def __init__(self, docker: str, cluster: str) -> None:
        self._docker = docker
        self._container = f"{cluster}-control-plane"
        self._usage = self._usage_file()
        self._lasting = self._usage_files_of(LASTING)

    def cpu_seconds(self) -> float:
        """CPU-seconds of all that ever ran in the node; NaN where that cannot be read."""
        return float("nan") if self._usage is None else _used(self._usage)

    def container_seconds(self) -> dict[str, float]:
        """CPU-seconds by name of those LASTING containers whose control groups can be read."""
        return {name: _used(file) for name, file in self._lasting.items()}

    def run(self, *command: str) -> str:
        """A command in the node."""
        done = subprocess.run(
            [self._docker, "exec", self._container, *command], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def resident_bytes(self, pod_uid: str, container: str) -> int:
        """Resident memory (VmRSS) of a container's first process.

        Raises:
            LookupError: no such container runs.
        """
        status = self.run("cat", f"/proc/{self._inspected(pod_uid, container)['info']['pid']}/status")
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def ran_for(self, pod_uid: str, container: str) -> float:
        """Seconds from the start to the end of a container that has ended; Kubernetes itself tells whole seconds only.

        Raises:
            LookupError: there is no such container.
        """
        status = self._inspected(pod_uid, container)["status"]
        began, ended = (datetime.fromisoformat(status[name][:26] + "+00:00") for name in ("startedAt", "finishedAt"))
        return (ended - began).total_seconds()

    def _inspected(self, pod_uid: str, container: str) -> dict[str, Any]:
        """What crictl tells of the newest container of a pod with this name."""
        found = self.run(
            "crictl", "ps", "-a", "-q", "--last", "1", "--label", f"io.kubernetes.pod.uid={pod_uid}",
            "--label", f"io.kubernetes.container.name={container}",
        ).split()  # fmt: skip
        if not found:
            raise LookupError(f"pod {pod_uid} has no container called {container}")
        inspected: dict[str, Any] = json.loads(self.run("crictl", "inspect", found[0]))
        return inspected

    def _inspect(self, template: str) -> str:
        command = [self._docker, "inspect", "-f", template, self._container]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    def _usage_files_of(self, names: Collection[str]) -> dict[str, Path]:
        if self._usage is None:
            return {}
        running = json.loads(self.run("crictl", "ps", "--state", "running", "-o", "json"))["containers"]
        ids = {c["id"]: c["metadata"]["name"] for c in running if c["metadata"]["name"] in names}
        groups = self._usage.parent.rglob(f"*/{self._usage.name}")
        return {ids[i]: file for file in groups for i in ids if i in file.parent.name}

    def _usage_file(self) -> Path | None:
        container, pid = self._inspect("{{.Id}}"), self._inspect("{{.State.Pid}}")
        try:
            cgroups = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:  # the engine is in a virtual machine
            return None
        for controller, root, name in (("cpuacct", "cpuacct", "cpuacct.usage"), ("", "", "cpu.stat")):
            path = parse_cgroup_path(cgroups, container, controller)
            file = _CGROUPS / root / (path or "").lstrip("/") / name
            if path and file.exists():
                return file
        return None
