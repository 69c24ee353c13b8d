"""`python -m trawler_downloader.selftest PATH`: prints a table; ends with 1 when trawler cannot use the volume."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from trawler_downloader.contract.download import LIBRARY_MOUNT
from trawler_downloader.selftest.findings import Level
from trawler_downloader.selftest.run import run
from trawler_downloader.selftest.table import row, verdict, worst


def main(arguments: Sequence[str]) -> int:
    """Runs the checks and returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m trawler_downloader.selftest",
        description="Checks that a folder, such as a NAS that is mounted there, has what trawler relies on. Run it as "
        "the user that the downloads run as. Everything it makes is removed again.",
    )
    parser.add_argument("path", type=Path, nargs="?", default=Path(LIBRARY_MOUNT), help="default: %(default)s")
    path = parser.parse_args(arguments).path
    sys.stdout.write(f"Has {path} what trawler needs?\n\n")
    sys.stdout.flush()  # as after each row: what hangs is the one that does not come
    findings = []
    for finding in run(path):
        findings.append(finding)
        sys.stdout.write(row(finding))
        sys.stdout.flush()
    level = worst(findings)
    sys.stdout.write(f"\n{verdict(level)}")
    return 1 if level is Level.FAILED else 0


if __name__ == "__main__":
    # As process 1 of a container nobody else ends it, and what it made must go.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    sys.exit(main(sys.argv[1:]))
