"""helm for tests: the release that `hack/e2e/run` made, and others of a test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHART = str(ROOT / "helm" / "trawler")
VALUES = str(ROOT / "tests" / "e2e" / "values.yaml")


def helm(*args: str) -> str:
    """Run helm and return what it printed; a failure shows helm's own words."""
    done = subprocess.run(["helm", *args], capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, f"helm {' '.join(args)}: {done.stderr.strip()}"
    return done.stdout


def upgrade(*args: str, wait: bool = True) -> None:
    """Upgrade the suite's release to the suite's values and what `args` change of them."""
    namespace = ["--namespace", "trawler-system"]
    waiting = ["--wait", "--timeout", "3m"] if wait else []
    helm("upgrade", "trawler", CHART, *namespace, "--values", VALUES, *waiting, *args)
