"""A site that blocks the address: it is left alone by everybody, asked by one probe at a time, and nothing is lost.

All tests share the site; a proxy of its own gives a test gates of its own.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from client import CLUSTER_URL, NAMESPACE, SERVICE, StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.operator_pod import OperatorPod
from e2e.place import Place, succeeded
from e2e.waiting import throughout, until

PARALLELISM = 3


def _running(place: Place, name: str) -> list[str]:
    """Jobs that have not ended."""
    return [
        job["metadata"]["name"]
        for job in place.jobs(name)
        if not any(c["status"] == "True" for c in job.get("status", {}).get("conditions", []))
    ]


@pytest.fixture
def proxy(place: Place) -> str:
    """A way out that nobody else takes: another name for the stand-in, which is a proxy as well."""
    name = "way-out"
    spec = {"type": "ExternalName", "externalName": f"{SERVICE}.{NAMESPACE}.svc.cluster.local"}
    metadata = {"name": name, "namespace": place.namespace}
    k.apply({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    return f"http://{name}.{place.namespace}:8080"


def _closed(operator: OperatorPod, proxy: str | None) -> dict[str, dict[str, Any]]:
    """The gates of that way out which are closed, by their keys."""
    data = objects.get("configmaps", "trawler-gates", namespace=operator.namespace).get("data", {})
    gates = {key: json.loads(text) for key, text in data.items()}
    return {key: gate for key, gate in gates.items() if "closing" in gate and gate.get("proxy") == proxy}


@pytest.mark.lengthy
def test_a_bot_check_in_the_middle_of_fifty(
    place: Place, site: StandIn, handle: str, operator: OperatorPod, proxy: str
) -> None:
    """What ran is spent and no more, then one probe after the other; once the site answers, all fifty arrive.

    A probe whose Job is deleted by hand is no obstacle to those that follow.
    """
    site.add_channel(handle=handle, videos=60)
    place.subscribe(
        "fifty",
        {
            "url": f"https://www.youtube.com/{handle}/videos",
            "select": {"newest": 50},
            "access": {"proxy": proxy},
            "job": {"parallelism": PARALLELISM},
        },
    )
    until("two videos have landed", lambda: len(place.media()), lambda n: n >= 2, timeout=300)
    site.fault("bot_check", channel=handle)
    before = place.launches("fifty")
    message = place.wait_condition("fifty", "Ready", "False", "EgressGateClosed")["message"]
    assert f"youtube.com through {proxy} asked to slow down" in message
    assert f"kubectl -n {place.namespace} annotate --overwrite subscription fifty trawler.dev/probe=" in message
    spent = place.launches("fifty") - before
    assert spent <= PARALLELISM + _probes(_closed(operator, proxy))
    until("what ran has ended", lambda: _running(place, "fifty"), lambda jobs: len(jobs) <= 1)
    launches = place.launches("fifty")
    throughout(
        "never more than one probe at a time",
        lambda: _running(place, "fifty"),
        lambda jobs: len(jobs) <= 1,
        seconds=40,
    )
    assert launches < place.launches("fifty") <= launches + 8
    step = _step(_closed(operator, proxy))
    assert step >= 2
    (probe,) = until("the next probe runs", lambda: _running(place, "fifty"), bool)
    k.delete("-n", place.namespace, "job", probe)
    until("another one has reported", lambda: _step(_closed(operator, proxy)), lambda now: now > step)
    assert place.states("fifty").get("DeadLetter", 0) == place.states("fifty").get("Failed", 0) == 0
    site.clear_faults()
    place.wait_up_to_date("fifty", 50, timeout=600)
    assert len(succeeded(place.ledger("fifty"))) == 50
    assert sum(entry.get("failures", 0) for entry in place.ledger("fifty").values()) == 0
    assert _closed(operator, proxy) == {}
    place.wait_condition("fifty", "Ready", "True", "Watching")
    for reason in ("GateClosed", "GateOpened"):
        place.wait_events(reason)


def test_everybody_at_the_site_waits_and_another_site_is_asked(
    place: Place, other_place: Place, site: StandIn, handle: str, operator: OperatorPod, proxy: str
) -> None:
    """In every namespace, with a word in `kubectl get`, and so a check that is asked for; another site's film lands."""
    site.add_channel(handle=handle, videos=3)
    url = f"https://www.youtube.com/{handle}/videos"
    spec = {"url": url, "select": {"newest": 1}, "access": {"proxy": proxy}}
    other_place.subscribe("second", spec)
    other_place.wait_up_to_date("second", 1)
    site.fault("bot_check", channel=handle)
    place.subscribe("first", spec)
    place.wait_condition("first", "Ready", "False", "EgressGateClosed")
    other_place.wait_condition("second", "Ready", "False", "EgressGateClosed")
    shown = k.kubectl("-n", other_place.namespace, "get", "ytsub", "second", "-o", "wide")
    assert "EgressGateClosed" in shown
    assert f"youtube.com through {proxy} asked to slow down" in shown
    gate = {"kind": "Egress", "gate": f"youtube.com through {proxy}"}
    assert operator.metric("trawler_gate_closed", **gate) == 1
    other_place.ask_for_check("second", "while-closed")
    film = site.videos(handle)[0]["id"]
    place.subscribe("elsewhere", {"url": f"{CLUSTER_URL}/files/{film}.mp4", "access": {"allowGeneric": True}})
    place.wait_up_to_date("elsewhere", 1)
    assert [str(path) for path in place.media()] == [entry["path"] for entry in place.ledger("elsewhere").values()]
    place.check("elsewhere", "while-closed")
    assert operator.metric("trawler_gate_closed", **gate) == 1
    assert other_place.status("second").get("lastHandled", {}).get("check", {}).get("id") != "while-closed"
    site.clear_faults()
    place.wait_up_to_date("first", 1)
    until(
        "the check that waited is made",
        lambda: other_place.status("second").get("lastHandled", {}).get("check", {}),
        lambda handled: handled.get("id") == "while-closed",
    )
    other_place.wait_condition("second", "Ready", "True", "Watching")
    assert operator.metric("trawler_gate_closed", **gate) == 0


