"""Two operators and one Lease over real HTTP, each with a clock of its own."""

from __future__ import annotations

import pytest
from kubernetes.aio import client

from component.http_objects import HttpObjects
from component.lease_candidate import DURATION, Candidate
from trawler_operator.adapters.kubernetes.client import KubernetesClient
from trawler_operator.adapters.kubernetes.lease import LeaseLostError
from trawler_operator.reconcile.ports import NotLeadingError


@pytest.fixture
async def one(requests: KubernetesClient) -> Candidate:
    """It leads."""
    one = Candidate(requests, "one", now=1000.0)
    assert await one.acquire()
    return one


@pytest.fixture
def two(requests: KubernetesClient) -> Candidate:
    """Its clock is years ahead."""
    return Candidate(requests, "two", now=1e8)


def holder(objects: HttpObjects) -> str:
    lease = objects.cluster.get("Lease", "trawler", "trawler")
    assert lease is not None
    return str(lease["spec"]["holderIdentity"])


async def test_only_one_leads(objects: HttpObjects, one: Candidate, two: Candidate) -> None:
    """As long as it renews, the other one waits, however the two clocks differ."""
    for _ in range(20):
        await one.keep()
        assert not await two.acquire(1)
    assert (one.lease.held, two.lease.held, holder(objects)) == (True, False, "one")
    assert (one.lease.complaint(), two.lease.complaint()) == (None, None)


async def test_one_that_has_gone_without_a_word(objects: HttpObjects, one: Candidate, two: Candidate) -> None:
    """The other one takes over after the Lease's duration, by its own clock, and not before."""
    began = two.now
    assert await two.acquire(20)
    assert DURATION <= two.now - began < 2 * DURATION
    one.now += two.now - began
    assert (one.lease.held, holder(objects)) == (False, "two")


async def test_released(objects: HttpObjects, one: Candidate, two: Candidate) -> None:
    """One that ends in order does not have the next one wait."""
    assert not await two.acquire()
    await one.lease.release()
    assert not one.lease.held
    assert await two.acquire()
    lease = objects.cluster.get("Lease", "trawler", "trawler")
    assert lease is not None
    assert lease["spec"]["leaseTransitions"] == 1


async def test_lost(one: Candidate, two: Candidate) -> None:
    """One that was stopped for too long learns that another one leads, asks for nothing more, and ends."""
    assert await two.acquire(20)
    one.now += 100
    assert not one.lease.held
    with pytest.raises(LeaseLostError, match="two"):
        await one.keep()
    await one.lease.release()
    assert two.lease.held


async def test_taken_and_given_back_meanwhile(one: Candidate, two: Candidate) -> None:
    """What the other one did in between is not known here: that is lost, too."""
    assert await two.acquire(20)
    await two.lease.release()
    with pytest.raises(LeaseLostError, match="another operator"):
        await one.keep()


async def test_api_server_that_is_away_for_a_while(objects: HttpObjects, one: Candidate) -> None:
    """In doubt meanwhile; if nobody took the Lease, its holder goes on."""
    objects.away = True
    await one.keep(4)
    assert not one.lease.held
    one.now += DURATION
    assert "cannot be read" in str(one.lease.complaint())
    objects.away = False
    await one.keep()
    assert one.lease.held
    assert one.lease.complaint() is None


@pytest.mark.parametrize("how", ["deleted", "emptied"])
async def test_people_who_meddle(objects: HttpObjects, one: Candidate, how: str) -> None:
    """A Lease that somebody deleted or emptied is taken up again."""
    if how == "deleted":
        objects.cluster.delete("Lease", "trawler", "trawler")
    else:
        objects.cluster.merge("Lease", "trawler", "trawler", {"spec": {"holderIdentity": None}})
    await one.keep(2)
    assert one.lease.held
    assert holder(objects) == "one"


async def test_container_that_was_restarted(one: Candidate, requests: KubernetesClient) -> None:
    """It bears the name of its predecessor, which is dead: it need not wait."""
    again = Candidate(requests, "one", now=5.0)
    assert await again.acquire()


async def test_nothing_is_asked_without_the_lease(objects: HttpObjects, url: str, one: Candidate) -> None:
    """Looked at before each request, however long the process slept before it."""
    held_back = KubernetesClient(client.Configuration(host=url), permitted=lambda: one.lease.held)
    try:
        await held_back.request("POST", "/api/v1/namespaces/media/configmaps", body={"metadata": {"name": "a"}})
        one.now += DURATION
        with pytest.raises(NotLeadingError):
            await held_back.request("POST", "/api/v1/namespaces/media/configmaps", body={"metadata": {"name": "b"}})
    finally:
        await held_back.close()
    assert objects.cluster.get("ConfigMap", "media", "b") is None
