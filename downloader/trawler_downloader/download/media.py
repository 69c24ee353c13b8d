"""What ffprobe says of a file, and what ffmpeg does to local files. Neither is ever given a URL."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from trawler_downloader.contract.download import MediaType, MediaWish
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.library.manifest import VideoFacts
from trawler_downloader.outcomes import classify
from trawler_downloader.outcomes.messages import missing_tool, one_line

LOG = logging.getLogger(__name__)

MIN_TOLERANCE_SECONDS = 5.0
TOLERANCE = 0.02
"""A file may be this much shorter or longer than announced. Sites round to whole seconds, and streams of recordings end
within a few seconds of each other; a file whose end is missing lacks more. Two per cent of a ten-hour stream are twelve
minutes: those are guarded by the byte counts of the native downloaders."""
_CLOSING_FAILED = "Error closing file"
"""A NAS may refuse what was written as late as this. ffmpeg 5 says so and exits with 0 (measured); 6 and later fail."""
_LOCAL_ONLY = ("-protocol_whitelist", "file")
MAX_PICTURE_PIXELS = 4096 * 4096
"""Twice as many as a film in 4K has. A small file may claim to be of any size: one of 0.7 MB with 16000 x 16000 pixels
took 1.5 GB of memory; up to this size it is 0.3 GB at most, as much as deno takes (measured)."""
_HOLDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "mp4": (
        frozenset({"h264", "hevc", "av1", "vp9", "mpeg4"}),
        frozenset({"aac", "mp3", "opus", "ac3", "eac3", "flac", "alac"}),
    ),
    "webm": (frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"})),
}
"""Codecs of picture and sound that players expect in a container; mkv holds everything."""


@dataclass(frozen=True)
class MediaFacts:
    """What is in a media file."""

    video: tuple[str, ...]
    """Codecs of its pictures; covers do not count."""
    audio: tuple[str, ...]
    duration_seconds: float | None


def require_tools() -> None:
    """Checks that ffmpeg and ffprobe are there.

    Raises:
        LaunchError: Environment.
    """
    for tool in ("ffmpeg", "ffprobe"):
        if shutil.which(tool) is None:
            raise LaunchError(Reason.IMAGE_INCOMPLETE, missing_tool(tool))


def probe(path: Path) -> MediaFacts | None:
    """What is in the file; None when it cannot be opened."""
    wanted = "format=duration:stream=codec_type,codec_name:stream_disposition=attached_pic"
    done = _run("ffprobe", "-show_entries", wanted, "-of", "json", _local(path))
    if done.returncode != 0:
        return None
    said = json.loads(done.stdout)
    streams = [stream for stream in said.get("streams", []) if not stream.get("disposition", {}).get("attached_pic")]
    duration = said.get("format", {}).get("duration")
    return MediaFacts(
        video=tuple(stream.get("codec_name", "?") for stream in streams if stream.get("codec_type") == "video"),
        audio=tuple(stream.get("codec_name", "?") for stream in streams if stream.get("codec_type") == "audio"),
        duration_seconds=None if duration is None else float(duration),
    )


def problem(found: MediaFacts | None, facts: VideoFacts, wish: MediaWish) -> str | None:
    """Why the file is not the video; None when it is.

    A picture or sound is only missed when the site said that it has one: silent films and podcasts are complete.
    """
    if found is None:
        return "the file cannot be opened"
    if not found.audio and (facts.has_audio or wish.type is MediaType.AUDIO):
        return "the file has no sound"
    if not found.video and wish.type is MediaType.VIDEO and (facts.has_video or not found.audio):
        return "the file has no picture"
    if facts.duration_seconds and found.duration_seconds is not None:
        tolerance = max(MIN_TOLERANCE_SECONDS, TOLERANCE * facts.duration_seconds)
        if abs(found.duration_seconds - facts.duration_seconds) > tolerance:
            return f"the file lasts {found.duration_seconds:.0f} s, the site announced {facts.duration_seconds:.0f} s"
    return None


def verify(path: Path, facts: VideoFacts, wish: MediaWish) -> None:
    """Checks the finished file.

    Raises:
        LaunchError: Transient.
    """
    why = problem(probe(path), facts, wish)
    if why is not None:
        raise LaunchError(Reason.VERIFICATION_FAILED, why)


def remuxed(path: Path, container: str) -> Path:
    """The file in the wished container where its codecs fit into it, copied, never encoded again; else as it is."""
    if path.suffix == f".{container}":
        return path
    found = probe(path)
    video, audio = _HOLDS.get(container, (None, None))
    if found is None or (video is not None and not video.issuperset(found.video)):
        return path
    if audio is not None and not audio.issuperset(found.audio):
        return path
    target = path.with_suffix(f".{container}")
    done = _run(
        "ffmpeg",
        "-y",
        "-i",
        _local(path),
        "-map",
        "0:v?",
        "-map",
        "0:a?",
        "-c",
        "copy",
        _local(target),
    )
    if done.returncode != 0 or probe(target) is None:
        target.unlink(missing_ok=True)
        return path
    path.unlink()
    return target


def as_jpeg(picture: Path, target: Path) -> bool:
    """Makes a JPEG of any picture; False when it is none, or a huge one.

    One that is a whole JPEG already is taken as it is, unread.
    """
    content = picture.read_bytes()
    if content.startswith(b"\xff\xd8\xff") and content.endswith(b"\xff\xd9"):
        target.write_bytes(content)
        return True
    done = _run(
        "ffmpeg",
        "-y",
        "-max_pixels",  # of the decoder, which refuses before it makes room for the picture
        str(MAX_PICTURE_PIXELS),
        "-i",
        _local(picture),
        "-frames:v",
        "1",
        "-q:v",
        "2",
        "-f",
        "mjpeg",
        _local(target),
    )
    if done.returncode == 0 and target.is_file() and target.stat().st_size > 0:
        return True
    LOG.warning("the picture cannot be read: %s", one_line(done.stderr))
    return False


def _run(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it to its end, however long that takes: whether it still moves is the watch's to judge."""
    command = [tool, "-v", "error", *_LOCAL_ONLY, *arguments]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise LaunchError(Reason.IMAGE_INCOMPLETE, missing_tool(tool)) from error
    closing = _CLOSING_FAILED in done.stderr
    if done.returncode != 0 or closing:
        found = classify(RuntimeError(done.stderr))
        if found.outcome is OutcomeClass.ENVIRONMENT:  # its exit code is the same whatever went wrong
            raise LaunchError(found.reason, f"{tool}: {found.message}")
        if closing:
            raise LaunchError(Reason.VOLUME_ERROR, f"{tool}: {found.message}")
    return done


def _local(path: Path) -> str:
    """A name that ffmpeg takes for nothing but a file, whatever its characters."""
    return f"file:{path}"
