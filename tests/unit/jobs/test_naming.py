"""Names are locks: the same facts give the same name, other facts another one, and every name is valid."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trawler_operator.domain.jobs.naming import claim_label, job_name, ledger_name

SUBSCRIPTION_NAMES = st.from_regex(
    r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?)?", fullmatch=True
)


def test_a_job_is_named_after_its_launch() -> None:
    """A changed scheme would download every running video twice: this name is frozen."""
    assert job_name("media", "3blue1brown", "youtube.abcdefghijk", 1) == "3blue1brown-a32ff25a9c9afa88"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("another namespace", ("home", "numberline", "youtube.a", 1)),
        ("another subscription", ("media", "numberlines", "youtube.a", 1)),
        ("another video", ("media", "numberline", "youtube.b", 1)),
        ("another launch", ("media", "numberline", "youtube.a", 2)),
        ("for what is added to the video", ("media", "numberline", "youtube.a", 1, "Thumbnail")),
        ("moved borders", ("medianumberline", "numberline", "youtube.a", 1)),
    ],
)
def test_other_launches_have_other_names(name: str, other: tuple[Any, ...]) -> None:
    """Nothing that tells two launches apart is lost."""
    assert job_name(*other) != job_name("media", "numberline", "youtube.a", 1)


@given(SUBSCRIPTION_NAMES, st.text(), st.integers(min_value=1))
def test_every_job_name_is_a_dns_label(name: str, key: str, launch: int) -> None:
    """It becomes a pod's host name."""
    built = job_name("media", name[:63], key, launch)

    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", built)
    assert len(built) <= 63


def test_a_long_name_is_cut_before_a_dash() -> None:
    """`a-…-0123` and not `a-…--0123`."""
    built = job_name("media", "a" * 45 + "-" + "b" * 17, "youtube.a", 1)

    assert re.fullmatch(r"a{45}-[0-9a-f]{16}", built)


def test_a_ledger_is_named_after_its_subscription_and_shard() -> None:
    """Dots stay: a ConfigMap may have them."""
    assert ledger_name("3blue1brown", 0) == "trawler-ledger-3blue1brown-0"
    assert ledger_name("a.b", 12) == "trawler-ledger-a.b-12"


@pytest.mark.parametrize("claim", ["library", "a.b", "c" * 63])
def test_a_claim_that_fits_is_its_own_label(claim: str) -> None:
    """So that people can select by it."""
    assert claim_label(claim) == claim


def test_long_claims_have_labels_of_their_own() -> None:
    """Two that begin alike are two."""
    found = {claim_label("c" * 70 + end) for end in "ab"}
    assert len(found) == 2
    assert all(re.fullmatch(r"c{46}-[0-9a-f]{16}", label) for label in found)
