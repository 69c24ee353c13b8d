"""Everything is killed at random while sixty videos are fetched; afterwards each is there once, and nothing else."""

from __future__ import annotations

import json
import os
import random
import subprocess
import time
from collections.abc import Callable

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e import node
from e2e.kubectl import KubectlError
from e2e.operator_pod import SELECTOR, OperatorPod, kill_container
from e2e.place import Place
from e2e.waiting import until

VIDEOS = 60
SECONDS = float(os.environ.get("TRAWLER_CHAOS_SECONDS", "120"))
"""How long things are killed; `make test` takes the default."""


class Chaos:
    """Kills something every few seconds. What cannot be killed now (it is dead already) is left alone."""

    def __init__(self, place: Place, operator: OperatorPod, seed: int) -> None:
        self._place = place
        self._operator = operator
        self._random = random.Random(seed)
        self._kinds: tuple[Callable[[], None], ...] = (
            lambda: self._kill_operator_container("operator"),
            lambda: self._kill_operator_container("lister"),
            self._kill_download,
            self._kill_download,
            self._delete_download_pod,
            self._delete_operator_pod,
            lambda: node.kill_process("kubelet"),
            lambda: node.kill_process("kube-apiserver"),
        )
        self.done: dict[str, int] = {}

    def rage(self, seconds: float) -> None:
        """Kill until the time is up."""
        names = ("operator", "lister", "download", "download", "pod", "operator pod", "kubelet", "API server")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            chosen = self._random.randrange(len(self._kinds))
            try:
                self._kinds[chosen]()
            except (AssertionError, OSError, ValueError, subprocess.SubprocessError):
                pass  # the API server or the victim is away just now
            else:
                self.done[names[chosen]] = self.done.get(names[chosen], 0) + 1
            time.sleep(self._random.uniform(1, 8))

    def _kill_operator_container(self, container: str) -> None:
        kill_container(self._operator.pod()["metadata"]["uid"], container)

    def _download_pod(self) -> dict[str, str]:
        pods = k.items("-n", self._place.namespace, "pods", "--field-selector=status.phase=Running")
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
        {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": VIDEOS}, "job": {"parallelism": 3}},
    )
    until("the first video has landed", place.media, bool, timeout=300)
    chaos = Chaos(place, operator, seed)
    chaos.rage(SECONDS)
    print(f"killed: {chaos.done}")
    until("the API server answers again", node.api_answers, lambda text: text == "ok", timeout=180)
    # A fresh pod: the kubelet would wait up to five minutes before it starts a container again that died so often.
    until("the operator is started anew", lambda: _restart(operator), lambda _: True)
    operator.wait_ready()
    place.wait_up_to_date("chaos", VIDEOS, timeout=900)

    landed = {str(path) for path in place.media()}
    ledger = place.ledger("chaos")
    assert len(landed) == VIDEOS
    assert {entry["path"] for entry in ledger.values()} == landed
    assert {entry["state"] for entry in ledger.values()} == {"Succeeded"}
    assert all(entry["bytes"] == (place.library / entry["path"]).stat().st_size for entry in ledger.values())
    assert _uncommitted(place) == []
    assert len(list(place.library.glob(".trawler/*/videos/*/*.json"))) == VIDEOS
    assert [job for job in place.jobs("chaos") if job["status"].get("active")] == []
    until("no staging is left", place.staged, lambda staged: staged == [])


def _restart(operator: OperatorPod) -> None:
    try:
        k.kubectl("-n", operator.namespace, "delete", "pods", "-l", SELECTOR, "--wait=true", timeout=180)
    except KubectlError as error:
        raise AssertionError(str(error)) from error


def _uncommitted(place: Place) -> list[str]:
    manifests = place.library.glob(".trawler/*/videos/*/*.json")
    return [path.name for path in manifests if not json.loads(path.read_bytes()).get("committed")]
