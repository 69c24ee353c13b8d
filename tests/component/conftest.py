"""Programs that several files start, for all their tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from component.download_job import Job, job_with_idle_tools, running_bare_site
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


@pytest.fixture(scope="module")
def bare_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standin]:
    """A stand-in whose media no launch looks into."""
    with running_bare_site(tmp_path_factory.mktemp("site")) as standin:
        yield standin


@pytest.fixture
def job(bare_site: Standin, tmp_path: Path) -> Job:
    """Download Jobs that end before ffmpeg would have anything to do."""
    return job_with_idle_tools(bare_site, tmp_path)
