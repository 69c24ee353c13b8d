"""A place to live for one test: a namespace with its own library on the NAS folder, thrown away afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e import kubectl as k
from e2e import objects
from e2e.waiting import until

NODE_NAS_FOLDER = "/media/nas"
"""Where kind-config.yaml mounts the host's folder in the node."""
MEDIA_SUFFIXES = frozenset({".mp4", ".mkv", ".webm", ".m4a", ".mp3", ".opus"})


def succeeded(ledger: dict[str, dict[str, Any]]) -> set[str]:
    """Keys of the videos that a ledger has as downloaded."""
    return {key for key, entry in ledger.items() if entry["state"] == "Succeeded"}


@dataclass(frozen=True)
class Place:
    """A namespace that enforces Pod Security `restricted`, a claim `library`, and the folder behind it."""

    namespace: str
    nas: Path
    """The host's folder that stands in for the NAS, as a whole."""
    ca: str = field(repr=False)
    """PEM of the stand-in's certificate authority."""

    @property
    def library(self) -> Path:
        """The claim's root, seen from the host."""
        return self.nas / self.namespace

    def make(self) -> None:
        """Create namespace, folder, volume, claim and the CA's ConfigMap."""
        k.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": self.namespace,
                    "labels": {"pod-security.kubernetes.io/enforce": "restricted", "trawler-e2e": "place"},
                },
            },
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "standin-ca", "namespace": self.namespace},
                "data": {"ca.crt": self.ca},
            },
        )
        self.add_claim("library", self.namespace)

    def add_claim(self, claim: str, folder: str, mode: str = "ReadWriteMany") -> None:
        """A claim of this namespace on a folder of the NAS (made, writable for everyone).

        Every node has the folder, and the volume names none: whatever its access mode, the scheduler may take any node.
        """
        path = self.nas / folder
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
        volume = f"{self.namespace}-{claim}"
        storage = {"storage": "1Gi"}
        k.apply(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": volume, "labels": {"trawler-e2e": "place"}},
                "spec": {
                    "capacity": storage,
                    "accessModes": [mode],
                    "persistentVolumeReclaimPolicy": "Retain",
                    "storageClassName": "",
                    "claimRef": {"namespace": self.namespace, "name": claim},
                    "hostPath": {"path": f"{NODE_NAS_FOLDER}/{folder}", "type": "Directory"},
                },
            },
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": claim, "namespace": self.namespace},
                "spec": {
                    "accessModes": [mode],
                    "storageClassName": "",
                    "volumeName": volume,
                    "resources": {"requests": storage},
                },
            },
        )

    def unmake(self, *, wait: bool = False) -> None:
        """Delete what there is of it, the files too; the end of namespace and volumes is awaited only if asked."""
        if objects.items("namespaces", fields=f"metadata.name={self.namespace}"):
            k.delete("namespace", self.namespace, wait=wait)
        for volume in objects.items("persistentvolumes", labels="trawler-e2e=place"):
            if volume["spec"]["claimRef"]["namespace"] == self.namespace:
                k.delete("persistentvolume", volume["metadata"]["name"], wait=wait)
        shutil.rmtree(self.library, ignore_errors=True)

    # --- Subscriptions ---------------------------------------------------------------------------------------------

    def subscribe(self, name: str, spec: dict[str, Any], annotations: dict[str, str] | None = None) -> None:
        """Apply a Subscription with this spec; the NAS is a folder on this machine's disk, which may be nearly full."""
        spec = {**spec, "library": {"minFree": "1Gi", **spec.get("library", {})}}
        k.apply(
            {
                "apiVersion": "trawler.dev/v1alpha1",
                "kind": "Subscription",
                "metadata": {"name": name, "namespace": self.namespace, "annotations": annotations or {}},
                "spec": spec,
            }
        )

    def ask_for_check(self, name: str, request_id: str) -> None:
        """Ask for a check now, as a user does."""
        k.kubectl("-n", self.namespace, "annotate", "--overwrite", "ytsub", name, f"trawler.dev/check={request_id}")

    def check(self, name: str, request_id: str) -> None:
        """Ask for a check now and wait until it was made."""
        self.ask_for_check(name, request_id)
        until(
            f"check {request_id} of {name} is handled",
            lambda: self.status(name).get("lastHandled", {}).get("check", {}),
            lambda handled: handled.get("id") == request_id,
        )

    def status(self, name: str) -> dict[str, Any]:
        """`.status` of a Subscription, empty as long as there is none."""
        found: dict[str, Any] = objects.get("subscriptions", name, namespace=self.namespace).get("status", {})
        return found

    def condition(self, name: str, kind: str) -> dict[str, str]:
        """One condition, empty as long as there is none."""
        for condition in self.status(name).get("conditions", []):
            if condition["type"] == kind:
                found: dict[str, str] = condition
                return found
        return {}

    def wait_condition(self, name: str, kind: str, status: str, reason: str, *, timeout: float = 120) -> dict[str, str]:
        """Wait for a condition with this status and reason."""
        return until(
            f"{name} shows {kind}={status} ({reason})",
            lambda: self.condition(name, kind),
            lambda condition: (condition.get("status"), condition.get("reason")) == (status, reason),
            timeout=timeout,
        )

    def wait_count(self, name: str, count: str, videos: int) -> None:
        """Wait until `.status.counts` has so many: the status follows the ledger, by a request or two."""
        until(
            f"{name} counts {videos} {count}",
            lambda: self.status(name).get("counts", {}).get(count),
            lambda counted: counted == videos,
        )

    def wait_up_to_date(self, name: str, downloaded: int, *, timeout: float = 240) -> dict[str, Any]:
        """Wait until that many videos are downloaded and none is wanted any more."""
        return until(
            f"{name} has {downloaded} downloaded and nothing left to do",
            lambda: self.status(name),
            lambda status: (
                status.get("counts", {}).get("downloaded") == downloaded
                and any(c["type"] == "UpToDate" and c["status"] == "True" for c in status.get("conditions", []))
            ),
            timeout=timeout,
        )

    # --- history and files -----------------------------------------------------------------------------------------

    def ledger(self, name: str) -> dict[str, dict[str, Any]]:
        """All entries of a Subscription's ledger by video key."""
        entries: dict[str, dict[str, Any]] = {}
        for shard in objects.items("configmaps", namespace=self.namespace, labels=f"trawler.dev/subscription={name}"):
            for key, value in shard.get("data", {}).items():
                try:
                    entries[key] = json.loads(value)
                except json.JSONDecodeError:
                    entries[key] = {"state": "broken"}
        return entries

    def states(self, name: str) -> dict[str, int]:
        """How many ledger entries are in each state."""
        counts: dict[str, int] = {}
        for entry in self.ledger(name).values():
            counts[entry["state"]] = counts.get(entry["state"], 0) + 1
        return counts

    def ledger_versions(self, name: str) -> dict[str, str]:
        """The resourceVersions of the ledger's shards: equal twice means that nothing was written in between."""
        shards = objects.items("configmaps", namespace=self.namespace, labels=f"trawler.dev/subscription={name}")
        return {shard["metadata"]["name"]: shard["metadata"]["resourceVersion"] for shard in shards}

    def jobs(self, name: str) -> list[dict[str, Any]]:
        """The download Jobs of a Subscription that exist now."""
        selector = f"app.kubernetes.io/component=download,trawler.dev/subscription={name}"
        return objects.items("jobs", namespace=self.namespace, labels=selector)

    def events(self, reason: str) -> list[str]:
        """Messages of the Subscriptions' Events with this reason."""
        events = objects.items("events", namespace=self.namespace, fields="regarding.kind=Subscription")
        return [event.get("note", "") for event in events if event["reason"] == reason]

    def wait_events(self, reason: str, number: int = 1) -> list[str]:
        """Wait until so many Events bear this reason, and return their messages: they follow the status."""
        return until(f"{number} Events {reason}", lambda: self.events(reason), lambda said: len(said) == number)

    def launches(self, name: str) -> int:
        """How many Jobs were ever launched, as the ledger counts them."""
        return sum(entry.get("launches", 0) for entry in self.ledger(name).values())

    def media(self) -> list[Path]:
        """Media files under their final names, relative to the claim's root, sorted."""
        return sorted(
            path.relative_to(self.library)
            for path in self.library.rglob("*")
            if path.suffix in MEDIA_SUFFIXES and ".trawler" not in path.parts
        )

    def files(self) -> list[Path]:
        """All files but trawler's own, relative to the claim's root, sorted."""
        return sorted(
            path.relative_to(self.library)
            for path in self.library.rglob("*")
            if path.is_file() and ".trawler" not in path.relative_to(self.library).parts
        )

    def staged(self) -> list[Path]:
        """What lies in staging folders."""
        return sorted(path for path in self.library.glob(".trawler/*/staging/**/*") if path.is_file())

    def diagnose(self) -> str:
        """What a person would look at after a failure: Events, Subscriptions, Jobs, pods and their logs."""
        parts = []
        for command in (
            ["get", "subscriptions.trawler.dev", "-o", "yaml"],
            ["get", "events", "--sort-by=.lastTimestamp"],
            ["get", "jobs,pods", "-o", "wide"],
            ["logs", "-l", "app.kubernetes.io/component=download", "--tail=40", "--prefix"],
            ["logs", "-l", "app.kubernetes.io/component in (inventory,survey)", "--tail=40", "--prefix"],
        ):
            done = subprocess.run(
                ["kubectl", "-n", self.namespace, *command], capture_output=True, text=True, timeout=60, check=False
            )
            parts.append(f"$ kubectl -n {self.namespace} {' '.join(command)}\n{done.stdout}{done.stderr}")
        return "\n".join(parts)
