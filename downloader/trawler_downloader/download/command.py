"""The command line: from the environment to a launch, from its end to the termination message."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trawler_downloader.access.redaction import RedactingFormatter, Redactor
from trawler_downloader.contract.download import DownloadRequest, DownloadResult
from trawler_downloader.contract.outcomes import VOLUME_REASONS
from trawler_downloader.download import program
from trawler_downloader.download.check import check
from trawler_downloader.download.engine import ENGINE_VERSION, open_engine
from trawler_downloader.download.errors import LaunchError, TerminatedError
from trawler_downloader.download.launch import Launch
from trawler_downloader.download.progress import ProgressReporter
from trawler_downloader.download.report import report, result_of
from trawler_downloader.download.settings import Settings, request_of, settings_of
from trawler_downloader.download.site_access import CookieUse, SiteAccess
from trawler_downloader.download.staging import own_folder
from trawler_downloader.download.stall import Watch
from trawler_downloader.download.trust import trust_file
from trawler_downloader.library.state import ClaimPaths
from trawler_downloader.outcomes import classify

LOG = logging.getLogger(__name__)


@dataclass
class Learned:
    """What comes to light during a launch and counts however it ends."""

    redact: Redactor = field(default_factory=Redactor)
    """Knows the secrets that were read."""
    cookies: CookieUse = field(default_factory=CookieUse)
    volume_ids: list[str] = field(default_factory=list)
    """Of the volume, once it was probed: it answers, whatever came of the video."""

    def added_to(self, result: DownloadResult) -> DownloadResult:
        """The result with all of it, and without the secrets."""
        told: dict[str, object] = {
            "message": self.redact(result.message),
            "cookies_used": self.cookies.used,
            "cookies_invalid": self.cookies.refused,
        }
        if self.volume_ids:
            told["volume_id"] = self.volume_ids[-1]
        return result.model_copy(update=told)


def command(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs one command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m trawler_downloader.download", description=__doc__)
    parser.add_argument("step", nargs="?", choices=("run", "fetch", "publish"), default="run")
    parser.add_argument("--check", action="store_true", help="check the installation and leave")
    chosen = parser.parse_args(arguments)
    learned = Learned()
    log = logging.StreamHandler(sys.stderr)  # standard output belongs to the progress lines
    log.setFormatter(RedactingFormatter("%(levelname)s %(name)s: %(message)s", learned.redact))
    logging.basicConfig(level=logging.INFO, handlers=[log])
    if chosen.check:
        problems = check()
        for problem in problems:
            LOG.error("%s", problem)
        return 1 if problems else 0
    settings = settings_of(environment)

    def told(result: DownloadResult) -> int:
        return report(learned.added_to(result), settings.termination_log)

    def stopped(error: LaunchError) -> None:
        if error.reason in VOLUME_REASONS:  # it did answer, and does not any more
            learned.volume_ids.clear()
        # The main thread hangs somewhere, and cannot be told.
        os._exit(told(result_of(error, ENGINE_VERSION)))

    try:
        result = _launch(chosen.step, settings, environment, learned, stopped)
    except (LaunchError, TerminatedError) as error:
        result = result_of(error, ENGINE_VERSION)
    except Exception as error:
        LOG.exception("unexpected")
        found = classify(error)
        result = result_of(LaunchError(found.reason, found.message), ENGINE_VERSION)
    return 0 if result is None else told(result)


def _launch(
    step: str,
    settings: Settings,
    environment: Mapping[str, str],
    learned: Learned,
    stopped: Callable[[LaunchError], None],
) -> DownloadResult | None:
    request = request_of(environment, DownloadRequest)
    access = SiteAccess(request, settings.cookies_file, settings.proxy_credentials, learned.redact, learned.cookies)
    os.umask(int(request.umask, 8))
    progress = ProgressReporter(sys.stdout, time.monotonic)
    if step != "publish":
        trust_file(settings.ca_file if request.ca_bundle else None)
    staging = own_folder(ClaimPaths(settings.library, request.subscription), request, settings.pod)
    watch = Watch(request.stall_timeout_seconds, settings.library, staging, stopped)
    launch = Launch(
        request=request,
        root=settings.library,
        pod=settings.pod,
        engine=lambda: open_engine(request, progress, watch, access),
        now=time.time,
        report=progress.phase,
        probed=learned.volume_ids.append,
    )
    steps = {"run": program.run, "fetch": program.fetch, "publish": program.publish}
    with watch:
        return steps[step](launch)
