"""The Job of one launch, compared whole: a field more or less is seen in the diff."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubernetes.client import V1Job

from builders import CONTROLLER, NOON, URL, beside_users_of, ledger_entry, restricted_pod, subscription
from trawler_downloader.contract.download import DownloadRequest, FollowUpKind
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.domain.gates.route import GateId, GateKind
from trawler_operator.domain.jobs.digests import download_digest
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults
from trawler_operator.domain.launches.download_job import build_download_job
from trawler_operator.domain.ledger.entry import FollowUp, Found, LedgerEntry

KEY = "youtube.abcdefghijk"
PUBLIC_ONLY = AccessRules()
PLAIN = JobDefaults(image="trawler-downloader:1", claim_name="library")
MINIMAL_REQUEST = {
    "v": 1,
    "subscription": {"namespace": "media", "name": "numberline"},
    "video": {
        "key": KEY,
        "extractor": "Youtube",
        "id": "abcdefghijk",
        "url": "https://www.youtube.com/watch?v=abcdefghijk",
        "title": "What is a number?",
        "kind": "Video",
        "source": "youtubetab.UCnumber.videos",
    },
    "launch": 2,
    "media": {"type": "Video", "sidecars": ["Thumbnail", "Description", "Nfo"]},
    "library": {"path": "", "layout": "Show"},
    "caBundle": False,
    "proxyCredentials": False,
    "allowGeneric": False,
    "proxyTrusted": False,
    "allowedCidrs": [],
    "umask": "022",
    "stallTimeoutSeconds": 600,
}

PASSED = {GateId(GateKind.EGRESS, "youtube.com"): 7}


def _build(
    spec: dict[str, Any],
    defaults: JobDefaults,
    access: AccessRules = PUBLIC_ONLY,
    entry: LedgerEntry | None = None,
    **told: Any,
) -> dict[str, Any]:
    return build_download_job(
        subscription(spec),
        KEY,
        entry or ledger_entry(),
        launch=2,
        shard=3,
        defaults=defaults,
        access=access,
        gates=PASSED,
        **told,
    )


def _request(manifest: dict[str, Any]) -> dict[str, Any]:
    """Takes the request out of a manifest, so that both can be compared as data."""
    env = manifest["spec"]["template"]["spec"]["containers"][0]["env"].pop(0)
    assert env["name"] == "TRAWLER_REQUEST"
    DownloadRequest.model_validate_json(env["value"])
    request: dict[str, Any] = json.loads(env["value"])
    return request


def test_a_plain_subscription() -> None:
    """Nothing but a url, and an operator with a default claim."""
    manifest = _build({}, PLAIN)

    assert _request(manifest) == MINIMAL_REQUEST
    assert manifest == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "numberline-290d3bbc698555ef",
            "namespace": "media",
            "labels": {
                "app.kubernetes.io/managed-by": "trawler",
                "app.kubernetes.io/component": "download",
                "trawler.dev/subscription": "numberline",
                "trawler.dev/launch": "2",
                "trawler.dev/claim": "library",
            },
            "annotations": {
                "trawler.dev/video": KEY,
                "trawler.dev/shard": "3",
                "trawler.dev/launch": "2",
                "trawler.dev/spec": download_digest(subscription({}).spec, PLAIN),
            },
            "ownerReferences": [CONTROLLER],
        },
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": 21600,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": "download",
                            "operator": "In",
                            "values": [40, 41, 42, 43, 44, 45, 46, 137, 143],
                        },
                    },
                ]
            },
            "template": {
                "metadata": {
                    "labels": {
                        "app.kubernetes.io/managed-by": "trawler",
                        "app.kubernetes.io/component": "download",
                        "trawler.dev/subscription": "numberline",
                        "trawler.dev/launch": "2",
                        "trawler.dev/claim": "library",
                    },
                    "annotations": {"trawler.dev/video": KEY, "trawler.dev/gates": '{"Egress":7}'},
                },
                "spec": restricted_pod(
                    {
                        "command": ["python", "-m", "trawler_downloader.download"],
                        "env": [
                            {"name": "HOME", "value": "/tmp"},
                            {"name": "TMPDIR", "value": "/tmp"},
                            {"name": "DENO_DIR", "value": "/tmp/deno"},
                            {"name": "YTDLP_NO_PLUGINS", "value": "1"},
                        ],
                        "resources": {
                            "requests": {"cpu": "100m", "memory": "256Mi"},
                            "limits": {"memory": "2Gi"},
                        },
                        "volumeMounts": [
                            {"name": "library", "mountPath": "/library", "mountPropagation": "HostToContainer"},
                            {"name": "scratch", "mountPath": "/tmp"},
                        ],
                    },
                    [
                        {"name": "library", "persistentVolumeClaim": {"claimName": "library"}},
                        {"name": "scratch", "emptyDir": {}},
                    ],
                ),
            },
        },
    }


def test_a_subscription_with_everything_of_its_own() -> None:
    """What the spec says wins over the operator's defaults, field by field; resources as a whole."""
    spec = {
        "url": URL,
        "media": {"type": "Audio", "container": "m4a", "sidecars": []},
        "library": {"claimName": "mine", "path": "podcasts", "layout": "Flat", "folder": "Numbers", "minFree": "0"},
        "access": {
            "proxy": "socks5://vpn.media:1080",
            "caBundleRef": {"name": "my-ca"},
            "cookiesSecretRef": {"name": "my-cookies"},
            "cookies": "Always",
            "proxySecretRef": {"name": "my-vpn"},
            "rateLimit": "4M",
            "allowGeneric": True,
        },
        "job": {
            "activeDeadlineSeconds": 600,
            "resources": {"limits": {"cpu": 2}},
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "media", "operator": "Exists", "effect": "NoSchedule"}],
            "runAsUser": 1000,
            "runAsGroup": 1001,
            "fsGroup": 1002,
            "supplementalGroups": [2000, 2001],
            "umask": "002",
            "stallTimeoutSeconds": 60,
            "podAnnotations": {"sidecar.istio.io/inject": "false"},
            "podLabels": {"team": "archive"},
        },
    }
    defaults = JobDefaults(
        image="trawler-downloader@sha256:0",
        image_pull_policy="Always",
        image_pull_secrets=("mirror",),
        claim_name="library",
        ca_bundle_config_map="ca",
        proxy="http://proxy:8080",
    )
    access = AccessRules(allowed_cidrs=("192.168.1.30/32",), allowed_proxies=("socks5h://vpn.media:1080",))
    plain = _build({}, PLAIN)
    manifest = _build(spec, defaults, access, source_title="Numberline", volume_id="v-1")
    _request(plain)

    assert _request(manifest) == {
        **MINIMAL_REQUEST,
        "sourceTitle": "Numberline",
        "media": {"type": "Audio", "container": "m4a", "sidecars": []},
        "library": {"path": "podcasts", "layout": "Flat", "folder": "Numbers"},
        "volumeId": "v-1",
        "minFreeBytes": 0,
        "proxy": "socks5://vpn.media:1080",
        "proxyTrusted": True,
        "caBundle": True,
        "cookies": "Always",
        "cookiesSecret": "my-cookies",
        "proxyCredentials": True,
        "proxySecret": "my-vpn",
        "rateLimitBytesPerSecond": 4000000,
        "allowGeneric": True,
        "allowedCidrs": ["192.168.1.30/32"],
        "umask": "002",
        "stallTimeoutSeconds": 60,
    }
    plain["spec"]["activeDeadlineSeconds"] = 600
    plain["spec"]["template"]["metadata"]["annotations"]["sidecar.istio.io/inject"] = "false"
    plain["spec"]["template"]["metadata"]["labels"]["team"] = "archive"
    plain["metadata"]["annotations"]["trawler.dev/spec"] = download_digest(subscription(spec).spec, defaults)
    pod = plain["spec"]["template"]["spec"]
    pod["securityContext"] |= {
        "runAsUser": 1000,
        "runAsGroup": 1001,
        "fsGroup": 1002,
        "supplementalGroups": [2000, 2001],
    }
    pod["containers"][0] |= {
        "image": "trawler-downloader@sha256:0",
        "imagePullPolicy": "Always",
        "resources": {"limits": {"cpu": "2"}},
    }
    pod["containers"][0]["volumeMounts"] += [
        {"name": "ca", "mountPath": "/etc/trawler/ca", "readOnly": True},
        {"name": "cookies", "mountPath": "/etc/trawler/cookies", "readOnly": True},
        {"name": "proxy", "mountPath": "/etc/trawler/proxy", "readOnly": True},
    ]
    pod["volumes"][0]["persistentVolumeClaim"]["claimName"] = "mine"
    for metadata in (plain["metadata"], plain["spec"]["template"]["metadata"]):
        metadata["labels"]["trawler.dev/claim"] = "mine"
    pod["volumes"] += [
        {"name": "ca", "configMap": {"name": "my-ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "name": "cookies",
            "secret": {
                "secretName": "my-cookies",
                "items": [{"key": "cookies.txt", "path": "cookies.txt"}],
                "defaultMode": 0o440,
                "optional": True,
            },
        },
        {
            "name": "proxy",
            "secret": {
                "secretName": "my-vpn",
                "items": [{"key": "username", "path": "username"}, {"key": "password", "path": "password"}],
                "defaultMode": 0o440,
                "optional": True,
            },
        },
    ]
    pod |= {
        "imagePullSecrets": [{"name": "mirror"}],
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "media", "operator": "Exists", "effect": "NoSchedule"}],
    }
    assert manifest == plain


