"""The world of most tests of the reconciler; those that need another define their own."""

from __future__ import annotations

import pytest

from component.world import World, world_with_a_channel


@pytest.fixture
def world() -> World:
    """A claim, and a channel of eight videos."""
    return world_with_a_channel()
