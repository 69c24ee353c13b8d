"""Put the stand-in into the cluster that KUBECONFIG names, and make the cluster's DNS lead the youtube hosts to it.

    python tests/site/deploy.py --image trawler-site:dev --ca-file ca.pem

Harmless when repeated: certificates stay, the pod is replaced (and with it what tests published). What a test or a
demo needs afterwards is the CA, in `--ca-file` and in the ConfigMap `standin-ca` (key `ca.crt`).
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from certificates import Certificates, issue
from client import NAMESPACE, SERVICE
from standin.hosts import HOSTS

Json = dict[str, Any]
LABELS = {"app.kubernetes.io/name": SERVICE}
REPOSITORY = Path(__file__).resolve().parents[2]
ADDRESS = "10.96.0.200"
"""Fixed, so that the chart's value access.allowedCIDRs can name it: of kind's default range, in the part of it that
Kubernetes keeps for addresses chosen by hand."""
_HOSTS_ANNOTATION = "standin/hosts"


def namespace_manifest(namespace: str) -> Json:
    """Pod Security `restricted` holds here too."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}


def certificate_manifests(certificates: Certificates) -> list[Json]:
    """The Secret for the pod and the ConfigMap for those who shall trust it."""
    annotations = {_HOSTS_ANNOTATION: " ".join(HOSTS)}
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "standin-tls", "annotations": annotations},
            "stringData": {"tls.crt": certificates.certificate, "tls.key": certificates.key},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "standin-ca"},
            "data": {"ca.crt": certificates.ca},
        },
    ]


def deployment_manifest(image: str, catalogue: bool, stamp: str) -> Json:
    """One replica that is replaced, never doubled: what it counts must be all there is."""
    arguments = ["--host=0.0.0.0", "--media=/srv/media", "--scratch=/tmp/media"]
    arguments += ["--tls-cert=/etc/standin/tls/tls.crt", "--tls-key=/etc/standin/tls/tls.key"]
    mounts = [{"name": "tls", "mountPath": "/etc/standin/tls", "readOnly": True}, {"name": "tmp", "mountPath": "/tmp"}]
    volumes: list[Json] = [{"name": "tls", "secret": {"secretName": "standin-tls"}}, {"name": "tmp", "emptyDir": {}}]
    if catalogue:
        arguments.append("--catalogue=/etc/standin/catalogue/catalogue.json")
        mounts.append({"name": "catalogue", "mountPath": "/etc/standin/catalogue", "readOnly": True})
        volumes.append({"name": "catalogue", "configMap": {"name": "standin-catalogue"}})
    container = {
        "name": "standin",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": arguments,
        "ports": [{"name": "https", "containerPort": 8443}, {"name": "control", "containerPort": 8080}],
        # Patient: while it is not ready its Service refuses connections, as a site that is down does.
        "readinessProbe": {
            "httpGet": {"path": "/healthz", "port": "control"},
            "periodSeconds": 1,
            "timeoutSeconds": 10,
            "failureThreshold": 10,
        },
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "768Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }
    pod = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "runAsGroup": 65532,
            "fsGroup": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": SERVICE, "labels": LABELS},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS, "annotations": {"standin/deployed": stamp}}, "spec": pod},
        },
    }


def service_manifest() -> Json:
    """443 for the youtube hosts; 80 for the feed, 8080 for the control API and the proxy (both the same port)."""
    ports = [
        {"name": "https", "port": 443, "targetPort": "https"},
        {"name": "http", "port": 80, "targetPort": "control"},
        {"name": "control", "port": 8080, "targetPort": "control"},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": SERVICE, "labels": LABELS},
        "spec": {"clusterIP": ADDRESS, "selector": LABELS, "ports": ports},
    }


def _kubectl(*arguments: str, stdin: str | None = None) -> str:
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _apply(namespace: str | None, manifests: Sequence[Json]) -> None:
    into = [] if namespace is None else ["-n", namespace]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
    _kubectl(*into, "apply", "--server-side", "--force-conflicts", "--field-manager=standin", "-f", "-", stdin=text)


def _found(namespace: str, kind: str, name: str) -> Json:
    text = _kubectl("-n", namespace, "get", kind, name, "--ignore-not-found", "-o", "json")
    found: Json = json.loads(text) if text.strip() else {}
    return found


def _certificates(namespace: str) -> Certificates:
    """Those of an earlier deployment, so that whoever trusts its CA still may; new ones otherwise."""
    secret, config_map = _found(namespace, "secret", "standin-tls"), _found(namespace, "configmap", "standin-ca")
    hosts = secret.get("metadata", {}).get("annotations", {}).get(_HOSTS_ANNOTATION)
    if not config_map or hosts != " ".join(HOSTS):
        return issue()
    pem = {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}
    return Certificates(ca=config_map["data"]["ca.crt"], certificate=pem["tls.crt"], key=pem["tls.key"])


def deploy(image: str, ca_file: Path, namespace: str, catalogue: Path | None) -> None:
    """Deploy and wait until the site answers and DNS leads to it."""
    _apply(None, [namespace_manifest(namespace)])
    certificates = _certificates(namespace)
    manifests = certificate_manifests(certificates)
    if catalogue is not None:
        data = {"catalogue.json": catalogue.read_text(encoding="utf-8")}
        metadata = {"name": "standin-catalogue"}
        manifests.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    if _found(namespace, "service", SERVICE).get("spec", {}).get("clusterIP", ADDRESS) != ADDRESS:
        _kubectl("-n", namespace, "delete", "service", SERVICE)  # of an earlier deployment: it cannot be changed
    stamp = str(time.time_ns())
    _apply(namespace, [*manifests, deployment_manifest(image, catalogue is not None, stamp), service_manifest()])
    ca_file.write_text(certificates.ca)
    target = f"{SERVICE}.{namespace}"
    subprocess.run([REPOSITORY / "hack/kind/dns", *HOSTS, "--to", target], check=True, stdout=subprocess.DEVNULL)
    _kubectl("-n", namespace, "rollout", "status", f"deployment/{SERVICE}", "--timeout=180s")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Deploy the stand-in for YouTube into the current cluster.")
    parser.add_argument("--image", default="trawler-site:dev", help="its image (default: %(default)s)")
    parser.add_argument("--ca-file", type=Path, required=True, help="where the CA's certificate is written")
    parser.add_argument("--namespace", default=NAMESPACE, help="default: %(default)s")
    parser.add_argument("--catalogue", type=Path, help="a catalogue of your own (JSON)")
    options = parser.parse_args()
    deploy(options.image, options.ca_file, options.namespace, options.catalogue)
    print(f"The stand-in for YouTube runs in namespace {options.namespace}; its CA is in {options.ca_file}")


if __name__ == "__main__":
    main()
