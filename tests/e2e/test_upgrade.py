"""`helm upgrade`, `uninstall` and a new install: running downloads go on, files and ledgers stay."""

from __future__ import annotations

import pytest

from client import StandIn
from e2e import helm
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.served import not_served_once
from e2e.waiting import until


@pytest.mark.disruptive
def test_upgrade_in_the_middle_of_a_backfill(place: Place, site: StandIn, handle: str, operator: OperatorPod) -> None:
    """Another operator image takes over: no download is restarted, none is made twice."""
    site.add_channel(handle=handle, videos=15)
    place.subscribe("upgraded", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 10}})
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
