"""What the annotations of a ledger's first shard say: names and their values, as one line of JSON each."""

from __future__ import annotations

import json
from collections.abc import Mapping


def read_names(text: str | None) -> dict[str, str]:
    """An annotation's JSON object of strings; a mangled one counts as empty (a first run then finds all keys known)."""
    if not text:
        return {}
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {str(name): str(value) for name, value in document.items()}


def write_names(names: Mapping[str, str]) -> str:
    """An annotation's value."""
    return json.dumps(dict(sorted(names.items())), ensure_ascii=False, separators=(",", ":"))
