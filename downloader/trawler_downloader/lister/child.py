"""What the pool may name without loading yt-dlp: the entry points of a forked child.

A function travels to the fork server by its module's name, so the server process has to import it too.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import NoReturn

PRELOAD = "trawler_downloader.lister.preload"


@dataclass(frozen=True)
class Limits:
    """What one worker may use."""

    memory_bytes: int


def run(pipe: Connection, body: bytes, engine_version: str, limits: Limits) -> NoReturn:
    """Answer one request, given as JSON, into the pipe; never returns."""
    from trawler_downloader.lister import worker

    worker.run(pipe, body, engine_version, limits)


def probe(pipe: Connection) -> NoReturn:
    """Prove that the fork server forks, and that it is warm; never returns."""
    os.write(pipe.fileno(), b"warm" if PRELOAD in sys.modules else b"cold")
    os._exit(0)
