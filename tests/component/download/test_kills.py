"""A launch that is killed anywhere is finished by the next one, and the library never holds a part of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from component.landing import (
    KILLED,
    MEDIA,
    WHOLE,
    CountingFiles,
    FakeEngine,
    land,
    land_and_die,
    next_launch,
    request_for,
    tree,
)


def operations_of_a_launch(root: Path) -> list[tuple[str, str]]:
    root.mkdir(exist_ok=True)
    files = CountingFiles()
    land(request_for(), root, FakeEngine(), files)
    return files.operations


def media_files(root: Path) -> list[Path]:
    return [root / name for name in tree(root) if name.endswith(".mp4")]


def test_every_operation_can_be_the_last_one(tmp_path):
    """Killed before each operation in turn: no partial media file is ever seen, and the retry ends with the whole.

    What an earlier launch had fetched, recorded or published is not downloaded again.
    """
    operations = operations_of_a_launch(tmp_path / "counted")
    assert len(operations) > 60
    recorded = next(n for n, (what, name) in enumerate(operations) if what == "rename" and name == "record.json")
    for point, operation in enumerate(operations):
        root, counter = tmp_path / f"claim-{point}", tmp_path / f"downloads-{point}"
        root.mkdir()
        counter.touch()
        engine = FakeEngine(counter=counter)
        assert land_and_die(request_for(), root, engine, point) == KILLED, operation
        assert all(path.read_bytes() == MEDIA for path in media_files(root)), operation

        result = land(next_launch(request_for()), root, engine)

        downloads = counter.read_text().count("\n")
        assert downloads <= 2, operation
        if point > recorded:
            assert downloads == 1, operation
        assert result.path is not None
        assert (root / result.path).read_bytes() == MEDIA, operation
        assert len(media_files(root)) == 1, operation
        assert tree(root) == WHOLE, operation
        # The third launch finds it there.
        again = land(next_launch(next_launch(request_for())), root, engine)
        assert (again.reason, again.path) == ("AlreadyPublished", result.path), operation
        assert counter.read_text().count("\n") == downloads, operation


def test_the_retry_can_be_killed_too(tmp_path):
    """Dying again while finishing what a dead launch left still ends with one whole file."""
    operations = operations_of_a_launch(tmp_path / "counted")
    first_death = next(n for n, (what, name) in enumerate(operations) if what == "rename" and name.endswith(".mp4"))
    for point in range(200):
        root, counter = tmp_path / f"claim-{point}", tmp_path / f"downloads-{point}"
        root.mkdir()
        engine = FakeEngine(counter=counter)
        assert land_and_die(request_for(), root, engine, first_death) == KILLED
        ended = land_and_die(next_launch(request_for()), root, engine, point)
        result = land(next_launch(next_launch(request_for())), root, engine)
        assert tree(root) == WHOLE
        assert (root / str(result.path)).read_bytes() == MEDIA
        assert counter.read_text().count("\n") == 1
        if ended == 0:
            return
    pytest.fail("the retry never ended")


def test_the_media_file_gets_its_name_after_its_sidecars(tmp_path):
    """A media server that scans at any moment sees no video without its metadata."""
    renamed = [name for what, name in operations_of_a_launch(tmp_path) if what == "rename" and "S24E1225" in name]
    assert len(renamed) == 5
    assert renamed[-1] == "A title (S24E1225).mp4"


def test_everything_is_on_the_disk_before_the_first_final_name(tmp_path):
    """Files are synced before the record that vouches for them, and the manifest is written before any rename."""
    operations = operations_of_a_launch(tmp_path)
    first = next(n for n, (what, name) in enumerate(operations) if what == "rename" and "S24E1225" in name)
    recorded = operations.index(("rename", "record.json"))
    assert ("fsync", "aaaaaaaaaaa.mp4") in operations[:recorded]
    assert ("fsync", "Thumbnail") in operations[:recorded]
    assert ("fsync", "aaaaaaaaaaa.mp4") in operations[recorded:first]
    assert ("rename", "youtube.aaaaaaaaaaa.json") in operations[:first]
