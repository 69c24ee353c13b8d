"""What a ledger's length costs, and what the ledger costs a launch. No cluster: an API server in memory, real adapters.

The API server and each operator have a process of their own, so that CPU and memory are the operator's alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.history import entry
from bench.table import Row
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.domain.jobs.naming import ledger_name
from trawler_operator.domain.ledger.codec import encode_entry
from trawler_operator.domain.ledger.shards import SHARD_CAPACITY

SIZES = (1_000, 10_000, 100_000)
"""Entries, in full shards."""
PASSES_PER_ROUND = 10
MEMORY_RUNS = 2
"""Of each size: they hardly differ."""
SHORT = 100
"""Entries of a ledger, of which there are as many as make the longest one; measured once."""
LAUNCHES = 30
"""Fewer than a Subscription may run at a time."""
FLAT = 1.1
PROBE_SECONDS = 600


@dataclass
class Objects:
    """The API server's process."""

    url: str
    process: subprocess.Popen[str]

    def counts(self) -> Any:
        """What it has stored until now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def probe(*arguments: str, environment: Mapping[str, str] | None = None) -> Any:
    """What an operator's process measured."""
    command = [sys.executable, "-m", "bench.ledger_probe", *arguments]
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=PROBE_SECONDS, env=variables)
    return json.loads(done.stdout)


def measure(rounds: int) -> list[Row]:
    """The rows of this benchmark."""
    return [*_lengths(rounds, LedgerState.SUCCEEDED), *_lengths(rounds, LedgerState.PENDING), *_launches(rounds)]


def _lengths(rounds: int, state: LedgerState) -> list[Row]:
    """Ledgers of every size whose entries are in one state."""
    names = {size: f"long-{size}" for size in SIZES}
    passes = str(rounds * PASSES_PER_ROUND)
    waits = state is LedgerState.PENDING
    shown = "that wait" if waits else "on disk"
    with _objects(*(f"{name}={size},{state}" for size, name in names.items())) as objects:
        spent = {f"nothing-new pass with {{}} entries {shown}": probe("passes", objects.url, passes, *names.values())}
        memory = {size: [_memory(objects, name) for _ in range(MEMORY_RUNS)] for size, name in names.items()}
        if waits:
            what = "pass that settles a download and begins the next of {}"
            spent[what] = probe("turns", objects.url, passes, *names.values())
    first, longest = SIZES[0], SIZES[-1]
    rows = []
    for what, runs in spent.items():
        for size in SIZES[1:]:
            for shown_as, place in ((f"{what.format(f'{size:,}')}: CPU", 0), ("… wall time", 1)):
                ours, theirs = ([1e3 * run[place] for run in runs[names[n]]] for n in (size, first))
                rows.append(Row(shown_as, "ms", ours, theirs, f"with {first:,}", FLAT))
    for size in SIZES[1:]:
        what = f"memory for a ledger of {size:,} entries {shown}, at most"
        rows.append(Row(what, "MiB", memory[size], memory[first], f"of {first:,}"))
    if waits:
        many = [f"short-{number}" for number in range(longest // SHORT)]
        with _objects(*(f"{name}={SHORT},{state}" for name in many)) as objects:
            what = f"… for {len(many):,} ledgers of {SHORT} each"
            rows.append(Row(what, "MiB", [_memory(objects, *many)], memory[longest], f"one of {longest:,}"))
    return rows


def _memory(objects: Objects, *names: str) -> float:
    """MiB that ledgers took at most."""
    run = probe("memory", objects.url, *names)
    return float(run["peak"] - run["before"])


def _launches(rounds: int) -> list[Row]:
    waiting = [f"waiting-{number}" for number in range(rounds)]
    with _objects(*(f"{name}={SHARD_CAPACITY},{LedgerState.PENDING}" for name in waiting)) as objects:
        launches, creations = [], []
        stored: list[list[float]] = [[], [], []]
        for name in waiting:
            counts = [objects.counts()]
            launches.append(1e3 * probe("launches", objects.url, name, str(LAUNCHES)) / LAUNCHES)
            counts.append(objects.counts())
            creations.append(1e3 * probe("creations", objects.url, name, str(LAUNCHES)) / LAUNCHES)
            counts.append(objects.counts())
            shard = f"configmaps/{ledger_name(name, 0)}"
            stored[0].append(sum(_since(*counts[:2], "stored").values()) / (LAUNCHES + 1) / 1024)
            stored[1].append(sum(_since(*counts[1:], "stored").values()) / LAUNCHES / 1024)
            stored[2].append(_since(*counts[:2], "stored")[shard] / _since(*counts[:2], "writes")[shard] / 1024)
    alone = len(encode_entry(entry(0, 1, LedgerState.PENDING)).encode()) / 1024
    return [
        Row("launch of a Job, the ledger's claim before it", "ms", launches, creations, "bare creation"),
        Row("… stored for it by the API server", "KiB", stored[0], stored[1], "bare creation"),
        Row("… of that each write of a full shard", "KiB", stored[2], [alone], "the entry alone"),
    ]


def _since(before: Any, after: Any, what: str) -> Counter[str]:
    return Counter(after[what]) - Counter(before[what])


@contextmanager
def _objects(*ledgers: str) -> Iterator[Objects]:
    command = [sys.executable, "-m", "bench.objects", *ledgers]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        try:
            assert url, "the API server in memory did not start"
            yield Objects(url, process)
        finally:
            process.kill()
