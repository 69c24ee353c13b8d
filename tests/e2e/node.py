"""The cluster's one node: its kubelet and its API server, killed, stopped and started again."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

from e2e import kubectl as k
from e2e.waiting import until

API_SERVER_MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
_ASIDE = "/etc/kubernetes/kube-apiserver.aside.yaml"


def on_node(*command: str) -> str:
    """Run a command in the node."""
    node = f"{os.environ['CLUSTER']}-control-plane"
    done = subprocess.run(
        [os.environ["DOCKER"], "exec", node, *command], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.strip()


def kill_process(name: str) -> None:
    """SIGKILL a process of the node by its name; whoever supervises it starts it again."""
    for pid in on_node("pidof", name).split():
        on_node("kill", "-9", pid)


def processes() -> str:
    """What the node's own users may read of all processes of all containers: command lines and environments."""
    return on_node("sh", "-c", r"cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' ' '")


def api_answers() -> str:
    """What the API server says of itself; an AssertionError while it says nothing."""
    return k.kubectl("get", "--raw", "/readyz", "--request-timeout=5s", timeout=30)


@contextlib.contextmanager
def without_api_server() -> Iterator[None]:
    """No API server inside the context; afterwards it answers again."""
    on_node("mv", API_SERVER_MANIFEST, _ASIDE)
    try:
        yield
    finally:
        on_node("mv", _ASIDE, API_SERVER_MANIFEST)
        until("the API server answers again", api_answers, lambda text: text == "ok", timeout=180)
