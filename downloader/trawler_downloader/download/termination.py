"""The beginning and the end of process 1 of a container: SIGTERM is handled before anything slow is imported."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from trawler_downloader.contract.outcomes import EXIT_CODES, OutcomeClass
from trawler_downloader.download.errors import TerminatedError

HARD_EXIT_SECONDS = 15
"""After SIGTERM. Within a pod's usual grace period of 30 s, the end that cannot be held up by a hanging volume."""
TERMINATED_CODE = EXIT_CODES[OutcomeClass.TERMINATED]


def run_to_exit(main: Callable[[], int]) -> NoReturn:
    """Run a program and leave the process with its exit code; SIGTERM and SIGINT raise TerminatedError in it.

    Not sys.exit: taking yt-dlp apart costs 0.1 s (measured), and a heartbeat that hangs on a dead server would be
    waited for.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_term)
    try:
        code = main()
    except TerminatedError:  # while importing, or while the result was being written
        code = TERMINATED_CODE
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _on_term(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(TERMINATED_CODE))
    signal.alarm(HARD_EXIT_SECONDS)
    raise TerminatedError
