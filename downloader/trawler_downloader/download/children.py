"""The processes that this one started, directly or not: ffmpeg, ffprobe, deno.

Read from /proc, which says of a process that hangs what no library can: whether it still moves bytes.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def descendants(of: int) -> list[int]:
    """Process ids below a process, parents first."""
    below: dict[int, list[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):  # it ended while we looked
                parent = int(_state_and_parent(int(entry.name))[1])
                below.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    queue = [of]
    while queue:
        children = below.get(queue.pop(0), [])
        found += children
        queue += children
    return found


def bytes_moved(pids: list[int]) -> int:
    """Bytes that these processes have read and written so far, from and to anything.

    Not their CPU time: a program that runs in circles uses a lot of that.
    """
    total = 0
    for pid in pids:
        with suppress(OSError, ValueError):
            lines = (PROC / str(pid) / "io").read_text().splitlines()
            counters = dict(line.split(": ", 1) for line in lines)
            total += int(counters["rchar"]) + int(counters["wchar"])
    return total


def waits_for_a_device(pids: list[int]) -> bool:
    """Whether one of these processes is held in the kernel by a disk or a file server, and not by a peer's silence.

    State D of proc_pid_stat(5). So looks who closes a file whose content is still on its way from the node's memory
    to a NAS, which may take longer than any patience: no byte is read or written meanwhile.
    """
    for pid in pids:
        with suppress(OSError, IndexError):
            if _state_and_parent(pid)[0] == "D":
                return True
    return False


def end(pids: list[int]) -> None:
    """Kills them."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _state_and_parent(pid: int) -> list[str]:
    # "pid (name) state parent …": the name may hold spaces and brackets.
    return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
