"""Progress lines on standard output: one JSON object per line, at most one per interval and one per new phase."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TextIO

from trawler_downloader.contract.progress import PROGRESS_INTERVAL_SECONDS, Phase, Progress


class ProgressReporter:
    """Turns yt-dlp's hooks, one sequence per stream, into lines over all streams of the video together."""

    def __init__(self, out: TextIO, monotonic: Callable[[], float]) -> None:
        """Arguments: where lines go, and a clock in seconds."""
        self._out = out
        self._monotonic = monotonic
        self._last: tuple[float, Phase] | None = None
        self._total: int | None = None
        self._finished: dict[str, int] = {}

    def phase(self, phase: Phase) -> None:
        """A phase begins."""
        self._print(Progress(phase=phase))

    def expect(self, sizes: list[int | None]) -> None:
        """The announced sizes of all streams, in bytes; with one unknown, only the stream's own total is told."""
        known = [size for size in sizes if size is not None]
        self._total = sum(known) if len(known) == len(sizes) and known else None

    def downloading(self, status: Mapping[str, Any]) -> None:
        """A progress hook of yt-dlp."""
        file = str(status.get("filename"))
        done = int(status.get("downloaded_bytes") or 0)
        if status.get("status") == "finished":
            self._finished[file] = int(status.get("total_bytes") or done)
            return
        before = sum(size for name, size in self._finished.items() if name != file)
        stream_total = _integer(status.get("total_bytes") or status.get("total_bytes_estimate"))
        total = self._total
        if total is None and stream_total is not None:
            total = before + stream_total
        speed = _integer(status.get("speed"))
        left = None if total is None else max(0, total - before - done)
        self._print(
            Progress(
                phase=Phase.DOWNLOADING,
                done=before + done,
                total=total,
                speed=speed,
                eta=left // speed if left is not None and speed else _integer(status.get("eta")),
                stream=_stream(status.get("info_dict") or {}),
            )
        )

    def processing(self, status: Mapping[str, Any]) -> None:
        """A postprocessor hook of yt-dlp."""
        if status.get("status") == "started":
            self._print(Progress(phase=Phase.PROCESSING))

    def _print(self, line: Progress) -> None:
        now = self._monotonic()
        if self._last is not None:
            then, phase = self._last
            if phase is line.phase and now - then < PROGRESS_INTERVAL_SECONDS:
                return
        self._last = now, line.phase
        self._out.write(line.to_json() + "\n")
        self._out.flush()


def _stream(info: Mapping[str, Any]) -> str | None:
    if info.get("vcodec") not in (None, "none"):
        return "video"
    return "audio" if info.get("acodec") not in (None, "none") else None


def _integer(value: Any) -> int | None:  # noqa: ANN401 - a field of a hook
    return int(value) if isinstance(value, int | float) else None
