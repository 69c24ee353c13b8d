"""A second operator, by mistake or on purpose: one works, the other stands by and takes over."""

from __future__ import annotations

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.operator_pod import SELECTOR, OperatorPod
from e2e.place import Place
from e2e.served import not_served_once
from e2e.waiting import until


def leader(operator: OperatorPod) -> str:
    """Name of the pod that holds the Lease; empty: none does."""
    lease = objects.get("leases", "trawler", namespace=operator.namespace)
    return str(lease["spec"].get("holderIdentity") or "")


def scale(operator: OperatorPod, replicas: int) -> None:
    """Have so many operator pods, no more and no fewer."""
    k.kubectl("-n", operator.namespace, "scale", "deployment/trawler", f"--replicas={replicas}")
    operator.wait_ready()
    until(
        f"{replicas} operator pods",
        lambda: len(objects.items("pods", namespace=operator.namespace, labels=SELECTOR)),
        lambda n: n == replicas,
    )


@pytest.mark.disruptive
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(["--grace-period=0", "--force"], id="killed"),
        pytest.param([], id="ended in order"),
    ],
)
def test_the_leader_goes_in_the_middle_of_a_backfill(
    place: Place, site: StandIn, handle: str, operator: OperatorPod, how: list[str]
) -> None:
    """Both are ready; the one that stood by goes on with the backfill, and nothing is downloaded twice."""
    channel = f"{handle}-{'killed' if how else 'ended'}"
    site.add_channel(handle=channel, videos=16)
    try:
        scale(operator, 2)
        first = until("one of them leads", lambda: leader(operator), bool)
        place.subscribe(
            "shared",
            {"url": f"https://www.youtube.com/{channel}/videos", "select": {"newest": 12}, "job": {"parallelism": 2}},
        )
        until("the backfill is under way", lambda: len(place.media()), lambda n: n >= 3, timeout=300)
        k.delete("-n", operator.namespace, "pod", first, *how, wait=False)
        until("the other one leads", lambda: leader(operator), lambda name: name not in {"", first})
        place.wait_up_to_date("shared", 12, timeout=400)
    finally:
        scale(operator, 1)
    assert place.launches("shared") == 12
    newest = [video["id"] for video in site.videos(channel)[:12]]
    assert not_served_once(site, newest) == {}


@pytest.mark.disruptive
def test_a_rollout_gives_the_lease_back(operator: OperatorPod) -> None:
    """The pod that replaces another one leads at once: its predecessor did not leave it waiting."""
    before = leader(operator)
    k.kubectl("-n", operator.namespace, "rollout", "restart", "deployment/trawler")
    operator.wait_ready()
    until("the new pod leads", lambda: leader(operator), lambda name: name == operator.pod()["metadata"]["name"])
    lease = objects.get("leases", "trawler", namespace=operator.namespace)
    assert before != leader(operator)
    assert lease["spec"]["leaseTransitions"] >= 1
