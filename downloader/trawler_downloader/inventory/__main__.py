"""`python -m trawler_downloader.inventory`: the program of an inventory Job."""

from __future__ import annotations

import os
import sys

from trawler_downloader.download.termination import run_to_exit


def main() -> int:
    """Prints a chunk and returns the exit code."""
    from trawler_downloader.contract.inventory import InventoryRequest
    from trawler_downloader.inventory.manifests import print_inventory
    from trawler_downloader.volume_jobs.command import run_volume_job

    return run_volume_job(os.environ, sys.stdout.buffer, InventoryRequest, print_inventory)


if __name__ == "__main__":
    run_to_exit(main)
