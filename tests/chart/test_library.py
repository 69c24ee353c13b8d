"""The library's volumes: each kind, kept whatever happens to the release."""

from __future__ import annotations

from typing import Any

import pytest

from chart.rendering import Manifest, of_kind, place, render, scenario

NFS = {"nfs": {"server": "nas.lan", "path": "/volume1/media"}}
HOST_PATH = {"hostPath": {"path": "/var/lib/library"}}
STORAGE_CLASS = {"storageClass": {"size": "500Gi"}}


def volumes_and_claims(library: dict[str, Any], **more: Any) -> tuple[list[Manifest], list[Manifest]]:
    manifests = render({"library": library, **more})
    return of_kind(manifests, "PersistentVolume"), of_kind(manifests, "PersistentVolumeClaim")


@pytest.mark.parametrize("library", [{}, {"existingClaim": "mine"}], ids=["none", "existing claim"])
def test_nothing_is_made_where_nothing_is_needed(library: dict[str, Any]) -> None:
    """Claims of one's own stay one's own."""
    assert volumes_and_claims(library) == ([], [])


def test_nfs() -> None:
    """The share, with its mount options."""
    [volume], [claim] = volumes_and_claims({"nfs": {**NFS["nfs"], "mountOptions": ["nfsvers=4.1"]}})

    assert NFS["nfs"] == volume["spec"]["nfs"]
    assert volume["spec"]["mountOptions"] == ["nfsvers=4.1"]
    assert place(claim) == "media/library"


def test_host_path_waits_for_the_folder() -> None:
    """A folder that is missing is not made: it would be on the wrong disk."""
    [volume], _ = volumes_and_claims(HOST_PATH)

    assert volume["spec"]["hostPath"] == {"path": "/var/lib/library", "type": "Directory"}


@pytest.mark.parametrize("library", [NFS, HOST_PATH], ids=["nfs", "hostPath"])
def test_volume_and_claim_name_each_other(library: dict[str, Any]) -> None:
    """No other claim can take the volume, no other volume the claim."""
    [volume], [claim] = volumes_and_claims(library)
    reference = volume["spec"]["claimRef"]

    assert place(claim) == f"{reference['namespace']}/{reference['name']}"
    assert volume["metadata"]["name"] == claim["spec"]["volumeName"]
    assert (volume["spec"]["storageClassName"], claim["spec"]["storageClassName"]) == ("", "")
    assert volume["spec"]["capacity"]["storage"] == claim["spec"]["resources"]["requests"]["storage"]
    assert volume["spec"]["accessModes"] == claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_storage_class_by_name() -> None:
    """The provisioner makes the volume."""
    [], [claim] = volumes_and_claims(
        {"storageClass": {"name": "fast", "size": "2Ti", "accessModes": ["ReadWriteMany"]}}
    )

    assert claim["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "2Ti"}},
    }


def test_the_clusters_default_class_is_asked_for_by_silence() -> None:
    """An empty storageClassName would mean: no class at all."""
    [], [claim] = volumes_and_claims(STORAGE_CLASS)

    assert "storageClassName" not in claim["spec"]


@pytest.mark.parametrize("library", [NFS, HOST_PATH, STORAGE_CLASS], ids=["nfs", "hostPath", "storageClass"])
def test_data_outlives_the_release(library: dict[str, Any]) -> None:
    """Helm deletes neither volume nor claim, and a volume outlives its claim."""
    volumes, claims = volumes_and_claims(library)

    assert {"keep"} == {m["metadata"]["annotations"]["helm.sh/resource-policy"] for m in volumes + claims}
    assert {"Retain"} >= {volume["spec"]["persistentVolumeReclaimPolicy"] for volume in volumes}


def test_each_namespace_has_its_own_pair() -> None:
    """A claim lives in one namespace, a volume belongs to one claim."""
    manifests = render(scenario("nas"))

    assert [place(m) for m in of_kind(manifests, "PersistentVolume")] == ["trawler.ann.library", "trawler.tim.library"]
    assert [place(m) for m in of_kind(manifests, "PersistentVolumeClaim")] == ["ann/library", "tim/library"]


def test_a_ca_bundle_stands_wherever_subscriptions_are() -> None:
    """PEM text becomes a ConfigMap in each watched namespace."""
    pem = "-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n"
    manifests = render({"defaults": {"caBundle": pem}, "watch": {"namespaces": ["ann", "tim"]}})

    assert {"ann/trawler-ca": {"ca.crt": pem}, "tim/trawler-ca": {"ca.crt": pem}} == {
        place(m): m["data"] for m in of_kind(manifests, "ConfigMap") if "ca.crt" in m["data"]
    }
