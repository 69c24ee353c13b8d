"""The committed CRD is what the models say, and what Kubernetes takes for a structural schema."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import V1CustomResourceDefinition

from trawler_operator.api.crd import (
    CHART_FILE,
    PLAIN_FILE,
    SchemaError,
    generated_files,
    main,
    structural,
    subscription_crd,
)

ROOT = Path(__file__).parents[2]
VERSION = subscription_crd()["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]


def _parts(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from _parts(part, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if name in schema:
            yield from _parts(schema[name], f"{path}[]")


PARTS = dict(_parts(SCHEMA))
OURS = {path: part for path, part in PARTS.items() if path.startswith((".spec", ".status"))}


def test_the_committed_files_are_what_the_models_say() -> None:
    """Run `make crds` after a change of the models."""
    assert main(["--check"]) == 0
    assert {path: (ROOT / path).read_text() for path in (PLAIN_FILE, CHART_FILE)} == generated_files()


def test_check_names_the_stale_file_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence per file, with what to do."""
    assert main(["--root", str(tmp_path)]) == 0
    (tmp_path / PLAIN_FILE).write_text("old")
    capsys.readouterr()

    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "crds/subscriptions.trawler.dev.yaml is stale: run `make crds`\n"
    assert (tmp_path / PLAIN_FILE).read_text() == "old"


def test_writing_brings_both_files_up_to_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says which it wrote; a second time there is nothing to do."""
    assert main(["--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"wrote {PLAIN_FILE}", f"wrote {CHART_FILE}"]
    assert main(["--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["--check", "--root", str(tmp_path)]) == 0


def test_kubernetes_knows_every_field() -> None:
    """Its client's own models refuse what they do not know."""
    crd = yaml.safe_load((ROOT / PLAIN_FILE).read_text())

    assert V1CustomResourceDefinition.model_validate(crd).spec.names.short_names == ["ytsub"]


def test_the_charts_copy_is_the_same_definition() -> None:
    """Only its metadata is the chart's."""
    chart = (ROOT / CHART_FILE).read_text()
    spec = chart[chart.index("\nspec:") : chart.rindex("{{- end }}")]

    assert yaml.safe_load(spec) == {"spec": subscription_crd()["spec"]}


@pytest.mark.parametrize("keyword", ["$ref", "title", "$defs", "const", "propertyNames", "nullable"])
def test_the_schema_is_structural(keyword: str) -> None:
    """No keyword that the API server refuses or ignores."""
    assert [path for path, part in PARTS.items() if keyword in part] == []


def test_every_part_has_a_type_or_is_a_quantity() -> None:
    """Alternatives exist for quantities alone."""
    assert [
        path for path, part in PARTS.items() if "type" not in part and "x-kubernetes-int-or-string" not in part
    ] == []


def test_everything_has_a_limit() -> None:
    """Texts, lists and maps: the cost of a rule and the size of an object are bounded."""
    unlimited = [
        path
        for path, part in OURS.items()
        if (part.get("type") == "string" and not {"maxLength", "enum", "format"} & part.keys())
        or (part.get("type") == "array" and "maxItems" not in part)
        or (part.get("type") == "object" and not {"properties", "maxProperties"} & part.keys())
    ]
    assert unlimited == []


def test_every_field_is_explained() -> None:
    """`kubectl explain subscription.spec` is the reference that people have at hand."""
    named = [path for path, part in OURS.items() if not path.endswith("[]") and not part.get("description")]

    assert named == []


def test_the_schema_writes_few_defaults_into_objects() -> None:
    """Each would turn up in what people have in Git."""
    defaults = {path: part["default"] for path, part in OURS.items() if "default" in part}

    assert defaults == {".spec.suspend": False, ".spec.ledgerPolicy": "Retain"}


def test_every_rule_names_its_field_or_stands_at_it() -> None:
    """A violation's message is all that a user sees."""
    rules = [rule for part in PARTS.values() for rule in part.get("x-kubernetes-validations", ())]

    assert len(rules) >= 9
    assert [rule for rule in rules if not rule["message"] or "\n" in rule["message"]] == []


def test_lists_say_how_they_merge() -> None:
    """Conditions by type, sets by value, everything else as a whole."""
    types = {path: part["x-kubernetes-list-type"] for path, part in OURS.items() if part.get("type") == "array"}

    assert types == {
        ".spec.select.kinds": "set",
        ".spec.media.sidecars": "set",
        ".spec.retry.fatalErrors": "atomic",
        ".spec.job.tolerations": "atomic",
        ".spec.job.supplementalGroups": "set",
        ".status.conditions": "map",
        ".status.recentVideos": "atomic",
        ".status.recentFailures": "atomic",
    }


def test_kubectl_get_shows_what_matters() -> None:
    """In this order; the rest with `-o wide`."""
    columns = [column["name"] for column in VERSION["additionalPrinterColumns"] if not column.get("priority")]

    assert columns == ["Ready", "Reason", "Downloaded", "Queued", "Running", "Waiting", "Failed", "Last-Check", "Age"]


@pytest.mark.parametrize(
    ("name", "schema", "says"),
    [
        ("a text without end", {"type": "string"}, "needs a maxLength"),
        ("a list without end", {"type": "array", "items": {"type": "boolean"}}, "needs a maxItems"),
        ("a map without end", {"type": "object", "additionalProperties": {"type": "boolean"}}, "needs a maxProperties"),
        ("a real alternative", {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "no structural form"),
        ("a number with a point", {"type": "number"}, "no structural form"),
    ],
)
def test_what_has_no_structural_form_is_refused(name: str, schema: dict[str, Any], says: str) -> None:
    """Whoever adds such a field learns it here and not from an API server."""
    with pytest.raises(SchemaError, match=f"^field: .*{says}"):
        structural(schema, {}, "field")


def test_a_template_in_a_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart's copy would be rendered."""
    monkeypatch.setattr("trawler_operator.api.crd.NAME_RULE", "{{ oops }}")

    with pytest.raises(SchemaError, match="template"):
        generated_files()
