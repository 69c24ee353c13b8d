"""docs/design.md and its pages: each answers one question and leads to the next, and what they name is in the code."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.labels import REQUEST_ANNOTATIONS
from trawler_operator.domain.gates.route import GateKind
from trawler_operator.domain.pauses import DEFERRED_PAUSES
from trawler_operator.domain.requests.grammar import STATES, Verb
from trawler_operator.reconcile.failures import Step, StepFailure
from trawler_operator.reconcile.ports import ApiError

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INDEX = DOCS / "design.md"
PAGES = sorted((DOCS / "design").glob("*.md"))
EVERY_PAGE = [INDEX, *PAGES]
LINKING = [*EVERY_PAGE, ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
VALUES = yaml.safe_load((ROOT / "helm" / "trawler" / "values.yaml").read_text(encoding="utf-8"))
MAX_SENTENCES = 5
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_CODE_PATH = re.compile(r"`((?:api|domain|reconcile|loop|adapters|trawler_downloader|tests|hack|helm)/[\w./-]*)`")


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _rows(page: str, header: str) -> list[list[str]]:
    """Cells of the rows of the table that begins with this header's first cells."""
    table = _read(DOCS / "design" / page).partition(f"\n| {header}")[2].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.splitlines()[2:]]


def _diagram(page: str, kind: str) -> str:
    found = re.search(rf"^```mermaid\n{kind}.*?^```$", _read(DOCS / "design" / page), re.MULTILINE | re.DOTALL)
    assert found is not None, f"{page} has no {kind}"
    return found[0]


def _next(page: Path) -> Path | None:
    found = re.search(r"^Next: \[[^\]]+\]\(([^)]+)\)\.$", _read(page), re.MULTILINE)
    return (page.parent / found[1]).resolve() if found else None


def _anchors(page: Path) -> set[str]:
    """The headings as GitHub makes links of them."""
    headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", _read(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_pages_lead_from_one_to_the_next() -> None:
    """From the index through all of them, each once."""
    found = [INDEX]
    while (page := _next(found[-1])) is not None:
        assert page not in found
        found.append(page)

    assert sorted(found[1:]) == PAGES


def test_the_index_has_a_question_for_every_page() -> None:
    """And each page is in its table once."""
    table = _read(INDEX).partition("\n| question | page |\n")[2].split("\n\n")[0]

    assert sorted(DOCS / target for target in _LINK.findall(table)) == PAGES


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_begins_with_its_question(page: Path) -> None:
    """Under its only heading of the first level."""
    title, question, *_ = _read(page).split("\n\n")

    assert title.startswith("# ")
    assert re.fullmatch(r"\*.+\?\*", question)
    assert len(re.findall(r"^# ", _FENCE.sub("", _read(page)), re.MULTILINE)) == 1


@pytest.mark.parametrize("page", EVERY_PAGE, ids=_name)
def test_a_paragraph_has_at_most_five_sentences(page: Path) -> None:
    """Items of lists too; what is longer is a table or a list."""
    paragraphs: list[str] = []
    for block in _FENCE.sub("", _read(page)).split("\n\n"):
        lines = block.strip().splitlines()
        items = [line for line in lines if line.startswith(("- ", "* ")) or re.match(r"\d+\. ", line)]
        prose = [line for line in lines if line not in items and not line.startswith(("|", "#"))]
        paragraphs += [*items, " ".join(prose)]
    sentences = {text: re.findall(r"[.?!](?=\W*\s|\W*$)", re.sub(r"`[^`]*`|^\d+\.", "x", text)) for text in paragraphs}

    assert [text for text, ends in sentences.items() if len(ends) > MAX_SENTENCES] == []


