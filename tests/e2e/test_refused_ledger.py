"""A quota that refuses the ledger's ConfigMap: said in the status, and got over once it is gone."""

from __future__ import annotations

from client import StandIn
from e2e import kubectl as k
from e2e.place import Place
from e2e.served import not_served_once


def test_a_quota_refuses_the_ledger(place: Place, site: StandIn, handle: str) -> None:
    """Nothing is launched without its claim; with the quota gone, everything arrives, once."""
    site.add_channel(handle=handle, videos=4)
    quota = {"metadata": {"name": "no-config-maps", "namespace": place.namespace}}
    k.apply({"apiVersion": "v1", "kind": "ResourceQuota", **quota, "spec": {"hard": {"count/configmaps": "1"}}})
    place.subscribe("refused", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 2}})
    place.wait_condition("refused", "Ready", "False", "LedgerNotWritable")
    assert "exceeded quota" in place.condition("refused", "Ready")["message"]
    assert place.media() == []
    k.delete("-n", place.namespace, "resourcequota", "no-config-maps")
    place.check("refused", "the-quota-is-gone")
    place.wait_up_to_date("refused", 2)
    assert not_served_once(site, [video["id"] for video in site.videos(handle)[:2]]) == {}
