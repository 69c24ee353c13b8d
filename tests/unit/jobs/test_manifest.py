"""What Jobs and other objects of a Subscription have in common."""

from __future__ import annotations

from builders import subscription
from trawler_operator.domain.jobs.manifest import owner_reference


def test_a_ledger_is_owned_without_being_controlled() -> None:
    """One object has one controller at most; what is owned goes just the same."""
    assert owner_reference(subscription(), controller=False)["controller"] is False
