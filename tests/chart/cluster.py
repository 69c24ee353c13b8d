"""As much of an API server as `helm template --dry-run=server` looks at: discovery, and the objects it is given.

Helm's `lookup` answers only from an API server, and these tests run without a cluster.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from chart.rendering import KUBE_VERSION

Manifest = dict[str, Any]

_RESOURCES = [
    {"name": "persistentvolumes", "kind": "PersistentVolume", "namespaced": False, "verbs": ["get", "list"]},
    {"name": "persistentvolumeclaims", "kind": "PersistentVolumeClaim", "namespaced": True, "verbs": ["get", "list"]},
]
_PLURALS = {resource["kind"]: resource["name"] for resource in _RESOURCES}
_DISCOVERY: dict[str, Any] = {
    "/version": {"major": "1", "minor": KUBE_VERSION.split(".")[1], "gitVersion": f"v{KUBE_VERSION}"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": _RESOURCES},
}


def _path(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    folder = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"/api/v1{folder}/{_PLURALS[manifest['kind']]}/{metadata['name']}"


@contextlib.contextmanager
def cluster_with(objects: list[Manifest], folder: Path) -> Iterator[Path]:
    """A kubeconfig of a server on loopback that has these objects.

    Args:
        objects: PersistentVolumes and PersistentVolumeClaims.
        folder: where the kubeconfig is written.
    """
    answers = {**_DISCOVERY, **{_path(manifest): manifest for manifest in objects}}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(missing if answer is None else answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "users": [{"name": "test", "user": {}}],
            }
        )
    )
    try:
        yield kubeconfig
    finally:
        server.shutdown()
        server.server_close()
