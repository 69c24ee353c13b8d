"""The operator as a process, from its configuration to its exit code, against an HTTP API server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from component.api_server import ApiServer, run_api_server, write_kubeconfig
from config_file import chart_defaults

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One operator process."""

    def __init__(self, kubeconfig: Path, log: Path, name: str = "trawler-1", **config: Any) -> None:
        self.port = free_port()
        self.log = log
        file = log.with_suffix(".yaml")
        told = chart_defaults() | config | {"httpPort": self.port}
        file.write_text(yaml.safe_dump(told))
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{ROOT}/operator:{ROOT}/downloader",
            "KUBECONFIG": str(kubeconfig),
            "TRAWLER_NAMESPACE": "trawler",
            "TRAWLER_POD_NAME": name,
            "TRAWLER_CONFIG": str(file),
        }
        with log.open("wb") as output:
            command = [sys.executable, "-m", "trawler_operator"]
            self._process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)

    def get(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def text(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
            return str(response.read().decode())

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 40
        while not true():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(40)

    def wait(self) -> int:
        return self._process.wait(40)

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(40)

    def messages(self) -> list[str]:
        """Every line of the log is a JSON object."""
        return [json.loads(line)["message"] for line in self.log.read_text().splitlines()]


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with run_api_server() as server:
        yield server


def test_from_start_to_stop(server: ApiServer, tmp_path: Path) -> None:
    """Ready once it watches; on SIGTERM it stops in order and with exit code 0."""
    process = Process(server.kubeconfig(tmp_path), tmp_path / "log")
    try:
        process.until(lambda: "watching" in process.log.read_text())
        process.until(lambda: process.get("/readyz") == 200)
        assert (process.get("/livez"), process.get("/metrics")) == (200, 200)
        assert process.stop() == 0
    finally:
        process.end()
    messages = process.messages()
    assert messages[-2:] == ["Lease trawler is released", "stopped"]
    assert "stopping" in messages


def test_deleted_namespace(server: ApiServer, tmp_path: Path) -> None:
    """Nothing is allowed in it any more: the others are served."""
    server.forbidden = {"gone"}
    process = Process(server.kubeconfig(tmp_path), tmp_path / "log", watch={"namespaces": ["gone", "media"]})
    try:
        process.until(lambda: process.get("/readyz") == 200)
        assert any("namespace gone is not served" in message for message in process.messages())
        assert process.stop() == 0
    finally:
        process.end()


def test_second_operator(server: ApiServer, tmp_path: Path) -> None:
    """It stands by, ready and idle; it leads as soon as the first one has ended."""
    kubeconfig = server.kubeconfig(tmp_path)
    first = Process(kubeconfig, tmp_path / "first", name="first")
    second = None
    try:
        first.until(lambda: first.get("/readyz") == 200)
        second = Process(kubeconfig, tmp_path / "second", name="second")
        second.until(lambda: "first leads, second stands by" in second.log.read_text())
        second.until(lambda: second.get("/readyz") == 200)
        assert "trawler_leading 1.0" in first.text("/metrics")
        assert "trawler_leading 0.0" in second.text("/metrics")
        assert "watching" not in second.messages()
        assert first.stop() == 0
        second.until(lambda: "watching" in second.log.read_text())
        assert second.stop() == 0
    finally:
        first.end()
        if second is not None:
            second.end()


def test_standby_that_is_told_to_stop(server: ApiServer, tmp_path: Path) -> None:
    """At once and with exit code 0, and the Lease is left to its holder."""
    kubeconfig = server.kubeconfig(tmp_path)
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 600, "renewTime": "2026-11-21T12:00:00.000000Z"}
    server.objects.cluster.put("Lease", {"metadata": {"namespace": "trawler", "name": "trawler"}, "spec": spec})
    process = Process(kubeconfig, tmp_path / "log")
    try:
        process.until(lambda: "another leads" in process.log.read_text())
        assert process.stop() == 0
    finally:
        process.end()
    lease = server.objects.cluster.get("Lease", "trawler", "trawler")
    assert lease is not None
    assert lease["spec"] == spec


def test_lease_that_another_operator_took(server: ApiServer, tmp_path: Path) -> None:
    """It ends, with an exit code that Kubernetes takes for a failure."""
    operator = chart_defaults()["operator"] | {"leaseDurationSeconds": 5}
    process = Process(server.kubeconfig(tmp_path), tmp_path / "log", operator=operator)
    try:
        process.until(lambda: "watching" in process.log.read_text())
        taken = {"holderIdentity": "another", "leaseDurationSeconds": 600, "leaseTransitions": 7}
        server.objects.cluster.merge("Lease", "trawler", "trawler", {"spec": taken})
        assert process.wait() == 1
    finally:
        process.end()
    assert process.messages()[-1] == "another has taken Lease trawler; this one ends"


def test_api_server_away_at_the_start(tmp_path: Path) -> None:
    """Alive and not ready: it waits and says so, instead of crashing over and over."""
    process = Process(write_kubeconfig(tmp_path, "http://127.0.0.1:9"), tmp_path / "log")
    try:
        process.until(lambda: "Cannot connect to host" in process.log.read_text())
        assert (process.get("/livez"), process.get("/readyz")) == (200, 503)
    finally:
        process.end()


def test_job_whose_subscription_is_gone(server: ApiServer, tmp_path: Path) -> None:
    """It was deleted while the operator was away: its Jobs go, and their events may come before the watch."""
    server.missing = {"/apis/trawler.dev/v1alpha1/namespaces/media/subscriptions/gone"}
    metadata = {"namespace": "media", "name": "gone-1", "labels": {"trawler.dev/subscription": "gone"}}
    metadata["ownerReferences"] = [{"kind": "Subscription", "name": "gone", "uid": "1"}]
    bare = {"template": {"metadata": {}, "spec": {"containers": [{"name": "download", "image": "downloader:1"}]}}}
    server.stored["jobs"] = [{"metadata": metadata, "spec": bare}]
    process = Process(server.kubeconfig(tmp_path), tmp_path / "log")
    try:
        process.until(lambda: "1 downloads are running" in process.log.read_text())
        process.until(lambda: "trawler_running_jobs 0.0" in process.text("/metrics"))
    finally:
        process.end()