@pytest.mark.parametrize("page", LINKING, ids=_name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """To a file that is there, and to a heading in it."""
    lost = []
    for target in _LINK.findall(_FENCE.sub("", _read(page))):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if "://" in target or (file.exists() and (not anchor or anchor in _anchors(file))):
            continue
        lost.append(target)

    assert lost == []


@pytest.mark.parametrize("page", EVERY_PAGE, ids=_name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    """Below the root, or below the folder of their program."""
    roots = (ROOT, ROOT / "operator" / "trawler_operator", ROOT / "downloader")
    named = _CODE_PATH.findall(_read(page))

    assert [path for path in named if not any((root / path).exists() for root in roots)] == []


def test_every_state_is_in_the_diagram_of_a_videos_life() -> None:
    """And nothing that is no state."""
    ends = re.findall(r"^ *(\S+) --> (\w+|\[\*\])", _diagram("video.md", "stateDiagram-v2"), re.MULTILINE)

    assert {state for pair in ends for state in pair} - {"[*]"} == set(LedgerState)


def test_every_state_is_explained() -> None:
    """In the table under the diagram."""
    assert sorted(row[0].strip("`") for row in _rows("video.md", "state | means")) == sorted(LedgerState)


def test_every_class_of_endings_is_explained() -> None:
    """With what it does to a video."""
    assert [row[0].strip("`") for row in _rows("video.md", "class | examples")] == list(OutcomeClass)


def test_the_states_that_a_person_can_ask_about_are_those_of_the_requests() -> None:
    """Verb by verb."""
    told: dict[str, set[str]] = {}
    for verb, states, *_ in _rows("requests.md", "verb | of entries"):
        told.setdefault(verb, set()).update(states.split(", "))

    assert told == {verb.value: set(STATES[verb]) for verb in Verb}


def test_every_request_is_explained() -> None:
    """Annotation by annotation, in their order."""
    assert [row[0].strip("`") for row in _rows("requests.md", "annotation | value")] == list(REQUEST_ANNOTATIONS)


def test_every_step_of_a_pass_is_there_with_the_reason_of_its_failure() -> None:
    """In the order in which a pass makes them."""
    told = {row[0]: row[2].strip("`") for row in _rows("pass.md", "step | what it does")}

    assert told == {step.value: StepFailure(step, ApiError("away")).blocker.reason for step in Step}


def test_every_step_of_a_pass_is_in_its_diagram() -> None:
    """By the words that `Ready` uses."""
    shown = set(re.findall(r'\["([^"]+)"\]', _diagram("pass.md", "flowchart TD")))

    assert {step.value for step in Step} - shown == set()


def test_every_gate_is_among_the_brakes() -> None:
    """One row for each kind."""
    named = [re.findall(r"^`(\w+)` gate$", row[0]) for row in _rows("brakes.md", "brake | one for each")]

    assert sorted(name for names in named for name in names) == sorted(GateKind)


def test_the_pauses_of_gates_are_the_charts() -> None:
    """The first and the longest."""
    told = {
        row[3].strip("`").removeprefix("gates."): (_time(row[1]), _time(row[2]))
        for row in _rows("brakes.md", "gate | first pause")
    }
    values = {name: pauses for name, pauses in VALUES["gates"].items() if isinstance(pauses, dict)}

    assert told == {
        name: tuple(timedelta(seconds=pauses[key]) for key in ("firstPauseSeconds", "longestPauseSeconds"))
        for name, pauses in values.items()
    }


@pytest.mark.parametrize("outcome", [outcome for outcome in DEFERRED_PAUSES if outcome != OutcomeClass.ENVIRONMENT])
def test_the_pauses_of_a_video_are_those_of_its_class(outcome: OutcomeClass) -> None:
    """The first and the longest. Of Environment only one video's own trouble has a pause, which is below the table."""
    row = next(row for row in _rows("video.md", "class | examples") if row[0] == f"`{outcome}`")
    first, _, longest = row[3].rpartition(", ")[2].partition(" doubling up to ")

    assert (_time(first), _time(longest)) == (DEFERRED_PAUSES[outcome].first, DEFERRED_PAUSES[outcome].longest)


def _time(text: str) -> timedelta:
    number, unit = text.split()
    return timedelta(seconds=int(number) * {"s": 1, "min": 60, "h": 3600, "d": 86_400}[unit])
