"""Thumbnails become JPEG, whatever the site sends, by the real ffmpeg."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trawler_downloader.download.media import as_jpeg

pytestmark = pytest.mark.image


def picture(path: Path, size: str = "160x90") -> Path:
    """A picture of the format that the name's suffix says."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"color=size={size}", "-frames:v", "1", path]
    subprocess.run(command, check=True)
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


@pytest.mark.parametrize(
    ("size", "taken"),
    [
        pytest.param("4096x4096", True, id="as large as may be"),
        pytest.param("4096x4097", False, id="a line more"),
        pytest.param("16000x16000", False, id="what would need more than a gigabyte"),
    ],
)
def test_a_huge_picture_is_refused_before_it_takes_memory(tmp_path: Path, size: str, taken: bool) -> None:
    """However small its file is: the pod would be killed for it, at each try."""
    source = picture(tmp_path / "picture.png", size)
    script = (
        "import resource, sys; from pathlib import Path; from trawler_downloader.download.media import as_jpeg\n"
        "print(as_jpeg(Path(sys.argv[1]), Path(sys.argv[2])), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, source, tmp_path / "thumbnail"], capture_output=True, text=True, check=True
    )
    made, kibibytes = done.stdout.split()
    assert made == str(taken), done.stderr
    assert taken or "exceeds specified max pixel count" in done.stderr
    assert int(kibibytes) < 350 * 1024
