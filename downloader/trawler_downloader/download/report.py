"""The result as the termination message, and the exit code behind it."""

from __future__ import annotations

import logging
from pathlib import Path

from trawler_downloader.contract.download import MAX_RESULT_BYTES, DownloadResult
from trawler_downloader.contract.outcomes import EXIT_CODES
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError, TerminatedError
from trawler_downloader.library.names import cut

LOG = logging.getLogger(__name__)

MAX_TITLE_BYTES = 500
_SMALLER_MESSAGES = (2000, 1000, 500, 200, 0)
"""Bytes tried for the message, until the whole fits."""


def fitted(result: DownloadResult) -> str:
    """The result's JSON within MAX_RESULT_BYTES: title and message are cut, what programs read is kept."""
    if result.title is not None:
        result = result.model_copy(update={"title": cut(result.title, MAX_TITLE_BYTES)})
    for size in _SMALLER_MESSAGES:
        text = result.to_json()
        if len(text.encode()) <= MAX_RESULT_BYTES:
            return text
        result = result.model_copy(update={"message": cut(result.message, size)})
    return result.model_copy(update={"title": None}).to_json()


def result_of(error: LaunchError | TerminatedError, engine: str) -> DownloadResult:
    """How a launch without a published file is told."""
    if isinstance(error, TerminatedError):
        error = LaunchError(Reason.TERMINATED, "the pod was told to stop")
    # Names of files on the volume may hold bytes that are no UTF-8.
    message = error.message.encode("utf-8", "replace").decode()
    return DownloadResult(
        outcome=error.outcome, reason=error.reason, message=message, retry_at=error.retry_at, engine=engine
    )


def report(result: DownloadResult, termination_log: Path) -> int:
    """Writes the result where the kubelet looks for it and returns the exit code, which says the most of it again."""
    level = logging.INFO if EXIT_CODES[result.outcome] == 0 else logging.ERROR
    LOG.log(level, "%s: %s %s", result.reason, result.path or "", result.message)
    try:
        termination_log.write_text(fitted(result), encoding="utf-8")
    except OSError as error:
        LOG.warning("the termination message could not be written: %s", error)
    return EXIT_CODES[result.outcome]
