"""With exactly the chart's Roles: an operator that serves some namespaces and has no right in any other."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from client import StandIn
from e2e import helm, objects
from e2e import kubectl as k
from e2e.operator_pod import OperatorPod
from e2e.place import Place


@pytest.mark.disruptive
def test_only_the_namespaces_that_are_named_are_served(
    place: Place, other_place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """A download lands in one, with no right missing; a Subscription in another is not touched."""
    site.add_channel(handle=handle, videos=1)
    spec = {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}}
    try:
        helm.upgrade("--set", "watch.clusterWide=false", "--set", f"watch.namespaces={{{place.namespace}}}")
        operator.wait_ready()
        assert f"no trawler serves namespace {other_place.namespace}" in _warned(other_place, "unserved", spec)
        assert _warned(place, "served", spec) == ""
        other_place.subscribe("unserved", spec)
        place.subscribe("served", spec)
        place.wait_up_to_date("served", 1)
        place.check("served", "another-pass")
        assert len(place.media()) == 1
        assert other_place.status("unserved") == {}
        assert other_place.ledger("unserved") == {}
        assert objects.items("jobs", namespace=other_place.namespace) == []
        assert [_may_list(operator, each) for each in (place, other_place)] == ["yes", "no"]
        assert [line for line in operator.logs(tail=-1).splitlines() if "forbidden" in line.lower()] == []
    finally:
        k.delete("-n", other_place.namespace, "ytsub", "unserved")
        helm.upgrade()
        operator.wait_ready()


def _warned(place: Place, name: str, spec: dict[str, Any]) -> str:
    """What kubectl shows whoever applies a Subscription, nothing being stored."""
    manifest = {
        "apiVersion": "trawler.dev/v1alpha1",
        "kind": "Subscription",
        "metadata": {"name": name, "namespace": place.namespace},
        "spec": spec,
    }
    command = ["kubectl", "apply", "--dry-run=server", "-f", "-"]
    done = subprocess.run(command, input=json.dumps(manifest), capture_output=True, text=True, timeout=60, check=True)
    return done.stderr


def _may_list(operator: OperatorPod, place: Place) -> str:
    account = f"--as=system:serviceaccount:{operator.namespace}:trawler"
    asked = ["kubectl", "-n", place.namespace, "auth", "can-i", "list", "subscriptions.trawler.dev", account]
    return subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False).stdout.strip()
