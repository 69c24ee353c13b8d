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
    """No API server from the context's beginning to its end; afterwards it answers again.

    Raises:
        AssertionError: it did not stop, or one ran at the end.
    """
    on_node("mv", API_SERVER_MANIFEST, _ASIDE)
    try:
        until("the API server has ended", _kill_api_server, lambda killed: killed == [])
        yield
        assert _api_servers() == [], "the API server is there again"
    finally:
        on_node("mv", _ASIDE, API_SERVER_MANIFEST)
        until("the API server answers again", api_answers, lambda text: text == "ok", timeout=180)


def _api_servers() -> list[str]:
    """Process ids; its readiness would say no while it still answers others."""
    return on_node("sh", "-c", "pidof kube-apiserver || true").split()


def _kill_api_server() -> list[str]:
    """End it now, and whatever the kubelet may have started in its place: by itself it takes half a minute."""
    pids = _api_servers()
    if pids:
        on_node("sh", "-c", f"kill -9 {' '.join(pids)} || true")
    return pids
