"""How many nodes and pods may use a claim at a time, by its access modes. Pure.

A volume that is neither ReadWriteMany nor ReadOnlyMany is attached to one node at a time. A pod on another node waits
for it with a Multi-Attach error. The rule is Kubernetes' own (pkg/volume/util, IsMultiAttachAllowed): it reads the
modes of the volume, and a volume without any counts as one for many nodes. A ReadWriteOncePod volume is for one pod in
the whole cluster.
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
    """Whether only one pod at a time may use the claim."""
    return _modes(claim) == {"ReadWriteOncePod"}


def _modes(claim: Mapping[str, Any]) -> set[str]:
    """The volume's modes if the claim is bound, else the modes that the claim asks for."""
    bound, wanted = (claim.get(part) or {} for part in ("status", "spec"))
    return set(bound.get("accessModes") or wanted.get("accessModes") or ())
