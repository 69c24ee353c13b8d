"""Makes sure of helm before the first test runs: building it takes longer than a test may."""

from __future__ import annotations

from pathlib import Path

import pytest

from chart.rendering import helm


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After the choice of tests: nobody waits for a helm that no test of theirs needs."""
    if any(Path(__file__).parent in item.path.parents for item in items):
        helm()
