"""Runs inside the downloader image: a whole listing by the lister and by bare yt-dlp, by turns. Prints JSON.

    python listing_probe.py URL ROUNDS

Alone in its file and of the standard library only, because it travels into a pod. CPU of the lister is that of its
server and of its fork server with all ended children, from /proc; of bare yt-dlp that of its whole process. What reads
the answers here is in neither.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
CLI = ["yt-dlp", "--compat-options", "no-certifi", "-J", "--flat-playlist"]
# What a program of one's own would do: no JSON, no options that matter to a listing, entries taken as they come.
API = """
import sys, yt_dlp
with yt_dlp.YoutubeDL({"quiet": True, "compat_opts": {"no-certifi"}, "extract_flat": True}) as ydl:
    result = ydl.extract_info(sys.argv[1], download=False, process=False)
    print(sum(1 for _ in result["entries"]))
"""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over the lister's socket."""

    def __init__(self, path: str) -> None:
        super().__init__("lister", timeout=600)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket in the place of a host."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(600)
        self.sock.connect(self._path)


def family_seconds(pid: int) -> float:
    """CPU-seconds of a process, of its ended children, and of its living descendants."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == pid or pid in ancestors(int(fields[1])):
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def ancestors(pid: int) -> set[int]:
    """The process and all above it."""
    found = set()
    while pid > 1:
        found.add(pid)
        try:
            pid = int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return found


def by_lister(server: int, path: str, url: str) -> dict[str, float]:
    """One audit: everything there is, whatever is known."""
    before, began = family_seconds(server), time.monotonic()
    connection = UnixConnection(path)
    request = {"url": url, "audit": True, "allowedCidrs": ["10.0.0.0/8"]}  # the stand-in has no public address
    connection.request("POST", "/list", json.dumps(request), {"Content-Type": "application/json"})
    lines = [json.loads(line) for line in connection.getresponse()]
    wall = time.monotonic() - began
    connection.close()
    assert lines[-1]["type"] == "trailer", lines[-1]
    assert lines[-1]["end"] == "complete", lines[-1]
    time.sleep(0.5)  # the worker has ended and was waited for: only then its CPU is on the fork server's account
    entries = sum(line["type"] == "entry" for line in lines)
    return {"wall": wall, "cpu": family_seconds(server) - before, "entries": entries, "requests": lines[-1]["requests"]}


def by_process(command: list[str], url: str) -> dict[str, float]:
    """A process from its start to its end."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as answer:
        with subprocess.Popen([*command, url], stdout=answer) as process:
            _, code, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(code)
        wall = time.monotonic() - began
        assert process.returncode == 0, command
        answer.seek(0)
        said = json.load(answer)
    entries = said if isinstance(said, int) else len(said["entries"])
    return {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "entries": entries}


def main() -> None:
    """Take turns and print all results."""
    url, rounds = sys.argv[1], int(sys.argv[2])
    path = f"{tempfile.mkdtemp()}/lister.sock"
    lister = subprocess.Popen([sys.executable, "-m", "trawler_downloader.lister", "--socket", path])
    try:
        while not Path(path).exists():
            assert lister.poll() is None, "the lister did not start"
            time.sleep(0.2)
        results: dict[str, list[dict[str, float]]] = {"lister": [], "cli": [], "api": []}
        for _ in range(rounds):
            results["lister"].append(by_lister(lister.pid, path, url))
            results["cli"].append(by_process(CLI, url))
            results["api"].append(by_process([sys.executable, "-c", API], url))
    finally:
        lister.terminate()
        lister.wait()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
