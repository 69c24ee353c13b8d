"""`python -m trawler_downloader.survey`: the program of a survey Job."""

from __future__ import annotations

import os
import sys

from trawler_downloader.download.termination import run_to_exit


def main() -> int:
    """Prints a chunk and returns the exit code."""
    from trawler_downloader.contract.survey import SurveyRequest
    from trawler_downloader.survey.histories import print_survey
    from trawler_downloader.volume_jobs.command import run_volume_job

    return run_volume_job(os.environ, sys.stdout.buffer, SurveyRequest, print_survey)


if __name__ == "__main__":
    run_to_exit(main)
