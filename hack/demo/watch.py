"""Shows how the Subscriptions of a namespace get on, until every one of them is up to date or has failed.

Usage: python hack/demo/watch.py NAMESPACE
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

LOOK_SECONDS = 2
PATIENCE_SECONDS = 1800


def subscriptions(namespace: str) -> list[dict[str, Any]]:
    """All Subscriptions of the namespace."""
    shown = subprocess.run(
        ["kubectl", "-n", namespace, "get", "subscriptions.trawler.dev", "-o", "json"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    items: list[dict[str, Any]] = json.loads(shown)["items"]
    return items


def line(subscription: dict[str, Any]) -> tuple[str, bool]:
    """How one Subscription gets on, in words, and whether nothing more is to be waited for."""
    name = subscription["metadata"]["name"]
    status = subscription.get("status", {})
    counts = status.get("counts", {})
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    up_to_date = conditions.get("UpToDate", {}).get("status") == "True"
    bad = [c for c in (conditions.get("Ready"), conditions.get("SourceReachable")) if c and c["status"] == "False"]
    words = f"{name}: {counts.get('downloaded', 0)} downloaded, {counts.get('queued', 0)} queued"
    words += f", {counts.get('running', 0)} running, {counts.get('failed', 0)} failed"
    if bad:
        words += f" - {bad[0]['reason']}: {bad[0]['message']}"
    return words, up_to_date or bool(bad)


def main(namespace: str) -> int:
    """Print a line per Subscription whenever it changes."""
    told: dict[str, str] = {}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        lines = [(item["metadata"]["name"], *line(item)) for item in subscriptions(namespace)]
        for name, words, _ in lines:
            if told.get(name) != words:
                told[name] = words
                print(f"  {time.strftime('%H:%M:%S')}  {words}", flush=True)
        if all(done for *_, done in lines):
            return 0
        time.sleep(LOOK_SECONDS)
    print(f"Not finished after {PATIENCE_SECONDS // 60} minutes; it goes on in the background.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(0)
