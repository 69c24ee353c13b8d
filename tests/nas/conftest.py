"""The NAS that misbehaves, for all tests of a file: they leave it healthy and empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nas.mount import MountedNas, mounted


@pytest.fixture(scope="module")
def nas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MountedNas]:
    """Healthy, until a test says otherwise."""
    with mounted(tmp_path_factory.mktemp("nas")) as nas:
        yield nas
