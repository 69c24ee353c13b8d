"""What an administrator looks at: probes, metrics, and what `kubectl get` and `kubectl describe` tell."""

from __future__ import annotations

from client import StandIn
from e2e import kubectl as k
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import until


def test_metrics_count_what_happened(place: Place, site: StandIn, handle: str, operator: OperatorPod) -> None:
    """Videos by state and the last success of a Subscription; they go when the Subscription goes."""
    site.add_channel(handle=handle, videos=3)
    place.subscribe("seen", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}})
    place.wait_up_to_date("seen", 1)
    mine = {"namespace": place.namespace, "name": "seen"}
    until(
        "the video is counted",
        lambda: operator.metric("trawler_videos", state="Succeeded", **mine),
        lambda value: value == 1,
    )
    assert (operator.metric("trawler_last_successful_check_timestamp_seconds", **mine) or 0) > 1_700_000_000
    k.delete("-n", place.namespace, "ytsub", "seen")
    until(
        "its series are gone",
        lambda: operator.metric("trawler_videos", **mine),
        lambda value: value is None,
    )


def test_probes_answer(operator: OperatorPod) -> None:
    """The operator says that it lives and that it is ready."""
    assert operator.fetch("/livez") != ""
    assert operator.fetch("/readyz") != ""


def test_columns_say_what_is_wrong(place: Place) -> None:
    """`kubectl get ytsub` shows the columns of the documentation, and the category finds Subscriptions."""
    place.subscribe("idle", {"url": "https://www.youtube.com/@nobody/videos", "suspend": True})
    place.wait_condition("idle", "Ready", "True", "Suspended")
    header, row = k.kubectl("-n", place.namespace, "get", "ytsub").splitlines()
    assert " ".join(header.split()) == "NAME READY REASON DOWNLOADED QUEUED RUNNING WAITING FAILED LAST-CHECK AGE"
    assert row.split()[:3] == ["idle", "True", "Suspended"]
    assert "idle" in k.kubectl("-n", place.namespace, "get", "trawler")
