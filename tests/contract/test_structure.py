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