def test_a_volume_that_is_on_one_node_at_a_time() -> None:
    """Its Jobs run where one of them runs; nothing else of them is different."""
    manifest, plain = _build({}, PLAIN, one_node=True), _build({}, PLAIN)
    plain["spec"]["template"]["spec"]["affinity"] = beside_users_of("library")
    assert manifest == plain


def test_a_claim_with_a_long_name() -> None:
    """Jobs find one another by a label, which takes 63 characters."""
    manifest = _build({"library": {"claimName": "c" * 200}}, PLAIN, one_node=True)
    template = manifest["spec"]["template"]
    label = template["metadata"]["labels"]["trawler.dev/claim"]
    assert (len(label), template["spec"]["affinity"]) == (63, beside_users_of(label))


def test_the_operators_defaults_fill_what_the_spec_leaves_open() -> None:
    """Proxy and certificate authorities for everybody."""
    defaults = JobDefaults(
        image="i", claim_name="library", ca_bundle_config_map="ca", proxy="http://proxy:8080", run_as_user=7
    )
    manifest = _build({}, defaults)
    request = _request(manifest)
    pod = manifest["spec"]["template"]["spec"]

    assert (request["proxy"], request["proxyTrusted"], request["caBundle"]) == ("http://proxy:8080", True, True)
    assert pod["volumes"][2]["configMap"]["name"] == "ca"
    assert pod["securityContext"]["runAsUser"] == 7


