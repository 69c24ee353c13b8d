"""`python -m trawler_downloader.download [fetch|publish|--check]`: the program of a download Job.

Handles SIGTERM before anything slow is imported: as process 1 of a container nobody else does.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from trawler_downloader.download.errors import TerminatedError

HARD_EXIT_SECONDS = 15
"""After SIGTERM. Within a pod's usual grace period of 30 s, the end that cannot be held up by a hanging volume."""


def _on_term(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(143))
    signal.alarm(HARD_EXIT_SECONDS)
    raise TerminatedError


def main() -> int:
    """Runs the command and returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_term)
    try:
        from trawler_downloader.download.command import command  # imports yt-dlp: half a second

        return command(sys.argv[1:], os.environ)
    except TerminatedError:  # while importing, or while the result was being written
        return 143


if __name__ == "__main__":
    code = main()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Not sys.exit: taking yt-dlp apart costs 0.1 s (measured), and a heartbeat that hangs on a dead server would be
    # waited for.
    os._exit(code)
