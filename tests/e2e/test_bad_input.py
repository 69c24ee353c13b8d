"""Bad input gets a clear word that names the field or the thing, and never a retry loop."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bad_specs import BAD_SPECS, BadSpec
from client import StandIn
from config_file import chart_defaults
from e2e import kubectl as k
from e2e import objects
from e2e.place import Place
from e2e.waiting import throughout, until

URL = "https://www.youtube.com/@nobody/videos"


def _create(name: str, spec: dict[str, Any]) -> None:
    """What `kubectl create` would say of a Subscription, nothing being stored."""
    manifest = {
        "apiVersion": "trawler.dev/v1alpha1",
        "kind": "Subscription",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }
    k.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=json.dumps(manifest))


@pytest.mark.parametrize("bad", [pytest.param(bad, id=bad.name) for bad in BAD_SPECS if bad.server_says is not None])
def test_the_api_server_refuses(bad: BadSpec) -> None:
    """What the schema can know is refused at once, in words that name the field."""
    with pytest.raises(k.KubectlError) as refused:
        _create("bad", bad.spec)
    assert bad.server_says is not None
    assert bad.server_says in refused.value.stderr


def test_an_unknown_field_is_refused_by_strict_apply() -> None:
    """A misspelt field does not silently do nothing: `kubectl apply` asks for strict validation, which names it."""
    with pytest.raises(k.KubectlError) as refused:
        Place(namespace="default", nas=Path(), ca="").subscribe("bad", {"url": URL, "shedule": {"intervalSeconds": 60}})
    assert "shedule" in refused.value.stderr


def test_a_name_that_is_too_long_is_refused() -> None:
    """Names become labels: 63 characters at most, and the message says so."""
    with pytest.raises(k.KubectlError) as refused:
        _create("x" * 64, {"url": URL})
    assert "63" in refused.value.stderr


@pytest.mark.parametrize("bad", [pytest.param(bad, id=bad.name) for bad in BAD_SPECS if bad.server_says is None])
def test_a_condition_names_the_field(place: Place, bad: BadSpec) -> None:
    """What only the operator can know becomes `Ready=False` with the field's name, and is left at that."""
    place.subscribe("bad", bad.spec)
    condition = place.wait_condition("bad", "Ready", "False", "InvalidSpec")
    assert bad.field in condition["message"]
    version = objects.get("subscriptions", "bad", namespace=place.namespace)["metadata"]["resourceVersion"]
    throughout(
        "nothing is written again",
        lambda: objects.get("subscriptions", "bad", namespace=place.namespace)["metadata"]["resourceVersion"],
        lambda seen: seen == version,
        seconds=5,
    )


def test_a_claim_that_does_not_exist(place: Place, site: StandIn, handle: str) -> None:
    """A condition names the claim; no Job is made; with the claim made, it goes on by itself."""
    site.add_channel(handle=handle, videos=2)
    place.subscribe(
        "claimless", {"url": f"https://www.youtube.com/{handle}/videos", "library": {"claimName": "second"}}
    )
    condition = place.wait_condition("claimless", "Ready", "False", "ClaimNotFound")
    assert "second" in condition["message"]
    assert place.jobs("claimless") == []
    place.add_claim("second", place.namespace)
    place.wait_up_to_date("claimless", 2, timeout=300)


def test_a_volume_without_its_marker(place: Place, site: StandIn, handle: str) -> None:
    """The NAS is not mounted, only its folder is there: a condition, and nothing on the wrong disk."""
    site.add_channel(handle=handle, videos=3)
    place.subscribe("unmounted", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}})
    place.wait_up_to_date("unmounted", 1)
    aside = place.library.with_name(place.library.name + "-aside")
    place.library.rename(aside)
    place.library.mkdir()
    place.library.chmod(0o777)
    try:
        site.publish(channel=handle, count=1)
        place.check("unmounted", "with-the-nas-away")
        shown = place.wait_condition("unmounted", "Ready", "False", "SubscriptionGateClosed")
        assert "VolumeMarkerMissing" in shown["message"]
        assert list(place.library.iterdir()) == []
    finally:
        place.library.rmdir()
        aside.rename(place.library)
    place.wait_up_to_date("unmounted", 2, timeout=400)


def test_an_unreachable_site_blames_the_source_and_nobody_else(place: Place, site: StandIn, handle: str) -> None:
    """`SourceReachable=False` with the cause; another Subscription goes on."""
    site.add_channel(handle=handle, videos=2)
    place.subscribe("broken", {"url": "https://nowhere.invalid/video.mp4"})
    place.subscribe("nowhere", {"url": "https://www.youtube.com/@there-is-no-such-channel/videos"})
    place.subscribe("fine", {"url": f"https://www.youtube.com/{handle}/videos"})
    for name in ("broken", "nowhere"):
        found = until(
            f"{name} is shown as unreachable",
            lambda name=name: place.condition(name, "SourceReachable"),
            lambda c: c.get("status") == "False",
        )
        assert found["message"]
    place.wait_up_to_date("fine", 2)


@pytest.mark.disruptive
def test_a_broken_ledger_value_is_shown_and_kept(place: Place, site: StandIn, handle: str) -> None:
    """A value that somebody broke by hand: a condition, the value untouched, the video not taken for new."""
    site.add_channel(handle=handle, videos=3)
    place.subscribe("hurt", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 2}})
    place.wait_up_to_date("hurt", 2)
    key = next(key for key, entry in place.ledger("hurt").items() if entry["state"] == "Succeeded")
    (shard,) = place.ledger_versions("hurt")
    k.kubectl(
        "-n", place.namespace, "patch", "configmap", shard, "--type=merge", "-p", json.dumps({"data": {key: "{oops"}})
    )
    k.kubectl("-n", "trawler-system", "rollout", "restart", "deployment/trawler")
    k.kubectl("-n", "trawler-system", "rollout", "status", "deployment/trawler", "--timeout=120s")
    place.check("hurt", "after-the-edit")
    condition = until(
        "the ledger is shown as hurt",
        lambda: place.condition("hurt", "LedgerIntact"),
        lambda c: c.get("status") == "False",
    )
    assert key in condition["message"]
    assert objects.get("configmaps", shard, namespace=place.namespace)["data"][key] == "{oops"
    assert len(place.media()) == 2
    assert place.launches("hurt") == 1


def test_a_wrong_setting_stops_the_operator_at_once() -> None:
    """An operator started with a wrong configuration says what is wrong with it and exits."""
    program = 'echo "$WRONG" >/tmp/config.yaml && TRAWLER_CONFIG=/tmp/config.yaml exec python -m trawler_operator'
    wrong = json.dumps(chart_defaults() | {"httpPort": "many", "lease": "trawler"})
    done = subprocess.run(
        [os.environ["DOCKER"], "run", "--rm", "--network=none", "-e", f"WRONG={wrong}", "-e", "TRAWLER_NAMESPACE=here",
         "--entrypoint", "sh", "trawler-operator:dev", "-c", program],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "config.yaml: httpPort: " in done.stderr
    assert "config.yaml: lease: is not a setting" in done.stderr
