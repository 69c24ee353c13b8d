"""From the environment to a chunk on standard output; a failure to the termination message."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar

from trawler_downloader.contract.volume_job import VolumeRequest
from trawler_downloader.download.errors import LaunchError, TerminatedError, raise_volume_error
from trawler_downloader.download.report import report, result_of
from trawler_downloader.download.settings import request_of, settings_of

_Request = TypeVar("_Request", bound=VolumeRequest)
Print = Callable[[_Request, Path, BinaryIO, Callable[[], float]], None]
"""Writes a chunk: request, root of the claim, output, monotonic seconds."""


def run_volume_job(
    environment: Mapping[str, str], output: BinaryIO, kind: type[_Request], write: Print[_Request]
) -> int:
    """Writes one chunk and returns the exit code.

    Args:
        environment: of the process.
        output: takes the lines.
        kind: model of the request.
        write: does the work.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    settings = settings_of(environment)
    try:
        request = request_of(environment, kind)
        try:
            write(request, settings.library, output, time.monotonic)
        except OSError as error:
            raise_volume_error(error)
    except (LaunchError, TerminatedError) as error:
        return report(result_of(error, engine=""), settings.termination_log)
    return 0
