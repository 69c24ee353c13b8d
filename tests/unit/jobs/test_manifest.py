"""What Jobs and other objects of a Subscription have in common."""

from __future__ import annotations

from builders import subscription
from trawler_operator.domain.jobs.manifest import claim_of, library_volume, owner_reference


def test_a_ledger_is_owned_without_being_controlled() -> None:
    """One object has one controller at most; what is owned goes just the same."""
    assert owner_reference(subscription(), controller=False)["controller"] is False


def test_the_claim_of_a_job_is_the_one_that_its_pod_mounts() -> None:
    """A Job that somebody took the volume from has none."""
    pod = {"volumes": [{"name": "scratch", "emptyDir": {}}, library_volume("nas")]}

    assert claim_of({"spec": {"template": {"spec": pod}}}) == "nas"
    assert claim_of({"spec": {"template": {"spec": {}}}}) is None
