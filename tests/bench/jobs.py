"""Job pods as a home-made pipeline has them: the downloader's own image, its yt-dlp by the command line.

The same image, claim, user, limits and trust as trawler's own Jobs, so that the difference is the programs'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

IMAGE = "trawler-downloader:dev"
TRUST = ("--compat-options", "no-certifi")
"""yt-dlp then obeys SSL_CERT_FILE: the stand-in's certificate authority is not a public one."""
_CA_FILE = "/etc/trawler/ca/ca.crt"


def job(
    name: str, command: Sequence[str], *, claim: str | None = "library", scripts: str | None = None
) -> dict[str, Any]:
    """A Job of one container `main`.

    Args:
        name: of the Job.
        command: what runs.
        claim: mounted at /media; None: none.
        scripts: a ConfigMap mounted at /scripts; None: none.
    """
    mounts = [{"name": "scratch", "mountPath": "/tmp"}, {"name": "ca", "mountPath": "/etc/trawler/ca"}]
    volumes: list[dict[str, Any]] = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "ca", "configMap": {"name": "standin-ca"}},
    ]
    if claim:
        mounts.append({"name": "library", "mountPath": "/media"})
        volumes.append({"name": "library", "persistentVolumeClaim": {"claimName": claim}})
    if scripts:
        mounts.append({"name": "scripts", "mountPath": "/scripts"})
        volumes.append({"name": "scripts", "configMap": {"name": scripts}})
    container = {
        "name": "main",
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "env": [{"name": "SSL_CERT_FILE", "value": _CA_FILE}],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
