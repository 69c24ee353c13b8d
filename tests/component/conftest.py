"""Programs that several files start, for all their tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from component.lister_harness import Lister, Standin, running_lister, running_standin


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """The stand-in for YouTube, with nothing in it."""
    with running_standin(tmp_path_factory.mktemp("site")) as standin:
        yield standin


@pytest.fixture(scope="module")
def lister(tmp_path_factory: pytest.TempPathFactory, standin: Standin) -> Iterator[Lister]:
    """A lister with its defaults, whose requests reach the stand-in."""
    with running_lister(tmp_path_factory.mktemp("l"), standin) as program:
        yield program
