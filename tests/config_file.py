"""The operator's configuration as the chart writes it without any value, for tests that need no helm.

tests/chart holds the file that this is read from to the chart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

RENDERED = Path(__file__).parent / "chart" / "golden" / "default.yaml"


def chart_defaults() -> dict[str, Any]:
    """A copy of one's own."""
    documents = yaml.safe_load_all(RENDERED.read_text())
    [text] = [
        document["data"]["config.yaml"]
        for document in documents
        if document["kind"] == "ConfigMap" and "config.yaml" in document["data"]
    ]
    return yaml.safe_load(text)
