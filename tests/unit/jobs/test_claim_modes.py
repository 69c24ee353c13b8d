"""How many nodes and pods a claim is for."""

from __future__ import annotations

import pytest

from trawler_operator.domain.jobs.claim_modes import is_for_one_pod, is_on_one_node


@pytest.mark.parametrize(
    ("wanted", "bound", "one_node", "one_pod"),
    [
        pytest.param(["ReadWriteOnce"], None, True, False, id="asks for one node, not bound yet"),
        pytest.param(["ReadWriteOnce"], ["ReadWriteOnce"], True, False, id="one node"),
        pytest.param(["ReadWriteOnce"], ["ReadWriteOnce", "ReadWriteMany"], False, False, id="its volume can do more"),
        pytest.param(["ReadWriteMany"], ["ReadWriteMany"], False, False, id="many nodes"),
        pytest.param(["ReadWriteOncePod"], ["ReadWriteOncePod"], True, True, id="one pod"),
        pytest.param(None, None, False, False, id="does not say"),
    ],
)
def test_access_modes(wanted: list[str] | None, bound: list[str] | None, one_node: bool, one_pod: bool) -> None:
    """What the volume bears counts; before there is one, what is asked for."""
    claim = {"spec": {"accessModes": wanted}, "status": {"accessModes": bound}}
    assert (is_on_one_node(claim), is_for_one_pod(claim)) == (one_node, one_pod)


def test_a_claim_without_any_word() -> None:
    """As an API server may give it."""
    assert not is_on_one_node({"metadata": {"name": "library"}})
