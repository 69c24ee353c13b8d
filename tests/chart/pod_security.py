"""The Pod Security Standards' `restricted` profile, as its documentation lists it, applied to a pod's spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def restricted_violations(pod: dict[str, Any]) -> list[str]:
    """What the admission of a namespace that enforces `restricted` would refuse; empty when nothing."""
    return [*_of_pod(pod), *_of_volumes(pod), *_of_containers(pod)]


def _of_pod(pod: dict[str, Any]) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield field
    context = pod.get("securityContext", {})
    if context.get("sysctls"):
        yield "sysctls"
    if context.get("runAsUser") == 0:
        yield "pod runs as root"


def _of_volumes(pod: dict[str, Any]) -> Iterator[str]:
    for volume in pod.get("volumes", []):
        for kind in set(volume) - {"name"} - _VOLUMES:
            yield f"volume {volume['name']}: {kind}"


def _of_containers(pod: dict[str, Any]) -> Iterator[str]:
    inherited = pod.get("securityContext", {})
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        context = {**inherited, **container.get("securityContext", {})}
        found = {
            "privileged": bool(context.get("privileged")),
            "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is not False,
            "runAsNonRoot": context.get("runAsNonRoot") is not True,
            "runAsUser": context.get("runAsUser") == 0,
            "seccompProfile": context.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"},
            "capabilities.drop": "ALL" not in context.get("capabilities", {}).get("drop", []),
            "capabilities.add": bool(set(context.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}),
            "procMount": context.get("procMount", "Default") != "Default",
            "hostPort": any(port.get("hostPort") for port in container.get("ports", [])),
        }
        for rule, violated in found.items():
            if violated:
                yield f"container {container['name']}: {rule}"
