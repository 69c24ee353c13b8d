"""docs/nas.md, whose Job people copy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

PAGE = (Path(__file__).parents[1] / "docs" / "nas.md").read_text(encoding="utf-8")


def self_test_job() -> dict[str, Any]:
    """The manifest that stands there."""
    match = re.search(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert match is not None
    manifest: dict[str, Any] = yaml.safe_load(match[1])
    return manifest
