"""What the pages name is there: fields, values, columns, states, annotations, metrics; and no table lacks one.

What people copy from them is right: manifests, values, commands. And every link leads somewhere.
"""

from __future__ import annotations

import re
import textwrap
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
from trawler_operator.api.labels import API_VERSION, KIND, REQUEST_ANNOTATIONS
from trawler_operator.api.reasons import SkipReason
from trawler_operator.api.subscription import parse_subscription
from trawler_operator.domain.gates.book import GateBook
from trawler_operator.domain.gates.budget import Budget
from trawler_operator.domain.gates.gate import Gate
from trawler_operator.domain.gates.route import GateId, GateKind
from trawler_operator.domain.line import Length

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
VALUES = yaml.safe_load((ROOT / "helm" / "trawler" / "values.yaml").read_text(encoding="utf-8"))
VERSION = subscription_crd()["spec"]["versions"][0]
SPEC, STATUS = (VERSION["schema"]["openAPIV3Schema"]["properties"][name] for name in ("spec", "status"))
AS_IN_A_POD = {"tolerations", "nodeSelector", "resources"}
"""Fields whose own fields Kubernetes describes."""
_DOTTED = re.compile(r"`((?:[a-z][A-Za-z]*\.)+[a-z][A-Za-z]*)(?::[^`]*)?`")


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _table(page: str, heading: str) -> list[list[str]]:
    """Cells of the rows of the first table under a heading of a page."""
    section = f"\n{_text(page)}".partition(f"\n{heading}\n")[2].partition("\n#")[0]
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert tables, f"{page} has no table under {heading!r}"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in tables[0].splitlines()]
    return rows[2:]


def _blocks(page: Path, language: str) -> list[str]:
    """What stands between fences of that language, at whatever indentation."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for _, block in found]


def _commands(page: Path) -> str:
    """What is set off as code to be typed, and words in backquotes."""
    text = page.read_text(encoding="utf-8")
    return "\n".join([*re.findall(r"^ {4,}\S.*$", text, re.MULTILINE), *re.findall(r"`([^`\n]+)`", text)])


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
    headings = re.findall(r"^## .*$", _text("docs/fields.md"), re.MULTILINE)
    rows = [row for heading in headings for row in _table("docs/fields.md", heading)]

    assert sorted(_words(rows)) == sorted(_leaves(SPEC))


@EACH_PAGE
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
    explained = [name for row in _table("README.md", "## Look at it") for name in row[0].split(", ")]

    assert explained == [name for name in shown if name != "AGE"]


def test_every_annotation_is_explained() -> None:
    """What a Subscription can be asked for."""
    assert _words(_table("docs/requests.md", "## The requests")) == list(REQUEST_ANNOTATIONS)


def test_every_state_of_the_ledger_is_explained() -> None:
    """As it stands in a video's line."""
    assert sorted(_words(_table("docs/troubleshooting.md", "### States"))) == sorted(LedgerState)


def test_every_reason_of_a_skipped_video_is_explained() -> None:
    """As it stands beside the state."""
    assert sorted(_words(_table("docs/troubleshooting.md", "### Why a video is skipped"))) == sorted(SkipReason)


def test_every_count_is_explained() -> None:
    """As the status has it."""
    counts = {f"status.counts.{name}" for name in STATUS["properties"]["counts"]["properties"]}

    assert set(_words(_table("docs/status.md", "## Counts"))) == counts


async def test_every_metric_is_explained_with_its_labels() -> None:
    """As Prometheus sees them."""
    told = {name: set(_labels(row[1])) for row in _table("docs/metrics.md", "# Metrics") for name in _words([row])}

    assert told == await _scraped()


@EACH_PAGE
def test_a_subscription_that_a_page_shows_is_accepted(page: Path) -> None:
    """Whole, or a part of one."""
    for block in _blocks(page, "yaml"):
        body = yaml.safe_load(block)
        if body.keys() == {"spec"} or body.get("kind") == KIND:
            metadata = {"name": "a", "namespace": "b", "uid": "1", "creationTimestamp": "2026-11-01T08:00:00Z"}
            spec = {"url": "https://www.youtube.com/@numberline/videos"} | body["spec"]
            parse_subscription({"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec})


def test_the_first_subscription_is_the_example_that_is_applied() -> None:
    """The README shows what the file holds."""
    shown = [yaml.safe_load(block) for block in _blocks(ROOT / "README.md", "yaml")]

    assert yaml.safe_load(_text("examples/channel.yaml")) in shown


def test_the_values_that_people_begin_with_are_there() -> None:
    """In the README: each key of the file that helm is given."""
    [values] = [yaml.safe_load(block) for block in _blocks(ROOT / "README.md", "yaml") if "# values.yaml" in block]

    assert [path for path in _paths(values) if not _is_value(path)] == []


def _paths(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    for name, part in values.items():
        yield from _paths(part, f"{above}{name}.") if isinstance(part, dict) else [f"{above}{name}"]


@EACH_PAGE
def test_values_that_a_command_sets_are_there(page: Path) -> None:
    """After `--set`."""
    named = re.findall(r"--set(?:-string|-file)? '?([A-Za-z.]+)=", page.read_text(encoding="utf-8"))

    assert [path for path in named if not _is_value(path)] == []


@EACH_PAGE
def test_what_make_is_asked_for_is_a_target(page: Path) -> None:
    """In the Makefile, or in a part of it under hack/."""
    makefiles = [ROOT / "Makefile", *(ROOT / "hack").glob("*/*.mk")]
    targets = {
        name for file in makefiles for name in re.findall(r"^([-a-z0-9]+):", file.read_text("utf-8"), re.MULTILINE)
    }

    assert set(re.findall(r"(?:^|\s)make ([a-z][-a-z0-9]*)", _commands(page), re.MULTILINE)) - targets == set()


@EACH_PAGE
def test_annotations_that_a_command_sets_are_requests(page: Path) -> None:
    """Of a Subscription."""
    lines = [line for line in _commands(page).splitlines() if " annotate " in line]
    named = {name for line in lines for name in re.findall(r"trawler\.dev/\w+", line)}

    assert named - set(REQUEST_ANNOTATIONS) == set()


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
