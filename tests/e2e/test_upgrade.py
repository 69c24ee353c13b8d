"""`helm upgrade`, `uninstall` and a new install: running downloads go on, files and ledgers stay."""

from __future__ import annotations

import pytest

from client import StandIn
from e2e import helm, objects
from e2e import kubectl as k
from e2e.operator_pod import OperatorPod
from e2e.place import Place, succeeded
from e2e.served import not_served_once
from e2e.waiting import until


@pytest.mark.disruptive
def test_upgrade_in_the_middle_of_a_backfill(place: Place, site: StandIn, handle: str, operator: OperatorPod) -> None:
    """Another operator image takes over: no download is restarted, none is made twice."""
    site.add_channel(handle=handle, videos=15)
    place.subscribe(
        "upgraded",
        {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 10}, "job": {"parallelism": 2}},
    )
    until("the backfill is under way", lambda: len(place.media()), lambda n: n >= 2, timeout=300)
    try:
        helm.upgrade("--set", "operator.image.tag=dev-next")
        operator.wait_ready()
        place.wait_up_to_date("upgraded", 10, timeout=400)
    finally:
        helm.upgrade()
        operator.wait_ready()
    assert len(place.media()) == 10
    assert place.launches("upgraded") == 10
    newest = [video["id"] for video in site.videos(handle)[:10]]
    assert not_served_once(site, newest) == {}


LIBRARIES = {
    "hostPath": ["--set", "library.hostPath.path=/media/nas/{namespace}"],
    "storageClass": ["--set", "library.storageClass.size=1Gi"],
    "existingClaim": ["--set", "library.existingClaim=nas"],
}


@pytest.mark.disruptive
@pytest.mark.parametrize("kind", LIBRARIES)
def test_uninstalled_and_installed_again(
    place: Place, site: StandIn, handle: str, operator: OperatorPod, kind: str
) -> None:
    """Files, ledger and Subscriptions outlive the release, whatever volume the chart made; a new one continues them."""
    channel = f"{handle}-{kind}"
    site.add_channel(handle=channel, videos=5)
    values = ["--set", "library.claimName=nas", "--set", f"library.namespaces={{{place.namespace}}}"]
    values += [value.format(namespace=place.namespace) for value in LIBRARIES[kind]]
    if kind == "existingClaim":
        place.add_claim("nas", place.namespace)
    spec = {
        "url": f"https://www.youtube.com/{channel}/videos",
        "select": {"newest": 2},
        "library": {"claimName": "nas"},
    }
    try:
        # Not with --wait: a claim of this cluster's storage class is bound by its first pod, which is a download's.
        helm.upgrade(*values, wait=False)
        operator.wait_ready()
        place.subscribe("kept", spec)
        place.wait_up_to_date("kept", 2)
        ledger = place.ledger("kept")

        helm.helm("uninstall", "trawler", "--namespace", "trawler-system", "--wait")
        assert place.ledger("kept") == ledger
        assert objects.get("subscriptions", "kept", namespace=place.namespace)["spec"]["url"] == spec["url"]
        assert objects.get("persistentvolumeclaims", "nas", namespace=place.namespace)["status"]["phase"] == "Bound"

        helm.upgrade("--install", *values)
        operator.wait_ready()
        new = site.publish(channel=channel, count=1)[0]["id"]
        place.check("kept", "after-the-new-install")
        place.wait_up_to_date("kept", 3)
        assert not_served_once(site, [*(key.removeprefix("youtube.") for key in succeeded(ledger)), new]) == {}
    finally:
        k.delete("-n", place.namespace, "ytsub", "kept")
        helm.upgrade("--install")
        operator.wait_ready()
