"""A second install finds what the first one left: the same is taken up again, anything else is said in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chart.cluster import cluster_with
from chart.rendering import ChartError, Manifest, of_kind, render, render_text

NFS = {"library": {"nfs": {"server": "nas.lan", "path": "/media"}}}
HOST_PATH = {"library": {"hostPath": {"path": "/nas"}}}
STORAGE_CLASS = {"library": {"storageClass": {"size": "1Ti"}}}


def left_by(values: dict[str, Any], *, release: str = "trawler") -> list[Manifest]:
    """Volumes and claims as a cluster has them after an install with these values."""
    objects = [m for m in render(values) if m["kind"] in {"PersistentVolume", "PersistentVolumeClaim"}]
    for manifest in objects:
        manifest["metadata"]["annotations"] |= {
            "meta.helm.sh/release-name": release,
            "meta.helm.sh/release-namespace": "media",
        }
        if manifest["kind"] == "PersistentVolume":
            manifest["status"] = {"phase": "Bound"}
        else:
            manifest["spec"].setdefault("storageClassName", "standard")  # as admission fills it in
    return objects


def released(values: dict[str, Any]) -> list[Manifest]:
    """The volumes alone, after someone deleted their claims."""
    volumes = of_kind(left_by(values), "PersistentVolume")
    for volume in volumes:
        volume["status"] = {"phase": "Released"}
    return volumes


def install(values: dict[str, Any], found: list[Manifest], folder: Path) -> str:
    """What helm renders in a cluster that has `found`."""
    with cluster_with(found, folder) as kubeconfig:
        return render_text(json.dumps(values), "--dry-run=server", "--kubeconfig", str(kubeconfig))


@pytest.mark.parametrize("values", [NFS, HOST_PATH, STORAGE_CLASS], ids=["nfs", "hostPath", "storageClass"])
def test_what_was_kept_is_taken_up_again(values: dict[str, Any], tmp_path: Path) -> None:
    """The same values over the same objects: no complaint."""
    assert "kind: PersistentVolumeClaim" in install(values, left_by(values), tmp_path)


@pytest.mark.parametrize(
    ("values", "found", "parts"),
    [
        pytest.param(
            HOST_PATH,
            lambda: released(HOST_PATH),
            [
                "volume trawler.media.library still belongs to a claim that was deleted",
                "kubectl patch persistentvolume",
            ],
            id="the claim was deleted, the volume was not",
        ),
        pytest.param(
            STORAGE_CLASS,
            lambda: left_by(NFS),
            ["claim media/library exists with another kind of volume (trawler.media.library)", "library.claimName"],
            id="a class in place of a share",
        ),
        pytest.param(
            NFS,
            lambda: left_by(STORAGE_CLASS),
            ["claim media/library exists with another kind of volume (not bound yet)"],
            id="a share in place of a class",
        ),
        pytest.param(
            {"library": {"nfs": {"server": "new.lan", "path": "/media"}}},
            lambda: left_by(NFS),
            ["volume trawler.media.library is nas.lan:/media and cannot become new.lan:/media", "library.claimName"],
            id="another server",
        ),
        pytest.param(
            {"library": {"hostPath": {"path": "/other"}}},
            lambda: left_by(HOST_PATH),
            ["is /nas and cannot become /other"],
            id="another folder",
        ),
        pytest.param(
            HOST_PATH,
            lambda: left_by(NFS),
            ["is nas.lan:/media and cannot become /nas"],
            id="a folder in place of a share",
        ),
        pytest.param(
            NFS,
            lambda: left_by(NFS, release="other"),
            ["was made by the release media/other", "library.existingClaim=library"],
            id="another release's claim",
        ),
    ],
)
def test_what_cannot_be_is_said(
    values: dict[str, Any], found: Callable[[], list[Manifest]], parts: list[str], tmp_path: Path
) -> None:
    """Before anything is changed, with the way out."""
    with pytest.raises(ChartError) as refused:
        install(values, found(), tmp_path)

    assert [part for part in parts if part not in str(refused.value)] == [], str(refused.value)


def test_a_claim_of_ones_own_is_not_taken_over(tmp_path: Path) -> None:
    """It is used by its own value."""
    found = left_by(STORAGE_CLASS)
    for manifest in found:
        del manifest["metadata"]["annotations"]

    with pytest.raises(ChartError, match=r"was not made by this chart.*library.existingClaim=library"):
        install(STORAGE_CLASS, found, tmp_path)
