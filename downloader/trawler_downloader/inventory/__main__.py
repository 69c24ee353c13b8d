"""`python -m trawler_downloader.inventory`: the program of an inventory Job."""

from __future__ import annotations

import os
import sys

from trawler_downloader.download.termination import run_to_exit


def main() -> int:
    """Runs the command and returns the exit code."""
    from trawler_downloader.inventory.command import command

    return command(os.environ, sys.stdout.buffer)


if __name__ == "__main__":
    run_to_exit(main)
