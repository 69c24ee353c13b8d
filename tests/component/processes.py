"""What anybody on the machine may read of a program while it runs: command lines and environments of its processes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from component.lister_harness import children

_LOOK_SECONDS = 0.005


@dataclass
class Seen:
    """What was read so far, of a program and of all that it started."""

    texts: set[bytes] = field(default_factory=set)
    processes: set[int] = field(default_factory=set)
    """Their ids."""

    def mentions(self, text: str) -> bool:
        """Whether it stood in any command line or environment."""
        return any(text.encode() in seen for seen in self.texts)

    def look(self, pid: int) -> None:
        """Read those of a process and of its descendants."""
        self.processes.add(pid)
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            self.texts.add(Path(f"/proc/{pid}/cmdline").read_bytes())
            with contextlib.suppress(PermissionError):  # it is about to become another program
                self.texts.add(Path(f"/proc/{pid}/environ").read_bytes())
            for child in children(pid):
                self.look(child)


@contextlib.contextmanager
def watched(pid: int) -> Iterator[Seen]:
    """Look again and again, until the context ends."""
    seen = Seen()
    ended = threading.Event()
    failed: list[Exception] = []

    def watch() -> None:
        try:
            while not ended.wait(_LOOK_SECONDS):
                seen.look(pid)
        except Exception as error:  # noqa: BLE001 - a look that fails must fail the test, not end quietly
            failed.append(error)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
    if failed:
        raise failed[0]
