"""A proxy in the cluster that wants a login, as a VPN's does, and counts who had one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import component.web
from client import NAMESPACE, SERVICE
from e2e import kubectl as k
from e2e.waiting import until

_NAME = "login-proxy"
_PORT = 3128
_LABELS = {"app.kubernetes.io/name": _NAME}
_PROGRAM = f"""
import pathlib, time, web
login = [pathlib.Path("/login", name).read_text() for name in ("username", "password")]
with web.http_proxy(*login, 8080, onto="{SERVICE}", listen=("", {_PORT})) as proxy:
    while True:
        print(proxy.served, proxy.refused, flush=True)
        time.sleep(0.2)
"""


@dataclass(frozen=True)
class LoginProxy:
    """The proxy that runs now."""

    url: str = f"http://{_NAME}.{NAMESPACE}:{_PORT}"

    def counts(self) -> tuple[int, int]:
        """How many connections it served, and how many it refused for want of the right login."""
        said = k.kubectl("-n", NAMESPACE, "logs", _NAME, "--tail=1")
        assert said, "it has said nothing yet"
        served, refused = said.split()
        return int(served), int(refused)


@contextlib.contextmanager
def login_proxy(username: str, password: str) -> Iterator[LoginProxy]:
    """Run it beside the stand-in, which NetworkPolicies let downloads reach, and lead to nothing but the stand-in."""
    _unmake()
    try:
        k.apply(*_manifests(username, password))
        proxy = LoginProxy()
        k.kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", f"pod/{_NAME}", "--timeout=120s")
        until("the proxy counts", proxy.counts, lambda counts: counts[0] == 0)
        yield proxy
    finally:
        _unmake()


def _unmake() -> None:
    k.delete("-n", NAMESPACE, f"pod/{_NAME}", f"service/{_NAME}", f"secret/{_NAME}", f"configmap/{_NAME}")


def _manifests(username: str, password: str) -> list[k.Manifest]:
    metadata = {"name": _NAME, "namespace": NAMESPACE, "labels": _LABELS}
    source = Path(component.web.__file__).read_text(encoding="utf-8")
    container = {
        "name": "proxy",
        "image": "trawler-downloader:dev",
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", _PROGRAM],
        "env": [{"name": "PYTHONPATH", "value": "/srv/proxy"}],
        "readinessProbe": {"tcpSocket": {"port": _PORT}, "periodSeconds": 1},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "login", "mountPath": "/login"}, {"name": "program", "mountPath": "/srv/proxy"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "login", "secret": {"secretName": _NAME}},
            {"name": "program", "configMap": {"name": _NAME}},
        ],
    }
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"web.py": source}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "stringData": {"username": username, "password": password},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": _LABELS, "ports": [{"port": _PORT}]},
        },
    ]
