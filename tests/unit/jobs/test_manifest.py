"""What Jobs and other objects of a Subscription have in common."""

from __future__ import annotations

import pytest

from builders import subscription
from trawler_operator.domain.jobs.manifest import annotated_number, claim_of, library_volume, owner_reference


def test_a_ledger_is_owned_without_being_controlled() -> None:
    """One object has one controller at most; what is owned goes just the same."""
    assert owner_reference(subscription(), controller=False)["controller"] is False


def test_the_claim_of_a_job_is_the_one_that_its_pod_mounts() -> None:
    """A Job that somebody took the volume from has none."""
    pod = {"volumes": [{"name": "scratch", "emptyDir": {}}, library_volume("nas")]}

    assert claim_of({"spec": {"template": {"spec": pod}}}) == "nas"
    assert claim_of({"spec": {"template": {"spec": {}}}}) is None


@pytest.mark.parametrize(
    ("annotations", "number"),
    [
        ({"n": "12"}, 12),
        ({"n": "9" * 18}, 10**18 - 1),
        ({"n": "9" * 5000}, None),
        ({"n": "-1"}, None),
        ({}, None),
        (None, None),
    ],
    ids=["a number", "a large one", "one that Python itself refuses", "less than nothing", "another's", "none"],
)
def test_numbers_that_are_read_back(annotations: dict[str, str] | None, number: int | None) -> None:
    """What no operator wrote counts as not told."""
    assert annotated_number({"metadata": {"annotations": annotations}}, "n") == number
