"""`python -m standin`: run the stand-in until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from standin import specs
from standin.answering import Site
from standin.media import MediaStore
from standin.server import StandInServer

_LOG = logging.getLogger("standin")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(prog="standin", description="A stand-in for YouTube, for tests and demos.")
    arguments.add_argument("--tls-cert", type=Path, required=True, help="certificate (PEM) that names every host")
    arguments.add_argument("--tls-key", type=Path, required=True, help="its private key (PEM)")
    arguments.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    arguments.add_argument("--tls-port", type=int, default=8443, help="the youtube hosts (default: %(default)s)")
    arguments.add_argument("--port", type=int, default=8080, help="control, feed, proxy (default: %(default)s)")
    arguments.add_argument("--catalogue", type=Path, default=specs.DEFAULT_CATALOGUE, help="JSON; default: built in")
    arguments.add_argument("--media", type=Path, help="media made beforehand (python -m standin.media DIR)")
    scratch = Path(tempfile.gettempdir()) / "standin-media"
    arguments.add_argument("--scratch", type=Path, default=scratch, help="where media are made (default: %(default)s)")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    options = parser().parse_args(argv)
    try:
        catalogue = specs.load_file(options.catalogue)
        site = Site(catalogue, MediaStore(options.scratch, options.media))
        server = StandInServer(site, options.tls_cert, options.tls_key, options.host, options.tls_port, options.port)
    except (OSError, ValueError) as error:
        _LOG.error("cannot start: %s", error)
        return 2
    if site.media.ffmpeg is None:
        _LOG.warning("no ffmpeg on PATH: listings work, media that were not made beforehand answer 503")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    _LOG.info("listening on %s: TLS %d, control %d", options.host, server.tls_port, server.port)
    stop.wait()
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