def test_cookies_are_sent_when_needed_unless_always_is_said() -> None:
    """And the operator's own proxy may be the one that a Secret's user and password are for."""
    spec = {"access": {"cookiesSecretRef": {"name": "c"}, "proxySecretRef": {"name": "p"}}}
    request = _request(_build(spec, JobDefaults(image="i", claim_name="library", proxy="http://proxy:8080")))

    assert (request["cookies"], request["proxyCredentials"]) == ("WhenNeeded", True)


@pytest.mark.parametrize(
    "spec", [{}, {"job": {"tolerations": [{}], "resources": {}}, "access": {"caBundleRef": {"name": "a"}}}]
)
def test_kubernetes_knows_every_field(spec: dict[str, Any]) -> None:
    """Its client's own models refuse what they do not know."""
    manifest = _build(spec, PLAIN)

    assert V1Job.model_validate(manifest).spec.backoff_limit == 0


@pytest.mark.parametrize(
    ("found", "source"),
    [(Found.WINDOW, "youtubetab.UCnumber.videos"), (Found.BACK_CATALOGUE, None)],
    ids=["found by its first check", "left out by it, and asked for"],
)
def test_a_manifest_names_the_source_that_a_ledger_made_anew_may_go_by(found: Found, source: str | None) -> None:
    """An old video says nothing about how far its source was downloaded: what stands above it is not new."""
    asked = _request(_build({}, PLAIN, entry=ledger_entry(found=found)))
    assert asked["video"].get("source") == source


def test_a_follow_up_asks_for_what_is_missing() -> None:
    """Otherwise its Job is that of a download, under another name."""
    entry = ledger_entry(LedgerState.SUCCEEDED, follow_up=FollowUp(FollowUpKind.THUMBNAIL, NOON))
    job, plain = _build({}, PLAIN, entry=entry), _build({}, PLAIN)
    assert _request(job) == {**_request(plain), "followUp": "Thumbnail"}
    assert job["metadata"].pop("name") != plain["metadata"].pop("name")
    assert job == plain


def test_without_any_claim_there_is_no_job() -> None:
    """The caller has a condition for that."""
    with pytest.raises(ValueError, match="no claim"):
        _build({}, JobDefaults(image="i"))
