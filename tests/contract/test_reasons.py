"""No reason is made up on the spot: what the downloader's code says is in the enumeration, with its class."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from trawler_downloader.contract.outcomes import VOLUME_REASONS, OutcomeClass
from trawler_downloader.contract.reasons import Reason

SOURCES = Path(__file__).parents[2] / "downloader" / "trawler_downloader"
MAKERS = {"environment": OutcomeClass.ENVIRONMENT, "configuration": OutcomeClass.CONFIGURATION}
"""Functions whose first argument is a reason of that class."""
OF_THE_OPERATOR = {"MountFailed"}
"""Launches that never start are told by the operator."""


def _said() -> Iterator[tuple[str, str, OutcomeClass]]:
    """Where, which reason, and of which class, for every ending that the code spells out."""
    for path in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            where = f"{path.relative_to(SOURCES)}:{node.lineno}"
            match node.args:
                case [ast.Constant(value=str(reason)), *_] if node.func.id in MAKERS:
                    yield where, reason, MAKERS[node.func.id]
                case [ast.Attribute(attr=outcome), ast.Constant(value=str(reason)), *_] if (
                    node.func.id == "LaunchError"
                ):
                    yield where, reason, OutcomeClass[outcome]
                case []:
                    named = {keyword.arg: keyword.value for keyword in node.keywords}
                    match named.get("outcome"), named.get("reason"):
                        case ast.Attribute(attr=outcome), ast.Constant(value=str(reason)):
                            yield where, reason, OutcomeClass[outcome]


def test_every_reason_in_the_code_is_in_the_enumeration() -> None:
    """Add what is missing to contract/reasons.py, and its row to docs/outcomes.md."""
    said = list(_said())
    assert len(said) > 20, "the code says its endings in another way: look for them there"
    known = {str(reason): reason.outcome for reason in Reason}
    assert [(where, reason) for where, reason, outcome in said if known.get(reason) is not outcome] == []


def test_what_closes_the_gate_of_a_volume_is_the_volumes_trouble() -> None:
    """Each of them is a reason of Environment."""
    known = {str(reason): reason.outcome for reason in Reason}
    assert {known.get(reason) for reason in VOLUME_REASONS - OF_THE_OPERATOR} == {OutcomeClass.ENVIRONMENT}
