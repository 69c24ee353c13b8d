"""Where things are in the operator: a name stands for one room, and arrows run one way."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

OPERATOR = Path(__file__).parents[2] / "operator" / "trawler_operator"
LAYERS = ("api", "domain", "reconcile", "loop", "adapters")


def modules() -> dict[tuple[str, ...], Path]:
    """Path of names → file, of all modules in the layers."""
    found = (path for layer in LAYERS for path in (OPERATOR / layer).rglob("*.py") if path.name != "__init__.py")
    return {path.relative_to(OPERATOR).with_suffix("").parts: path for path in found}


def test_no_two_layers_have_a_module_of_the_same_name():
    layers = defaultdict(set)
    for layer, *_, name in modules():
        layers[name].add(layer)

    assert {name: found for name, found in layers.items() if len(found) > 1} == {}


def test_no_module_hides_what_is_in_it():
    grab_bags = {"utils", "util", "helpers", "helper", "common", "misc"}

    assert not {name for name in modules() if grab_bags & set(name)}


def test_every_room_says_what_it_is_for():
    silent = [
        package
        for package in OPERATOR.rglob("__init__.py")
        if ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) is None
    ]

    assert silent == []


def test_what_passes_hand_on_is_frozen():
    """A reader sees from a signature what a step makes: nothing is added to it later. Parts are what passes share."""
    reconcile = [OPERATOR / "reconcile" / f"{name}.py" for name in ("subject", "findings", "failures")]
    files = [*reconcile, *sorted((OPERATOR / "reconcile" / "steps").glob("*.py"))]

    assert [found for file in files for found in thawed(file) if found not in OWN_STATE] == []


OWN_STATE = {"surveyor._Inquiry"}
"""What a step keeps for itself from pass to pass."""


def thawed(file: Path) -> list[str]:
    """Names of a module's dataclasses that are not frozen."""
    return [
        f"{file.stem}.{node.name}"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        for decorator in node.decorator_list
        if ast.unparse(decorator).startswith("dataclass") and "frozen=True" not in ast.unparse(decorator)
    ]


def test_no_step_changes_what_it_was_given():
    """Neither a field nor an item of a parameter is set; ledger, stores and admission change by their own methods."""
    changed = [
        f"{file.stem}.{function.name}: {ast.unparse(target)}"
        for file in sorted((OPERATOR / "reconcile" / "steps").glob("*.py"))
        for function in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for target in targets(function)
        if root(target) in parameters(function)
    ]

    assert changed == []


def parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Names of what a function is given from elsewhere: not its own object, nor its module's own state."""
    given = [*function.args.args, *function.args.kwonlyargs]
    return {
        argument.arg
        for argument in given
        if argument.annotation and not ast.unparse(argument.annotation).startswith("_")
    }


def targets(function: ast.AST) -> list[ast.expr]:
    """Fields and items that a function sets or deletes."""
    found: list[ast.expr] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign | ast.Delete):
            found += node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            found.append(node.target)
    return [target for target in found if isinstance(target, ast.Attribute | ast.Subscript)]


def root(target: ast.expr) -> str | None:
    """The name that a field or item belongs to in the end."""
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else None
