"""What the annotations of a ledger's first shard say: names and their values, as one line of JSON each.

The annotations grow with every source and claim that a Subscription ever had, and all annotations of an object share
256 KiB. So the oldest names are dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

MAX_NAMES = 64
"""Greatest number of names in one annotation. For a claim whose name was dropped, any volume counts as the right one.
"""
READ_BACK = "ReadBack"
"""In the place of the time of a source's first run: its videos were found on the volume, and it was not listed since.
"""
MAX_NAME, MAX_VALUE = 253, 512
"""Greatest number of characters. Longer names and values were made by hand, and are left out."""


def read_names(text: str | None) -> dict[str, str]:
    """An annotation's JSON object of strings.

    A mangled annotation counts as empty: a first run then finds all keys known.
    """
    if not text:
        return {}
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {str(name): str(value) for name, value in document.items()}


def write_names(names: Mapping[str, str], added: Mapping[str, str], limit: int = MAX_NAMES) -> str:
    """An annotation's value: the present names, then the added ones, the newest last.

    Args:
        names: the present names, the oldest first.
        added: new names, and new values of present ones.
        limit: greatest number of names.
    """
    kept = [(name, value) for name, value in names.items() if name not in added]
    fitting = [(n, v) for n, v in (*kept, *added.items()) if len(n) <= MAX_NAME and len(v) <= MAX_VALUE]
    return json.dumps(dict(fitting[-limit:]), ensure_ascii=False, separators=(",", ":"))
