"""What could reach the network beside Python's sockets or around the proxy, or bring code, and what keeps it from that.

- Plugins are code from folders that yt-dlp finds by itself, on the import path too: none is loaded.
- libcurl (curl_cffi) connects by itself: it is not in the image, and where it is installed it is not used.
- FTP goes through no SOCKS proxy: yt-dlp would connect directly, and show a site the address that the proxy hides.
- ffmpeg gets local files only (see `download.media`), and no stream from the network (see `download.engine`).
- deno runs a site's player to solve its challenge, as code from stdin. It grants nothing unless told to, and yt-dlp
  tells it no more than that; here the network is denied in words too, so that a changed default changes nothing.
  yt-dlp also hands it the proxy in its environment, with user and password: it gets an environment without anything.
"""

from __future__ import annotations

import os

from yt_dlp.extractor.youtube.jsc._builtin.deno import DenoJCP
from yt_dlp.globals import plugin_dirs
from yt_dlp.networking._urllib import UrllibRH
from yt_dlp.networking.common import _REQUEST_HANDLERS

DENO_DENIED = ("--deny-net", "--deny-import")
_DENO_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "DENO_DIR")


def confine() -> None:
    """Leaves the network to HTTP on Python's sockets, for the rest of the process's life.

    To be called before the first YoutubeDL is made: that one loads the plugins.
    """
    plugin_dirs.value = []
    _REQUEST_HANDLERS.pop("CurlCFFI", None)
    UrllibRH._SUPPORTED_URL_SCHEMES = ("http", "https", "data")  # noqa: SLF001
    DenoJCP._DENO_BASE_OPTIONS = list(dict.fromkeys([*DenoJCP._DENO_BASE_OPTIONS, *DENO_DENIED]))  # noqa: SLF001
    DenoJCP._get_env_options = _deno_environment  # noqa: SLF001


def _deno_environment(_self: object) -> dict[str, str]:
    return {name: os.environ[name] for name in _DENO_ENVIRONMENT if name in os.environ}
