"""From the environment to a chunk on standard output; a failure to the termination message."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import BinaryIO

from trawler_downloader.contract.inventory import InventoryRequest
from trawler_downloader.download.errors import LaunchError, TerminatedError
from trawler_downloader.download.report import report, result_of
from trawler_downloader.download.settings import request_of, settings_of
from trawler_downloader.inventory.chunk import write_chunk
from trawler_downloader.library.state import ClaimPaths

LOG = logging.getLogger(__name__)


def command(environment: Mapping[str, str], output: BinaryIO) -> int:
    """Writes one chunk and returns the exit code.

    Args:
        environment: of the process.
        output: takes the lines.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    settings = settings_of(environment)
    try:
        request = request_of(environment, InventoryRequest)
        write_chunk(request, ClaimPaths(settings.library, request.subscription), output, time.monotonic)
    except (LaunchError, TerminatedError) as error:
        return report(result_of(error, engine=""), settings.termination_log)
    return 0
