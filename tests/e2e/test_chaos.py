"""Everything is killed at random while sixty videos are fetched; afterwards each is there once, and nothing else."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e import media, node, objects
from e2e.operator_pod import SELECTOR, OperatorPod, kill_container
from e2e.place import Place
from e2e.served import ONCE
from e2e.waiting import until

VIDEOS = 60
SECONDS = float(os.environ.get("TRAWLER_CHAOS_SECONDS", "120"))
"""How long things are killed; `make test` takes the default."""
PATIENCE = 180.0
"""Seconds that it may take beyond these until each kind of kill was done once."""
LISTING_BYTES_PER_SECOND = 5_000
"""A listing then lasts long enough to be met."""


class Chaos:
    """Kills something every few seconds. What cannot be killed now (it is dead already) has its turn again later."""

    def __init__(self, place: Place, site: StandIn, handle: str, operator: OperatorPod, seed: int) -> None:
        self._place = place
        self._site = site
        self._handle = handle
        self._operator = operator
        self._random = random.Random(seed)
        self._checks = itertools.count(1)
        self._kinds: dict[str, Callable[[], None]] = {
            "operator": lambda: self._kill_operator_container("operator"),
            "lister": lambda: self._kill_operator_container("lister"),
            "listing": self._kill_listing,
            "download": self._kill_download,
            "pod": self._delete_download_pod,
            "operator pod": self._delete_operator_pod,
            "kubelet": lambda: node.kill_process("kubelet"),
            "API server": lambda: node.kill_process("kube-apiserver"),
        }
        self.done: Counter[str] = Counter()

    def rage(self, seconds: float) -> None:
        """Kill until the time is up and each kind was done.

        Raises:
            AssertionError: one was never done.
        """
        end = time.monotonic() + seconds
        while wanted := self._wanted(end):
            late = time.monotonic() - end
            assert late < PATIENCE, f"never killed within {seconds + late:.0f} s: {wanted}; killed: {dict(self.done)}"
            kind = self._random.choice(wanted)
            try:
                self._kinds[kind]()
            except (AssertionError, OSError, ValueError, subprocess.SubprocessError):
                pass  # the API server or the victim is away just now
            else:
                self.done[kind] += 1
            time.sleep(self._random.uniform(1, 8))

    def _wanted(self, end: float) -> list[str]:
        """What was not done yet, as long as there is such; then all kinds until the time is up."""
        missing = [kind for kind in self._kinds if not self.done[kind]]
        return missing or (list(self._kinds) if time.monotonic() < end else [])

    def _kill_operator_container(self, container: str) -> None:
        kill_container(self._operator.pod()["metadata"]["uid"], container)

    def _kill_listing(self) -> None:
        """Kill the lister in the middle of a check that was asked for."""
        asked, request_id = self._site.requests(self._handle), f"chaos-{next(self._checks)}"
        self._place.ask_for_check("chaos", request_id)
        until("it lists", lambda: self._site.requests(self._handle), lambda n: n > asked, timeout=15)
        handled = self._place.status("chaos").get("lastHandled", {}).get("check", {}).get("id")
        assert handled != request_id, "the listing has ended already"
        self._kill_operator_container("lister")

    def _download_pod(self) -> dict[str, str]:
        pods = objects.items("pods", namespace=self._place.namespace, fields="status.phase=Running")
        assert pods, "no download runs just now"
        metadata: dict[str, str] = self._random.choice(pods)["metadata"]
        return metadata

    def _kill_download(self) -> None:
        kill_container(self._download_pod()["uid"], "download")

    def _delete_download_pod(self) -> None:
        k.delete("-n", self._place.namespace, "pod", self._download_pod()["name"], wait=False)

    def _delete_operator_pod(self) -> None:
        k.kubectl("-n", self._operator.namespace, "delete", "pods", "-l", SELECTOR, "--wait=false")


@pytest.mark.disruptive
def test_sixty_videos_survive_minutes_of_kills(place: Place, site: StandIn, handle: str, operator: OperatorPod) -> None:
    """Operator, lister, downloads, kubelet and API server die again and again: every video lands exactly once."""
    seed = int(os.environ.get("TRAWLER_CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    print(f"TRAWLER_CHAOS_SEED={seed}")
    site.add_channel(handle=handle, videos=VIDEOS)
    place.subscribe(
        "chaos",
        {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": VIDEOS}, "job": {"parallelism": 6}},
    )
    until("the first video has landed", place.media, bool, timeout=300)
    slow = site.fault("slow", endpoint="listing", channel=handle, bytes_per_second=LISTING_BYTES_PER_SECOND)
    chaos = Chaos(place, site, handle, operator, seed)
    try:
        chaos.rage(SECONDS)
    finally:
        print(f"killed: {dict(chaos.done)}")
        until("the API server answers again", node.api_answers, lambda text: text == "ok", timeout=180)
        site.clear_faults(slow)
        until("the operator is started anew", operator.renew, lambda _: True)
    place.wait_up_to_date("chaos", VIDEOS, timeout=900)

    ledger = place.ledger("chaos")
    _assert_each_is_there_once(place, ledger)
    _assert_served_as_often_as_launched(site, handle, ledger)
    assert [job for job in place.jobs("chaos") if job["status"].get("active")] == []
    until("no staging is left", place.staged, lambda staged: staged == [])


def _assert_each_is_there_once(place: Place, ledger: dict[str, dict[str, Any]]) -> None:
    """Whole, under the name that the ledger has, and with a committed manifest."""
    landed = {str(path) for path in place.media()}
    assert len(landed) == VIDEOS
    assert {entry["path"] for entry in ledger.values()} == landed
    assert {entry["state"] for entry in ledger.values()} == {"Succeeded"}
    assert all(entry["bytes"] == (place.library / entry["path"]).stat().st_size for entry in ledger.values())
    assert media.broken(place.library, place.media()) == ""
    manifests = list(place.library.glob(".trawler/*/videos/*/*.json"))
    assert len(manifests) == VIDEOS
    assert [path.name for path in manifests if not json.loads(path.read_bytes()).get("committed")] == []


def _assert_served_as_often_as_launched(site: StandIn, handle: str, ledger: dict[str, dict[str, Any]]) -> None:
    """What one launch brought was transferred exactly once; a launch that was killed may have cost another transfer."""
    served = {video["id"]: site.served(video["id"]) for video in site.videos(handle)}
    launches = {video: ledger[f"youtube.{video}"]["launches"] for video in served}
    assert 1 in launches.values()
    assert {video: counts for video, counts in served.items() if launches[video] == 1 and counts != ONCE} == {}
    assert {video: counts for video, counts in served.items() if max(counts.values()) > launches[video]} == {}
