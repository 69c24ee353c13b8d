"""How many nodes and pods may use a claim at a time, by its access modes. Pure.

A volume that is neither ReadWriteMany nor ReadOnlyMany is attached to one node at a time; a pod on another one waits
for it with a Multi-Attach error (pkg/volume/util of Kubernetes, IsMultiAttachAllowed, which asks the volume's modes,
and takes one without any for one of many). ReadWriteOncePod is one pod in the whole cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OF_MANY_NODES = frozenset({"ReadWriteMany", "ReadOnlyMany"})


def is_on_one_node(claim: Mapping[str, Any]) -> bool:
    """Whether the claim's volume is attached to one node at a time."""
    modes = _modes(claim)
    return bool(modes) and not modes & _OF_MANY_NODES


def is_for_one_pod(claim: Mapping[str, Any]) -> bool:
    """Whether only one pod at a time may use it."""
    return _modes(claim) == {"ReadWriteOncePod"}


def _modes(claim: Mapping[str, Any]) -> set[str]:
    """Those of the volume, once the claim is bound; until then those that it asks for."""
    bound, wanted = (claim.get(part) or {} for part in ("status", "spec"))
    return set(bound.get("accessModes") or wanted.get("accessModes") or ())
