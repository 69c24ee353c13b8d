"""The CRD as a part of the release: upgraded with it, and kept when it goes."""

from __future__ import annotations

from typing import Any

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


def test_a_subscription_that_nobody_serves_is_warned_of() -> None:
    """Its namespace is neither one of this release nor of another that is named; the warning says what to do."""
    manifests = render({"watch": {"namespaces": ["media", "kids"]}, "crds": {"servedByOthers": ["films"]}})
    [policy] = of_kind(manifests, "ValidatingAdmissionPolicy")
    [binding] = of_kind(manifests, "ValidatingAdmissionPolicyBinding")
    [rule] = policy["spec"]["validations"]

    assert rule["expression"] == 'request.namespace in ["films","kids","media"]'
    assert "watch.namespaces" in rule["messageExpression"]
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Warn"]}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"crds": {"enabled": False}}, id="another release owns the CRD"),
        pytest.param({"crds": {"warnWhereUnserved": False}}, id="switched off"),
        pytest.param({"watch": {"clusterWide": True}}, id="every namespace is served"),
    ],
)
def test_nobody_is_warned(values: dict[str, Any]) -> None:
    """Where there is nothing to warn of, or somebody else does."""
    assert of_kind(render(values), "ValidatingAdmissionPolicy") == []
