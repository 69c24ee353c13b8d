"""Rules of the tree that a mistake would break far away from where it was made."""

import operator
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_operator_folder_never_shadows_the_standard_library() -> None:
    """`operator/__init__.py` or a module `operator.py` would take the place of Python's own `operator`."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert list((ROOT / "operator").rglob("operator.py")) == []
    assert operator.__file__ is not None
    assert operator.__file__.startswith(sysconfig.get_paths()["stdlib"])


def test_lock_files_name_no_host() -> None:
    """Locks hold names, versions and hashes: an index address would tie every build to one machine's mirror."""
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    assert locks
    assert [lock.name for lock in locks if "://" in lock.read_text()] == []
