"""The lister's settings: command line first, then the environment; a wrong one ends the program at once, named."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ENV_PREFIX = "TRAWLER_LISTER_"
MAX_SOCKET_PATH = 107
"""Bytes of a Unix socket's path on Linux, without the closing zero."""


@dataclass(frozen=True)
class Settings:
    """Where to listen, and what one listing may use. Exactly one of `socket` and `listen` is set."""

    socket: Path | None
    listen: tuple[str, int] | None
    max_workers: int = 2
    """Listings that run at a time."""
    worker_memory_mib: int = 384
    """Data memory of one worker; a 10,000-entry listing was measured at 71 MiB resident."""
    queue_seconds: int = 8
    """How long a request waits for a free worker before it is turned away with 503. With the last write still less than
    the 15 s that the operator waits beyond the deadline."""
    shutdown_seconds: int = 10
    """How long running listings may go on after SIGTERM."""


def parse_settings(argv: Sequence[str], environ: Mapping[str, str] = os.environ) -> Settings:
    """Settings from the command line and the environment.

    Raises:
        SystemExit: a setting is wrong; the message on stderr names it.
    """
    parser = argparse.ArgumentParser(
        prog="trawler-lister",
        description=f"Lists sources over HTTP. Every option can be set as {ENV_PREFIX}<NAME> instead.",
    )
    defaults = Settings(socket=None, listen=None)
    fields: tuple[tuple[str, Callable[[str], object], object, str], ...] = (
        ("socket", _socket_path, None, "Unix socket to listen on"),
        ("listen", _host_port, None, "host:port to listen on instead of a socket"),
        ("max_workers", _integer(1, 64), defaults.max_workers, "listings that run at a time"),
        ("worker_memory_mib", _integer(128, 65_536), defaults.worker_memory_mib, "memory of one listing, MiB"),
        ("queue_seconds", _integer(0, 600), defaults.queue_seconds, "wait for a free worker"),
        ("shutdown_seconds", _integer(0, 600), defaults.shutdown_seconds, "time for running listings after SIGTERM"),
    )
    for name, kind, default, text in fields:
        variable = ENV_PREFIX + name.upper()
        parser.add_argument(
            "--" + name.replace("_", "-"),
            metavar="VALUE",
            type=_named(variable, kind),
            # argparse converts a default that is text, so the environment is checked as the command line is.
            default=environ.get(variable) or default,
            help=f"{text} ({variable}, default {default})",
        )
    settings = Settings(**vars(parser.parse_args(argv)))
    if (settings.socket is None) == (settings.listen is None):
        parser.error(f"give --socket ({ENV_PREFIX}SOCKET) or --listen ({ENV_PREFIX}LISTEN), one of the two")
    return settings


def _named(variable: str, kind: Callable[[str], object]) -> Callable[[str], object]:
    def convert(text: str) -> object:
        try:
            return kind(text)
        except ValueError as error:
            msg = f"{text!r} (or {variable}): {error}"
            raise argparse.ArgumentTypeError(msg) from error

    return convert


def _socket_path(text: str) -> Path:
    if len(os.fsencode(text)) > MAX_SOCKET_PATH:
        msg = f"a socket's path has at most {MAX_SOCKET_PATH} bytes"
        raise ValueError(msg)
    return Path(text)


def _host_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65_536:
        msg = "must be host:port"
        raise ValueError(msg)
    return host.strip("[]"), int(port)


def _integer(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not text.isdigit() or not low <= int(text) <= high:
            msg = f"must be a whole number from {low} to {high}"
            raise ValueError(msg)
        return int(text)

    return convert
