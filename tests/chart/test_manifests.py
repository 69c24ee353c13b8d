"""The whole output: it is what it was, and an API server would know every field of it."""

from __future__ import annotations

import os
from pathlib import Path

import kubernetes.client
import pytest

from chart.rendering import CHART, SCENARIOS, place, render, render_text, run_helm, scenario, scenario_names

GOLDEN = Path(__file__).parent / "golden"
CRD_TEMPLATE = "# Source: trawler/templates/crd-subscriptions.yaml"


def without_crd(text: str) -> str:
    """The output but for the CRD, which is generated and compared elsewhere."""
    return "".join(f"---{document}" for document in text.split("---\n")[1:] if CRD_TEMPLATE not in document).replace(
        "---#", "---\n#"
    )


@pytest.mark.parametrize("name", scenario_names())
def test_lint_finds_nothing(name: str) -> None:
    """`helm lint --strict` has nothing to say."""
    assert "0 chart(s) failed" in run_helm(
        "lint", "--strict", str(CHART), values=(SCENARIOS / f"{name}.yaml").read_text()
    )


@pytest.mark.parametrize("name", scenario_names())
def test_output_is_what_was_reviewed(name: str) -> None:
    """A change of the chart shows as a change of tests/chart/golden; UPDATE_GOLDEN=1 writes it anew."""
    golden = GOLDEN / f"{name}.yaml"
    actual = without_crd(render_text((SCENARIOS / f"{name}.yaml").read_text()))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(actual)

    assert golden.read_text() == actual


@pytest.mark.parametrize("name", scenario_names())
def test_every_field_is_known(name: str) -> None:
    """The client's models refuse fields that Kubernetes does not have, and wrong types."""
    for manifest in render(scenario(name)):
        model = getattr(kubernetes.client, f"V1{manifest['kind']}")

        model.model_validate(manifest)


@pytest.mark.parametrize("name", scenario_names())
def test_nothing_is_made_twice(name: str) -> None:
    """No two manifests are the same object."""
    places = [(manifest["kind"], place(manifest)) for manifest in render(scenario(name))]

    assert sorted(set(places)) == sorted(places)


@pytest.mark.parametrize("name", scenario_names())
def test_everything_carries_the_labels_of_the_release(name: str) -> None:
    """What belongs to the release can be found by its labels."""
    for manifest in render(scenario(name)):
        labels = manifest["metadata"]["labels"]

        assert (
            labels["app.kubernetes.io/name"],
            labels["app.kubernetes.io/instance"],
            labels["app.kubernetes.io/managed-by"],
        ) == ("trawler", "trawler", "Helm")


def test_the_selector_does_not_change_with_the_version() -> None:
    """A Deployment's selector is immutable: a label with a version in it would break every upgrade."""
    [deployment] = [m for m in render({}) if m["kind"] == "Deployment"]

    assert deployment["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "trawler",
        "app.kubernetes.io/instance": "trawler",
        "app.kubernetes.io/component": "operator",
    }
