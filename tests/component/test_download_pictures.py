"""Thumbnails become JPEG, whatever the site sends, by the real ffmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from trawler_downloader.download.media import as_jpeg

pytestmark = pytest.mark.image


def picture(path: Path) -> Path:
    """A picture of the format that the name's suffix says."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=160x90", "-frames:v", "1", path], check=True
    )
    return path


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_any_picture_becomes_a_jpeg(tmp_path: Path, suffix: str) -> None:
    """What media servers read everywhere."""
    target = tmp_path / "thumbnail"
    assert as_jpeg(picture(tmp_path / f"picture{suffix}"), target)
    assert target.read_bytes()[:3] == b"\xff\xd8\xff"


def test_a_whole_jpeg_stays_as_it_is(tmp_path: Path) -> None:
    """It loses nothing by being made again."""
    source = picture(tmp_path / "picture.jpg")
    target = tmp_path / "thumbnail"
    assert as_jpeg(source, target)
    assert target.read_bytes() == source.read_bytes()


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    """An error page with the name of a picture."""
    source = tmp_path / "picture"
    source.write_text("<html>gone</html>")
    assert not as_jpeg(source, tmp_path / "thumbnail")
