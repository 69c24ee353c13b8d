"""The Lease of operators: creation, renewal by compare-and-swap, takeover."""

from __future__ import annotations

import pytest

from component.lease_candidate import DURATION, Candidate
from conformance.stage import Stage
from trawler_operator.adapters.kubernetes.lease import LeaseLostError
from trawler_operator.domain.leadership import LeaseRecord, read_lease
from trawler_operator.reconcile.ports import AlreadyExistsError, ConflictError, NotFoundError


def candidate(stage: Stage, name: str, now: float = 1000.0) -> Candidate:
    """An operator in the test's namespace."""
    return Candidate(stage.requests, name, now, stage.namespace)


async def lease(stage: Stage) -> LeaseRecord:
    """As it stands."""
    body = await stage.read("Lease", "trawler")
    assert body is not None
    return read_lease(body)


async def take(stage: Stage, version: str) -> None:
    """Another one writes itself into the Lease that it has seen in this version."""
    path = f"/apis/coordination.k8s.io/v1/namespaces/{stage.namespace}/leases/trawler"
    body = {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": "two"}}
    await stage.requests.request("PATCH", path, body=body, content_type="application/merge-patch+json")


async def test_the_first_one_creates_it(stage: Stage) -> None:
    """The server takes what is written, and gives it back as it was."""
    one = candidate(stage, "one")
    assert await one.acquire()
    present = await lease(stage)
    assert (present.holder, present.duration, present.transitions) == ("one", DURATION, 0)
    assert present.acquired == present.renewed
    assert present.version


async def test_a_second_one_is_not_created(stage: Stage) -> None:
    """Of two that found none, one gets it: the other is told that it exists, not that versions differ."""
    assert await candidate(stage, "one").acquire()
    metadata = {"name": "trawler", "namespace": stage.namespace}
    body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": {}}
    path = f"/apis/coordination.k8s.io/v1/namespaces/{stage.namespace}/leases"
    with pytest.raises(AlreadyExistsError):
        await stage.requests.request("POST", path, body=body)


async def test_a_renewal_is_a_change_of_version(stage: Stage) -> None:
    """So that whoever waits sees that it is alive."""
    one, two = candidate(stage, "one"), candidate(stage, "two", now=1e8)
    assert await one.acquire()
    before = await lease(stage)
    await one.keep(2)
    after = await lease(stage)
    assert (after.holder, after.acquired, after.transitions) == ("one", before.acquired, 0)
    assert after.version != before.version
    assert not await two.acquire()


async def test_a_renewal_meets_a_change_by_somebody_else(stage: Stage) -> None:
    """It conflicts, looks at what is there, and goes on: a person who annotates the Lease takes it from nobody."""
    one = candidate(stage, "one")
    assert await one.acquire()
    before = await lease(stage)
    await stage.patch("Lease", "trawler", {"metadata": {"annotations": {"note": "mine"}}})
    with pytest.raises(ConflictError):
        await take(stage, before.version)
    await one.keep(3)
    assert one.lease.held
    assert (await lease(stage)).holder == "one"


async def test_a_takeover(stage: Stage) -> None:
    """After the duration, by the waiting one's clock: it writes over what it has seen, and the old holder learns it."""
    one, two = candidate(stage, "one"), candidate(stage, "two", now=1e8)
    assert await one.acquire()
    assert await two.acquire(20)
    present = await lease(stage)
    assert (present.holder, present.transitions) == ("two", 1)
    with pytest.raises(LeaseLostError, match="two"):
        await one.keep(3)


async def test_a_lease_that_was_given_back(stage: Stage) -> None:
    """Its holder is empty, which is not the same as no holder; the next one need not wait."""
    one, two = candidate(stage, "one"), candidate(stage, "two", now=1e8)
    assert await one.acquire()
    await one.lease.release()
    assert (await lease(stage)).holder == ""
    assert await two.acquire()
    assert (await lease(stage)).transitions == 1


async def test_a_lease_deleted_by_hand(stage: Stage) -> None:
    """Its holder makes it anew; what was written for the old one is not found."""
    one = candidate(stage, "one")
    assert await one.acquire()
    old = await lease(stage)
    await stage.delete("Lease", "trawler")
    with pytest.raises(NotFoundError):
        await take(stage, old.version)
    await one.keep(3)
    assert one.lease.held
    assert (await lease(stage)).version != old.version
