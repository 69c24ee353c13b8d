"""What landing a file relies on, one check each, in a folder of its own and with the operations of a download."""

from __future__ import annotations

import os
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

from trawler_downloader.download.files import Files
from trawler_downloader.download.staging import DEAD_AFTER_SECONDS, beat
from trawler_downloader.library.names import MAX_COMPONENT_BYTES
from trawler_downloader.library.space import below_floor, floor_of, human
from trawler_downloader.selftest.findings import Finding, failed, ok, warning
from trawler_downloader.selftest.mounts import mount_of

Check = Callable[[Path, Files], Finding]

LARGE_BYTES = 16 * 2**20
TICK_SECONDS = 2.5
"""FAT counts time in steps of two seconds; nothing that is used is coarser."""
_NAMES = (
    "Café, plain (S24E1225).mp4",
    "日本語 العربية ελληνικά.nfo",
    "🐟 fish.description",
    "e" * (MAX_COMPONENT_BYTES - len("-thumb.jpg")) + "-thumb.jpg",
    "é" * ((MAX_COMPONENT_BYTES - len(".mp4")) // 2) + ".mp4",
)
"""As trawler makes them: characters of all scripts, in NFC, up to 255 bytes; never those that SMB refuses."""
_ANOTHER = "Use another protocol or version of it for the mount, or another volume: downloads could destroy each other."


def mount(folder: Path, _files: Files) -> Finding:
    """What is mounted there, and how."""
    found = mount_of(folder)
    if found is None:
        return warning("the mount is not listed in /proc/self/mountinfo", "Nothing by itself.", "")
    if found.kind.startswith("nfs") and "soft" in found.options:
        return warning(
            str(found),
            "With soft, a NAS that is slow or away for a moment makes writes fail, and what was written last may be "
            "lost. trawler sees that at fsync and downloads again.",
            "Mount with hard, the default.",
        )
    return ok(str(found))


def user(folder: Path, files: Files) -> Finding:
    """Who writes, and whose the files are then."""
    path = folder / "file"
    files.write(path, b"mine")
    about = path.stat()
    groups = ",".join(str(group) for group in sorted(os.getgroups()))
    seen = (
        f"this process is {os.geteuid()}:{os.getegid()} (groups {groups or 'none'}), its files are "
        f"{about.st_uid}:{about.st_gid} with mode {about.st_mode & 0o7777:04o}"
    )
    if os.geteuid() == 0:
        return warning(
            seen, "Downloads never run as root: this says nothing of their rights.", "Run this as job.runAsUser."
        )
    if about.st_uid != os.geteuid():
        return warning(
            seen,
            "The server gives files to another user. That is fine, as long as all Subscriptions on this volume and "
            "your media server may read them.",
            "",
        )
    return ok(seen)


def writing(folder: Path, files: Files) -> Finding:
    """A small file: written, synced, closed, read."""
    content = os.urandom(4096)
    files.write(folder / "file", content)
    if (folder / "file").read_bytes() != content:
        return _corrupt()
    return ok("a file is written, synced, and read as it was written")


def speed(folder: Path, files: Files) -> Finding:
    """A larger one; how fast is for people to judge."""
    content = os.urandom(LARGE_BYTES)
    started = time.monotonic()
    files.write(folder / "file", content)
    written = time.monotonic()
    if (folder / "file").read_bytes() != content:
        return _corrupt()
    read = time.monotonic()
    size = human(LARGE_BYTES)
    return ok(
        f"{size} written and synced in {written - started:.2f} s, read in {read - written:.2f} s (from this machine's "
        "memory, most likely)"
    )


def replacing(folder: Path, files: Files) -> Finding:
    """A file gets new content by renaming another over it."""
    path = folder / "file"
    files.write(path, b"old")
    files.replace(path, b"new")
    if path.read_bytes() != b"new" or [entry.name for entry in folder.iterdir()] != ["file"]:
        return failed(
            "after renaming a file over another one, the old one is still there",
            "Manifests and records could not be kept up to date.",
            _ANOTHER,
        )
    return ok("a file replaces another one by its name")


def answers(folder: Path, _files: Files) -> Finding:
    """Does the server tell the truth about a rename?"""
    source, target = folder / "source", folder / "target"
    source.write_bytes(b"x")
    try:
        source.rename(target)
    except OSError as error:
        if source.exists() or not target.exists():
            raise
        return warning(
            f"a rename was carried out and answered with: {error.strerror}",
            "The client asked twice, because the first answer was lost. trawler looks at the disk and believes that.",
            "Look at the network between node and NAS if you see this often.",
        )
    return ok("a rename is answered as it was carried out")


def reserving(folder: Path, files: Files) -> Finding:
    """A name can be taken once: what two downloads at the same moment rely on."""
    first, second, name = folder / "first", folder / "second", folder / "name"
    for path in (first, second):
        files.make_folder(path)
        files.write(path / "claim", path.name.encode())
    files.move_folder(first, name)
    files.move_folder(second, name)
    if (name / "claim").read_bytes() != b"first":
        return failed(
            "a folder was renamed over another one that was not empty",
            "Two videos could get one name.",
            _ANOTHER,
        )
    return ok("a name that is taken is not given away")


def folders(folder: Path, _files: Files) -> Finding:
    """Can folders be synced?"""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        Files().sync_folder(folder)  # raises what downloads do not take either
        return warning(
            f"fsync of a folder: {error.strerror}",
            "After a power failure of the NAS, a file of the last seconds may have its old name. The next download "
            "of that video finds and renames it.",
            "",
        )
    finally:
        os.close(descriptor)
    return ok("folders can be synced")


def names(folder: Path, files: Files) -> Finding:
    """Names of all scripts, and long ones."""
    for name in _NAMES:
        files.write(folder / name, b"x")
    found = {entry.name for entry in folder.iterdir()}
    if found == set(_NAMES):
        return ok("names of all scripts, emoji, and 255 bytes")
    if {unicodedata.normalize("NFC", name) for name in found} == set(_NAMES):
        return warning(
            "the server writes accents in another form (NFD)",
            "trawler compares names in one form; other programs may not.",
            "",
        )
    return failed(
        f"of {len(_NAMES)} names, {len(found & set(_NAMES))} are listed as they were given",
        "Files could not be found again under their names.",
        "Mount with a character set that has all characters (SMB: iocharset=utf8).",
    )


def case(folder: Path, files: Files) -> Finding:
    """Is `A` another file than `a`?"""
    files.write(folder / "a film", b"lower")
    files.write(folder / "A FILM", b"upper")
    if len(list(folder.iterdir())) == 2:
        return ok("names that differ in case are two names")
    return ok("names that differ in case are one name; trawler's own never do")


def extras(folder: Path, _files: Files) -> Finding:
    """What trawler does without."""
    path = folder / "file"
    path.write_bytes(b"x")
    operations: tuple[tuple[str, Callable[[], None]], ...] = (
        ("hard links", lambda: os.link(path, folder / "link")),
        ("chmod", lambda: path.chmod(0o640)),
        ("utime", lambda: os.utime(path, (1, 1))),
    )
    refused = []
    for what, operation in operations:
        try:
            operation()
        except OSError as error:
            refused.append(f"{what} ({error.strerror})")
    return ok(f"refused, and not needed: {', '.join(refused)}" if refused else "hard links, chmod, utime: not needed")


def space(folder: Path, files: Files) -> Finding:
    """The numbers that spec.library.minFree is compared with."""
    room = files.room(folder)
    if room is None:
        return warning(
            "the file system tells no numbers",
            "spec.library.minFree does nothing here: a full volume is met while writing, and nothing is lost then.",
            "",
        )
    if below_floor(room, None) is not None:
        means = f"Downloads wait for {human(floor_of(room, None))}, unless spec.library.minFree says otherwise."
        return warning(f"{human(room.free)} are free", means, "Make room, or set spec.library.minFree lower.")
    return ok(f"{human(room.free)} are free for this user")


def clock(folder: Path, _files: Files) -> Finding:
    """The server's time beside ours; ages are told by the server's alone."""
    before = time.time()
    server = beat(folder / "heartbeat")
    skew = server - (before + time.time()) / 2
    if abs(skew) < 1:
        return ok("the server's clock shows this machine's time")
    seen = f"the server's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) < 60:
        return ok(seen)
    means = "trawler compares times of the server only. File dates will look wrong."
    return warning(seen, means, "Let the NAS and the nodes set their clocks by the network (NTP).")


def heartbeat(folder: Path, _files: Files) -> Finding:
    """Does a file that is written anew get a new time?"""
    first = beat(folder / "heartbeat")
    end = time.monotonic() + TICK_SECONDS
    while time.monotonic() < end:
        time.sleep(0.05)
        if beat(folder / "heartbeat") > first:
            return ok("a file that is written anew gets a new time")
    return failed(
        f"a file that was written anew keeps its time for {TICK_SECONDS:.0f} s",
        f"A running download would look dead after {DEAD_AFTER_SECONDS / 60:.0f} min, and its files would be removed.",
        "Mount without options that freeze times or cache attributes for long (actimeo).",
    )


def _corrupt() -> Finding:
    return failed(
        "a file reads differently from what was written",
        "Videos would be damaged.",
        "Do not use this volume before its disks and memory are checked.",
    )


CHECKS: tuple[tuple[str, Check], ...] = (
    ("mount", mount),
    ("user", user),
    ("writing", writing),
    ("speed", speed),
    ("replacing", replacing),
    ("answers", answers),
    ("reserving", reserving),
    ("sync of folders", folders),
    ("names", names),
    ("upper and lower case", case),
    ("extras", extras),
    ("free space", space),
    ("clock", clock),
    ("heartbeat", heartbeat),
)
"""In the order of the table."""
