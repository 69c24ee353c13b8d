"""Real, small media, made by ffmpeg when first asked for and kept: streams without sound, sound without a picture.

One file per (height, duration), not per video: what is tested is that each stream is fetched once and lands whole,
not what it shows. Without ffmpeg the site still lists; only media then answer 503.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from standin.catalogue import Video
from standin.live import SEGMENT_SECONDS
from standin.specs import DURATIONS

HEIGHTS = {160: 144, 134: 360, 136: 720, 137: 1080}
"""YouTube's format numbers (itag) of H.264 video without sound, and their heights."""
AUDIO_ITAG = 140
FILE_ITAG = 18
"""Sound and picture in one file: what the plain feed links to."""
BIG_HEIGHT = 360
"""A video of a given size has one height, whose noise cannot be compressed away."""
_BIG_LOOP_SECONDS = 4
_PICTURE_SIZES = {"maxresdefault": (1280, 720), "hqdefault": (480, 360), "avatar": (900, 900), "banner": (2560, 424)}
_HUES = 8
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


class MediaUnavailableError(RuntimeError):
    """There is no ffmpeg to make the file with, or it failed; the text says which."""


class MediaStore:
    """Files under `prepared` (made beforehand, may be read-only) and `scratch` (made on demand)."""

    def __init__(self, scratch: Path, prepared: Path | None = None) -> None:
        self._scratch = scratch
        self._prepared = prepared
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self.ffmpeg = shutil.which("ffmpeg")

    def offers(self, video: Video, height: int) -> bool:
        """Whether the video comes in this height."""
        return video.size_bytes is None or height == BIG_HEIGHT

    def stream(self, video: Video, itag: int) -> Path:
        """The file of a stream.

        Raises:
            MediaUnavailableError: it cannot be made here.
            KeyError: the video has no stream of this number.
        """
        seconds = video.duration
        if itag == AUDIO_ITAG:
            return self._audio(seconds)
        if itag == FILE_ITAG:
            return self._file(seconds)
        height = HEIGHTS[itag]
        if not self.offers(video, height):
            raise KeyError(itag)
        if video.size_bytes is not None:
            return self._big(seconds)
        return self._made(f"video-{height}-{seconds}s.mp4", self._picture_arguments(height, seconds))

    def size(self, video: Video, itag: int) -> int | None:
        """Bytes of a stream; None where it cannot be made."""
        try:
            return self.stream(video, itag).stat().st_size
        except MediaUnavailableError:
            return None

    def big_duration(self, size_bytes: int) -> int:
        """Seconds that a video of about this size lasts.

        Raises:
            MediaUnavailableError: there is no ffmpeg to make it with.
        """
        loops = round(size_bytes / self._big_loop().stat().st_size)
        return max(1, loops) * _BIG_LOOP_SECONDS

    def big(self, video: Video) -> Path:
        """Make the picture stream of a video of a given size now, so that the first download need not wait.

        Raises:
            MediaUnavailableError: it cannot be made here.
        """
        return self._big(video.duration)

    def segment(self) -> Path:
        """A segment of a stream on air.

        Raises:
            MediaUnavailableError: it cannot be made here.
        """
        video = self._made(f"video-144-{SEGMENT_SECONDS}s.mp4", self._picture_arguments(144, SEGMENT_SECONDS))
        arguments = ("-i", str(video), "-i", str(self._audio(SEGMENT_SECONDS)), "-c", "copy")
        return self._made("segment.ts", arguments)

    def picture(self, kind: str, name: str) -> Path:
        """A JPEG: a thumbnail (`maxresdefault`, `hqdefault`), an `avatar` or a `banner`; the name picks its colour.

        Raises:
            MediaUnavailableError: it cannot be made here.
            KeyError: there is no such kind.
        """
        width, height = _PICTURE_SIZES[kind]
        hue = sum(name.encode()) % _HUES * (360 // _HUES)
        source = f"testsrc2=size={width}x{height}:rate=1:duration=1,hue=h={hue}"
        arguments = ("-f", "lavfi", "-i", source, "-frames:v", "1", "-q:v", "8")
        return self._made(f"{kind}-{hue}.jpg", arguments)

    def prepare(self, durations: Sequence[int] = DURATIONS) -> None:
        """Make everything that generated videos need."""
        for seconds in durations:
            self._audio(seconds)
            for height in HEIGHTS.values():
                self._made(f"video-{height}-{seconds}s.mp4", self._picture_arguments(height, seconds))
        for kind in _PICTURE_SIZES:
            for name in map(chr, range(_HUES)):
                self.picture(kind, name)

    def _picture_arguments(self, height: int, seconds: int) -> tuple[str, ...]:
        source = f"testsrc2=size={height * 16 // 9 // 2 * 2}x{height}:rate=10:duration={seconds}"
        return ("-f", "lavfi", "-i", source, *_X264, "-crf", "45", "-g", "10", "-movflags", "+faststart")

    def _audio(self, seconds: int) -> Path:
        source = f"sine=frequency=330:duration={seconds}"
        return self._made(f"audio-{seconds}s.m4a", ("-f", "lavfi", "-i", source, "-c:a", "aac", "-b:a", "64k"))

    def _file(self, seconds: int) -> Path:
        video = self._made(f"video-360-{seconds}s.mp4", self._picture_arguments(360, seconds))
        arguments = ("-i", str(video), "-i", str(self._audio(seconds)), "-c", "copy", "-movflags", "+faststart")
        return self._made(f"file-{seconds}s.mp4", arguments)

    def _big_loop(self) -> Path:
        source = f"nullsrc=size=640x{BIG_HEIGHT}:rate=25:duration={_BIG_LOOP_SECONDS},geq=random(1)*255:128:128"
        return self._made("noise.mp4", ("-f", "lavfi", "-i", source, *_X264, "-qp", "18", "-g", "25"))

    def _big(self, seconds: int) -> Path:
        again = str(seconds // _BIG_LOOP_SECONDS - 1)
        arguments = ("-stream_loop", again, "-i", str(self._big_loop()), "-c", "copy", "-movflags", "+faststart")
        return self._made(f"big-{seconds}s.mp4", arguments)

    def _made(self, name: str, arguments: Sequence[str]) -> Path:
        if self._prepared is not None and (self._prepared / name).exists():
            return self._prepared / name
        path = self._scratch / name
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if not path.exists():
                self._make(path, arguments)
        return path

    def _make(self, path: Path, arguments: Sequence[str]) -> None:
        if self.ffmpeg is None:
            raise MediaUnavailableError(f"{path.name} cannot be made: there is no ffmpeg on PATH")
        self._scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._scratch) as work:
            made = Path(work) / path.name
            command = [self.ffmpeg, "-nostdin", "-v", "error", *arguments, "-fflags", "+bitexact", str(made)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise MediaUnavailableError(f"{path.name} cannot be made: {done.stderr.strip()}")
            made.rename(path)


def main() -> None:
    """`python -m standin.media DIR`: prepare what generated videos need, at image build."""
    parser = argparse.ArgumentParser(description="Make the stand-in's media beforehand.")
    parser.add_argument("directory", type=Path, help="where the files go")
    MediaStore(scratch=parser.parse_args().directory).prepare()


if __name__ == "__main__":
    main()
