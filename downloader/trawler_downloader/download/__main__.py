"""`python -m trawler_downloader.download [fetch|publish|--check]`: the program of a download Job."""

from __future__ import annotations

import os
import sys

from trawler_downloader.download.termination import run_to_exit


def main() -> int:
    """Runs the command and returns the exit code."""
    from trawler_downloader.download.command import command  # imports yt-dlp: half a second

    return command(sys.argv[1:], os.environ)


if __name__ == "__main__":
    run_to_exit(main)
