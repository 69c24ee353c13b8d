"""Shows how the Subscriptions of a namespace get on, until nothing more is to be expected soon.

Usage: python hack/demo/watch.py NAMESPACE
Exits with 0 when everything selected was downloaded; when not, with 1, and says what is missing on standard error.
"""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

LOOK_SECONDS = 2
PATIENCE_SECONDS = 1800
HEARTBEAT_SECONDS = 30
"""After so long without a change a line says that it goes on."""
SOON = timedelta(seconds=90)
"""What is tried again by itself within this time is worth waiting for."""


GRACE = timedelta(seconds=30)
"""What is due for less than this is being tried, most likely."""
LINE = 120
"""Characters of a line that says again what was said before."""

CHECK_REASONS = {"CheckFailed", "ListerUnavailable"}
"""Of Ready, when it speaks of the last check; the others say that none is made."""
BEGINNING = "RebuildingHistory"
"""Reason of Ready until the volume has said whether there is a history."""


@dataclass(frozen=True)
class State:
    """How one Subscription gets on."""

    name: str
    words: str
    """In one line."""
    finished: bool
    """Nothing more is to be expected soon."""
    problems: tuple[str, ...] = ()
    """What went wrong, for people; a Subscription that is finished without any has all its videos."""


def subscriptions(namespace: str) -> list[dict[str, Any]]:
    """All Subscriptions of the namespace."""
    shown = subprocess.run(
        ["kubectl", "-n", namespace, "get", "subscriptions.trawler.dev", "-o", "json"],
        stdout=subprocess.PIPE,  # what kubectl complains about is for the reader
        text=True,
        check=True,
    ).stdout
    items: list[dict[str, Any]] = json.loads(shown)["items"]
    return items


def state_of(subscription: dict[str, Any], now: datetime) -> State:
    """What the status says, in words, and whether to wait for more."""
    name = subscription["metadata"]["name"]
    status = subscription.get("status", {})
    conditions = {c["type"]: c for c in status.get("conditions", [])}
    bad = [c for c in map(conditions.get, ("SourceReachable", "Ready")) if c and c["status"] == "False"]
    blocked = any(c["type"] == "Ready" and c["reason"] not in CHECK_REASONS for c in bad)
    if blocked:
        bad.reverse()
    if any(c["reason"] == BEGINNING for c in bad):
        return State(name, "looks for earlier downloads on the volume", finished=False)
    if _awaits_check(subscription) and not blocked:
        return State(name, "waits for its check", finished=False)
    counts = status.get("counts", {})
    missing = [f"{counts[count]} {count}" for count in ("running", "queued", "failed", "waiting") if counts.get(count)]
    words = ", ".join([f"{counts.get('downloaded', 0)} downloaded", *missing])
    problems = [_failure(failure) for failure in status.get("recentFailures", ())]
    if bad:
        problems = [f"{bad[0]['type']} is False, {bad[0]['reason']}: {bad[0]['message']}", *problems]
        words = f"{words} - {bad[0]['reason']}: {bad[0]['message']}"
        goes_on = bool(counts.get("running")) or _comes_soon(status, now, blocked=blocked)
        return State(name, f"{words} (tried again soon)" if goes_on else words, not goes_on, tuple(problems))
    up_to_date = conditions.get("UpToDate", {}).get("status") == "True"
    return State(name, words, up_to_date, tuple(problems))


def _awaits_check(subscription: dict[str, Any]) -> bool:
    """Whether a change or the annotation asks for a check that was not made yet: then the status is an old one."""
    metadata, status = subscription["metadata"], subscription.get("status", {})
    asked = metadata.get("annotations", {}).get("trawler.dev/check")
    handled = status.get("lastHandled", {}).get("check", {}).get("id")
    return bool(asked != handled or status.get("observedGeneration") != metadata["generation"])


def _failure(failure: dict[str, Any]) -> str:
    title = failure.get("title") or failure["key"]
    return f"“{title}” is {failure['state']}, {failure.get('reason', 'Unknown')}: {failure.get('message', '')}"


def _comes_soon(status: dict[str, Any], now: datetime, *, blocked: bool) -> bool:
    """Whether the operator looks again within SOON, after a check or a download that failed.

    A check that cannot be made stays due since when it was.
    """
    times = [status.get("gate", {}).get("untilTime"), None if blocked else status.get("nextCheckTime")]
    return any(time_ and now - GRACE < datetime.fromisoformat(time_) < now + SOON for time_ in times)


def watch(namespace: str) -> list[State]:
    """Print a line per Subscription whenever it changes; the last states, also when patience ends, or a person's."""
    told: dict[str, str] = {}
    states: list[State] = []
    last_told = begun = time.monotonic()
    try:
        while True:
            states = [state_of(item, datetime.now(UTC)) for item in subscriptions(namespace)]
            width = max((len(state.name) for state in states), default=0)
            news = {state.name: state.words for state in states if told.get(state.name) != state.words}
            told |= news
            if not news and time.monotonic() - last_told > HEARTBEAT_SECONDS:
                news = {s.name: textwrap.shorten(s.words, LINE, placeholder=" …") for s in states if not s.finished}
            for name, words in news.items():
                last_told = time.monotonic()
                print(f"  {time.strftime('%H:%M:%S')}  {name:<{width}}  {words}", flush=True)
            if all(state.finished for state in states) or time.monotonic() - begun > PATIENCE_SECONDS:
                return states
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        return states


def main(namespace: str) -> int:
    """Watch, then say what is missing."""
    states = watch(namespace)
    for state in states:
        if not state.finished:
            print(f"  {state.name}: not finished, goes on by itself", file=sys.stderr)
        for problem in state.problems:
            print(f"  {state.name}: {problem}", file=sys.stderr)
    return int(any(state.problems or not state.finished for state in states))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"The cluster does not answer: kubectl ended with {error.returncode}.")
