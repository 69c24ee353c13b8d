"""What the pages name is there: fields, values, columns, states, annotations, metrics; and no table lacks one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.adapters.metrics import PrometheusMeasurements
from trawler_operator.api.crd import subscription_crd
from trawler_operator.api.labels import REQUEST_ANNOTATIONS
from trawler_operator.domain.gates.book import GateBook
from trawler_operator.domain.gates.budget import Budget
from trawler_operator.domain.gates.gate import Gate
from trawler_operator.domain.gates.route import GateId, GateKind
from trawler_operator.domain.line import Length

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
VALUES = yaml.safe_load((ROOT / "helm" / "trawler" / "values.yaml").read_text(encoding="utf-8"))
VERSION = subscription_crd()["spec"]["versions"][0]
SPEC, STATUS = (VERSION["schema"]["openAPIV3Schema"]["properties"][name] for name in ("spec", "status"))
AS_IN_A_POD = {"tolerations", "nodeSelector", "resources"}
"""Fields whose own fields Kubernetes describes."""
_DOTTED = re.compile(r"`((?:[a-z][A-Za-z]*\.)+[a-z][A-Za-z]*)(?::[^`]*)?`")


def _table(heading: str, number: int = 0) -> list[list[str]]:
    """Cells of the rows of one of the README's tables, in the section of that heading."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    tables = re.findall(r"(?:^ *\|.*\n)+", section, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in tables[number].splitlines()]
    return rows[2:]


def _words(rows: list[list[str]], column: int = 0) -> list[str]:
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row[column])]


def _leaves(schema: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, part in schema.get("properties", {}).items():
        below = [] if name in AS_IN_A_POD else list(_leaves(part, f"{above}{name}."))
        yield from below or [f"{above}{name}"]


def _is_field(schema: Mapping[str, Any], path: str) -> bool:
    for name in path.split("."):
        if "additionalProperties" in schema:
            return True  # the user's own names
        if name not in schema.get("properties", {}):
            return False
        schema = schema["properties"][name]
        schema = schema.get("items", schema)
    return True


def _is_value(path: str) -> bool:
    found: Any = VALUES
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return False
        found = found[name]
    return True


def test_every_field_of_the_spec_has_its_row() -> None:
    """And no row is about a field that is not there."""
    assert sorted(_words(_table("Fields"))) == sorted(_leaves(SPEC))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_fields_and_values_that_a_page_names_are_there(page: Path) -> None:
    """With or without `spec.` before a field. What begins with no section of spec, status or values is no field."""
    sections = {*SPEC["properties"], *VALUES, "spec", "status"}
    dotted = _DOTTED.findall(page.read_text(encoding="utf-8"))
    named = {name for name in dotted if name.split(".")[0] in sections and not name.endswith(".py")}
    known = {
        name
        for name in named
        if _is_field(SPEC, name.removeprefix("spec."))
        or (name.startswith("status.") and _is_field(STATUS, name.removeprefix("status.")))
        or _is_value(name)
    }

    assert named - known == set()


def test_the_columns_are_those_of_kubectl() -> None:
    """All but the age, which every list has."""
    shown = [column["name"].upper() for column in VERSION["additionalPrinterColumns"] if not column.get("priority")]
    explained = [name for row in _table("A first Subscription") for name in row[0].split(", ")]

    assert explained == [name for name in shown if name != "AGE"]


def test_every_annotation_is_explained() -> None:
    """What a Subscription can be asked for."""
    assert _words(_table("Fields", 1)) == list(REQUEST_ANNOTATIONS)


def test_every_state_of_the_ledger_is_explained() -> None:
    """As it stands in a video's line."""
    assert sorted(_words(_table("Why is a video not there?"))) == sorted(LedgerState)


async def test_every_metric_is_explained_with_its_labels() -> None:
    """As Prometheus sees them."""
    told = {name: set(_labels(row[1])) for row in _table("Metrics") for name in _words([row])}

    assert told == await _scraped()


def _labels(cell: str) -> list[str]:
    return [label.strip() for label in cell.split(",") if label.strip()]


async def _scraped() -> dict[str, set[str]]:
    """Name → labels, of all there is once everything was counted."""
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    gate = Gate(GateId(GateKind.EGRESS, "youtube.com"), budget=Budget({}))
    measurements = PrometheusMeasurements(lambda: 0, lambda: 0, lambda: True)
    measurements.show_gates(lambda: GateBook({gate.id.name: gate}), 60, lambda: now)
    measurements.show_line(lambda: {gate.id: Length(1, 1.0)})
    measurements.gate_moved("Egress", "closed")
    measurements.check_finished("complete", 1.0)
    measurements.launch_finished("Published")
    measurements.subscription_seen(("media", "a"), {"Pending": 1}, now - timedelta(hours=1))
    measurements.dead_letters_seen(("media", "a"), {"Drm": 1})
    measurements.pass_finished(1.0, failed=True)
    families = text_string_to_metric_families((await measurements.render()).decode())
    return {
        f"{family.name}_total" if family.type == "counter" else family.name: {
            label for sample in family.samples for label in sample.labels if label != "le"
        }
        for family in families
        if not family.name.endswith("_created")
    }
