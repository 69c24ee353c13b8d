"""What is mounted at a place, as Linux tells it in /proc/self/mountinfo (proc_pid_mountinfo(5))."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Mount:
    """One mount."""

    point: PurePosixPath
    kind: str
    """The file system, such as nfs4 or cifs."""
    source: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        """For people."""
        return f"{self.kind} from {self.source} ({','.join(self.options)})"


def mount_of(folder: Path) -> Mount | None:
    """The mount that the folder is on; None where the system does not tell."""
    try:
        text = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    return holding(PurePosixPath(folder.resolve()), text)


def holding(folder: PurePosixPath, mountinfo: str) -> Mount | None:
    """The mount that holds the folder: the one with the longest point above it, the last one of several there."""
    found: Mount | None = None
    for line in mountinfo.splitlines():
        one, _, two = line.partition(" - ")
        point = PurePosixPath(_plain(one.split(" ")[4]))
        if folder.is_relative_to(point) and (found is None or len(point.parts) >= len(found.point.parts)):
            kind, source, of_super = two.split(" ", 2)
            options = dict.fromkeys([*one.split(" ")[5].split(","), *_without_secrets(of_super.split(","))])
            found = Mount(point, kind, _plain(source), tuple(options))
    return found


def _plain(text: str) -> str:
    """Blanks and the like are written in octal."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _without_secrets(options: list[str]) -> list[str]:
    return [option for option in options if not option.startswith(("password", "username", "domain", "credentials"))]
