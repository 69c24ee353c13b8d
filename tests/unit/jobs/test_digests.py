"""What a change of the spec concerns: the listing, the downloads, both, or neither."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import subscription
from trawler_operator.domain.jobs.digests import download_digest, listing_digest
from trawler_operator.domain.jobs.settings import JobDefaults

DEFAULTS = JobDefaults(image="downloader:1", claim_name="library")


@pytest.mark.parametrize(
    ("change", "listing", "download"),
    [
        pytest.param({}, False, False, id="nothing"),
        pytest.param({"url": "https://www.youtube.com/@other"}, True, False, id="another source"),
        pytest.param({"select": {"newest": 7}}, True, False, id="another window"),
        pytest.param({"access": {"proxy": "http://vpn:1"}}, True, True, id="another way out"),
        pytest.param({"media": {"maxHeight": 720}}, False, True, id="other media"),
        pytest.param({"library": {"path": "tim"}}, False, True, id="another folder"),
        pytest.param({"library": {"claimName": "library"}}, False, False, id="the operator's claim, named"),
        pytest.param({"job": {"runAsUser": 1000}}, False, True, id="another user"),
        pytest.param({"job": {"podAnnotations": {"mesh.example/inject": "false"}}}, False, True, id="no sidecars"),
        pytest.param({"job": {"podLabels": {"team": "archive"}}}, False, True, id="another label of the pods"),
        pytest.param({"job": {"parallelism": 3}}, False, False, id="more at a time"),
        pytest.param({"retry": {"maxAttempts": 9}}, False, False, id="more tries"),
        pytest.param({"schedule": {"intervalSeconds": 60}}, False, False, id="more checks"),
        pytest.param({"suspend": True}, False, False, id="suspended"),
    ],
)
def test_a_changed_spec(change: dict[str, Any], listing: bool, download: bool) -> None:
    """Each digest changes with what it depends on, and with nothing else."""
    before, after = subscription().spec, subscription(change).spec

    assert (listing_digest(before, DEFAULTS) != listing_digest(after, DEFAULTS)) is listing
    assert (download_digest(before, DEFAULTS) != download_digest(after, DEFAULTS)) is download


@pytest.mark.parametrize(
    ("change", "listing", "download"),
    [
        pytest.param({"proxy": "http://vpn:1"}, True, True, id="another way out"),
        pytest.param({"ca_bundle_config_map": "ca"}, True, True, id="authorities to trust"),
        pytest.param({"claim_name": "nas"}, False, True, id="another claim"),
        pytest.param({"run_as_user": 1000}, False, True, id="another user"),
        pytest.param({"image": "downloader:2"}, False, False, id="a newer image"),
    ],
)
def test_changed_values_of_the_operator(change: dict[str, Any], listing: bool, download: bool) -> None:
    """They count where the spec leaves them open."""
    spec, changed = subscription().spec, replace(DEFAULTS, **change)

    assert (listing_digest(spec, DEFAULTS) != listing_digest(spec, changed)) is listing
    assert (download_digest(spec, DEFAULTS) != download_digest(spec, changed)) is download
