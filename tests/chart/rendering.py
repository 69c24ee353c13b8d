"""Renders the chart with the real helm, as `helm template` and `helm lint` do.

The namespace and the release's name are fixed: they are part of what is compared. Kubernetes' version is named because
a helm that was built from its module thinks of a version too old for the chart.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "trawler"
SCENARIOS = Path(__file__).parent / "scenarios"
NAMESPACE = "media"
KUBE_VERSION = "1.36.3"

Manifest = dict[str, Any]


class ChartError(Exception):
    """Helm refused; its message is what a user would read."""


@functools.cache
def helm() -> str:
    """Path of helm: the environment variable HELM, or the pinned one, built once if need be."""
    if path := os.environ.get("HELM"):
        return path
    ensured = subprocess.run(
        [ROOT / "hack" / "tools" / "ensure", "helm"], check=True, stdout=subprocess.PIPE, text=True, timeout=600
    )
    return ensured.stdout.split()[-1]


def run_helm(*arguments: str, values: str = "{}") -> str:
    """What helm prints. Raises ChartError with what it complains about.

    Args:
        arguments: before `--values`.
        values: YAML or JSON text.
    """
    command = [helm(), *arguments, "--kube-version", KUBE_VERSION, "--values", "-"]
    finished = subprocess.run(command, input=values, capture_output=True, text=True, timeout=60)
    if finished.returncode != 0:
        raise ChartError(finished.stderr + finished.stdout)
    return finished.stdout


@functools.cache
def render_text(values: str, *more: str) -> str:
    """The manifests as helm prints them."""
    return run_helm("template", "trawler", str(CHART), "--namespace", NAMESPACE, *more, values=values)


def render(values: Mapping[str, Any]) -> list[Manifest]:
    """The manifests that these values make."""
    return [document for document in yaml.safe_load_all(render_text(json.dumps(values))) if document]


def scenario(name: str) -> Mapping[str, Any]:
    """Values of a scenario by its file's name."""
    return yaml.safe_load((SCENARIOS / f"{name}.yaml").read_text())


def scenario_names() -> list[str]:
    """All scenarios."""
    return sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind."""
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def place(manifest: Manifest) -> str:
    """`namespace/name`, or the name of what has no namespace."""
    metadata = manifest["metadata"]
    return "/".join(filter(None, [metadata.get("namespace"), metadata["name"]]))


def the_pod(manifests: list[Manifest]) -> Manifest:
    """Spec of the operator's pod."""
    [deployment] = of_kind(manifests, "Deployment")
    return deployment["spec"]["template"]["spec"]


def container(manifests: list[Manifest], name: str) -> Manifest:
    """One container of the operator's pod."""
    [found] = [c for c in the_pod(manifests)["containers"] if c["name"] == name]
    return found


def config_file(manifests: list[Manifest]) -> str:
    """The file that the operator reads at its start, from the ConfigMap that its pod mounts."""
    [name] = [volume["configMap"]["name"] for volume in the_pod(manifests)["volumes"] if volume["name"] == "config"]
    [mounted] = [manifest for manifest in of_kind(manifests, "ConfigMap") if manifest["metadata"]["name"] == name]
    return mounted["data"]["config.yaml"]


def configured(manifests: list[Manifest], path: str) -> Any:
    """What stands in that file under a path such as `defaults.proxy`."""
    return functools.reduce(lambda group, key: group[key], path.split("."), yaml.safe_load(config_file(manifests)))
