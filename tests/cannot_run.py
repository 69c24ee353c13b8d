"""What a test does where the machine lacks what it is about."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def cannot_run(why: str) -> NoReturn:
    """Leaves the test out and says so; in CI, which must have everything, it fails instead."""
    if os.environ.get("CI"):
        pytest.fail(f"{why}; in CI this test must run")
    pytest.skip(why)
