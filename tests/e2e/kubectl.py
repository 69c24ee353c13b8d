"""kubectl for tests, as a user has it; the cluster is the one that KUBECONFIG names."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

Manifest = Mapping[str, Any]


class KubectlError(AssertionError):
    """kubectl ended with an error; `stderr` holds what the API server said."""

    def __init__(self, args: Sequence[str], stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(args)}: {stderr.strip()}")
        self.stderr = stderr.strip()


def kubectl(*args: str, stdin: str | None = None, timeout: float = 120) -> str:
    """Run kubectl and return what it printed.

    Raises:
        KubectlError: it ended with another code than 0.
    """
    done = subprocess.run(["kubectl", *args], input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise KubectlError(args, done.stderr)
    return done.stdout


def apply(*manifests: Manifest) -> None:
    """`kubectl apply` of all manifests at once."""
    kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))


def delete(*args: str, wait: bool = True) -> None:
    """`kubectl delete`, content when there is nothing to delete; normally waits until it is gone."""
    kubectl("delete", "--ignore-not-found", f"--wait={str(wait).lower()}", *args, timeout=180)
