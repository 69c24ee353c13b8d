"""What gates go by is in the enumeration of reasons; that the code says no other, its types tell."""

from __future__ import annotations

from trawler_downloader.contract.outcomes import ANSWERED_REASONS, UNREACHED_REASONS, VOLUME_REASONS, OutcomeClass
from trawler_downloader.contract.reasons import Reason

OF_THE_OPERATOR = {"MountFailed"}
"""Launches that never start are told by the operator."""


def test_what_closes_the_gate_of_a_volume_is_the_volumes_trouble() -> None:
    """Each of them is a reason of Environment."""
    known = {str(reason): reason.outcome for reason in Reason}
    assert {known.get(reason) for reason in VOLUME_REASONS - OF_THE_OPERATOR} == {OutcomeClass.ENVIRONMENT}


def test_what_closes_the_gate_of_a_site_that_is_not_reached_is_worth_another_try() -> None:
    """Each of them is a reason of Transient, and none is an answer."""
    known = {str(reason): reason.outcome for reason in Reason}
    assert {known.get(reason) for reason in UNREACHED_REASONS} == {OutcomeClass.TRANSIENT}
    assert known.keys() >= ANSWERED_REASONS
    assert not ANSWERED_REASONS & UNREACHED_REASONS
