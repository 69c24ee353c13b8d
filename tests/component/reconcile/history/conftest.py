"""A world whose volume is a folder that the real publishing code fills, and the real programs read."""

from __future__ import annotations

from pathlib import Path

import pytest

from component.inventory_world import Volume, make_world
from component.world import World


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path)


@pytest.fixture
def world(volume: Volume) -> World:
    """A claim, a channel of eight videos, and a volume behind the claim."""
    return make_world(volume)
