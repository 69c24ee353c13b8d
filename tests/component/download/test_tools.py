"""What ffmpeg says on a NAS in trouble. The words and exit codes are those of ffmpeg 5.1 on a full file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.media import remuxed

STREAMS = '{"streams": [{"codec_type": "video", "codec_name": "h264"}], "format": {"duration": "60.0"}}'


def tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture(name="film")
def _film(tmp_path, monkeypatch):
    """A film in another container than wished; the test says what ffmpeg does with it."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tool(tmp_path, "ffprobe", f"echo '{STREAMS}'")
    film = tmp_path / "film.mkv"
    film.write_text("a film")
    return film


@pytest.mark.parametrize(
    ("says", "code", "reason"),
    [
        pytest.param("av_interleaved_write_frame(): No space left on device", 1, "NoSpace", id="a full disk"),
        pytest.param("file:film.mp4: Read-only file system", 1, "ReadOnly", id="a read-only mount"),
        pytest.param("file:film.mkv: Stale file handle", 1, "StaleVolume", id="a server that was restarted"),
        pytest.param("Error closing file file:film.mp4: No space left on device", 0, "NoSpace", id="full at close"),
        pytest.param("Error closing file file:film.mp4: Input/output error", 0, "VolumeError", id="broken at close"),
    ],
)
def test_trouble_of_the_volume_is_not_taken_for_a_container_that_does_not_fit(tmp_path, film, says, code, reason):
    tool(tmp_path, "ffmpeg", f"echo '{says}' >&2; exit {code}")
    with pytest.raises(LaunchError) as raised:
        remuxed(film, "mp4")
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, reason)
    assert film.read_text() == "a film"


def test_a_film_that_does_not_fit_stays_in_its_container(tmp_path, film):
    tool(tmp_path, "ffmpeg", "echo 'Could not find tag for codec' >&2; exit 1")
    assert remuxed(film, "mp4") == film
