"""Later checks: what is new is taken once, nothing new costs nearly nothing, a check that goes wrong loses nothing."""

from __future__ import annotations

import pytest

from client import StandIn
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.served import not_served_once
from e2e.waiting import until

SPEC = {"job": {"parallelism": 3}}


def _subscribed(place: Place, site: StandIn, handle: str, newest: int = 1) -> str:
    site.add_channel(handle=handle, videos=120)
    place.subscribe("sub", {**SPEC, "url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": newest}})
    place.wait_up_to_date("sub", newest)
    return "sub"


def test_two_published_videos_become_two_jobs(place: Place, site: StandIn, handle: str) -> None:
    """The next check launches exactly as many Jobs as there are new videos."""
    sub = _subscribed(place, site, handle)
    launched = place.launches(sub)
    new = [video["id"] for video in site.publish(channel=handle, count=2)]
    place.check(sub, "two-new")
    place.wait_up_to_date(sub, 3)
    assert place.launches(sub) == launched + 2
    assert not_served_once(site, new) == {}


def test_a_check_with_nothing_new_costs_one_page(place: Place, site: StandIn, handle: str) -> None:
    """One page request to the site, no ledger write, no Job."""
    sub = _subscribed(place, site, handle)
    jobs = {job["metadata"]["uid"] for job in place.jobs(sub)}
    versions = place.ledger_versions(sub)
    requests = site.requests(handle)
    place.check(sub, "nothing-new")
    assert site.requests(handle) == requests + 1
    assert place.ledger_versions(sub) == versions
    assert {job["metadata"]["uid"] for job in place.jobs(sub)} <= jobs


@pytest.mark.lengthy
def test_forty_new_videos_survive_a_failing_second_page(place: Place, site: StandIn, handle: str) -> None:
    """A listing that breaks off in the middle is not used at all; the next one finds all forty."""
    sub = _subscribed(place, site, handle)
    versions = place.ledger_versions(sub)
    site.fault(endpoint="browse", channel=handle, kind="status", status=500)
    site.publish(channel=handle, count=40)
    place.check(sub, "page-two-fails")
    assert place.condition(sub, "SourceReachable")["status"] == "False"
    assert place.ledger_versions(sub) == versions
    site.clear_faults()
    place.check(sub, "page-two-works")
    assert place.condition(sub, "SourceReachable")["status"] == "True"
    place.wait_up_to_date(sub, 41, timeout=600)
    assert len(place.media()) == 41
    assert place.launches(sub) == 41


@pytest.mark.long
@pytest.mark.disruptive
def test_forty_new_videos_survive_the_operators_death(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """An operator killed while it writes forty entries finds the rest at its next check: none is lost, none twice."""
    sub = _subscribed(place, site, handle)
    new = [video["id"] for video in site.publish(channel=handle, count=40)]
    place.ask_for_check(sub, "then-die")
    until(
        "the first of the new entries are written",
        lambda: len(place.ledger(sub)),
        lambda known: known > 30,
    )
    operator.kill()
    place.check(sub, "after-death")
    place.wait_up_to_date(sub, 41, timeout=600)
    assert len(place.media()) == 41
    assert not_served_once(site, new) == {}
