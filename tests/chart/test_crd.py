"""The CRD as a part of the release: upgraded with it, and kept when it goes."""

from __future__ import annotations

import pytest
import yaml

from chart.rendering import ROOT, of_kind, render


@pytest.mark.parametrize(("keep", "expected"), [(True, "keep"), (False, None)])
def test_subscriptions_outlive_the_release_unless_told_otherwise(*, keep: bool, expected: str | None) -> None:
    """Without the CRD all Subscriptions would be gone: to keep it is the default."""
    [crd] = of_kind(render({"crds": {"keep": keep}}), "CustomResourceDefinition")

    assert expected == crd["metadata"].get("annotations", {}).get("helm.sh/resource-policy")


def test_keeping_is_the_default() -> None:
    """Nobody has to know."""
    [crd] = of_kind(render({}), "CustomResourceDefinition")

    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_crd_can_come_from_elsewhere() -> None:
    """crds.enabled false."""
    assert of_kind(render({"crds": {"enabled": False}}), "CustomResourceDefinition") == []


def test_it_is_the_one_that_kubectl_users_get() -> None:
    """The chart's CRD and the one in crds/ have the same specification."""
    [crd] = of_kind(render({}), "CustomResourceDefinition")
    plain = yaml.safe_load((ROOT / "crds" / "subscriptions.trawler.dev.yaml").read_text())

    assert plain["spec"] == crd["spec"]