@pytest.mark.disruptive
def test_the_gate_outlives_the_operator(place: Place, site: StandIn, handle: str, operator: OperatorPod) -> None:
    """Killed while the gate is closed: its successor leaves the site alone, probes, and opens it."""
    site.add_channel(handle=handle, videos=4)
    site.fault("bot_check", channel=handle)
    place.subscribe("kept", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 4}})
    until("the pause has grown", lambda: _closed(operator, None), lambda gates: _step(gates) >= 2)
    before = _step(_closed(operator, None))
    operator.kill()
    assert _step(_closed(operator, None)) >= before
    until("its successor probes", lambda: _closed(operator, None), lambda gates: _step(gates) > before)
    site.clear_faults()
    place.wait_up_to_date("kept", 4)
    assert sum(entry.get("failures", 0) for entry in place.ledger("kept").values()) == 0


def _step(gates: dict[str, dict[str, Any]]) -> int:
    """How many pauses there were."""
    return max((int(gate["closing"]["step"]) for gate in gates.values()), default=0)


def _probes(gates: dict[str, dict[str, Any]]) -> int:
    """How many probes there were: each that met the block again made the pause longer, and one may be under way."""
    return max(_step(gates) - 1, 0) + any("probe" in gate for gate in gates.values())


def test_opened_by_hand(place: Place, site: StandIn, handle: str, operator: OperatorPod, proxy: str) -> None:
    """The key is removed and a check asked for: downloads go on at once."""
    site.add_channel(handle=handle, videos=1)
    fault = site.fault("bot_check", channel=handle)
    place.subscribe(
        "opened",
        {
            "url": f"https://www.youtube.com/{handle}/videos",
            "select": {"newest": 1},
            "access": {"proxy": proxy},
        },
    )
    closed = until("the pause has grown", lambda: _closed(operator, proxy), lambda gates: _step(gates) >= 2)
    site.clear_faults(fault)
    patch = {"data": dict.fromkeys(closed)}
    k.kubectl("-n", operator.namespace, "patch", "configmap", "trawler-gates", "--type=merge", "-p", json.dumps(patch))
    place.ask_for_check("opened", "opened-by-hand")
    place.wait_up_to_date("opened", 1)
