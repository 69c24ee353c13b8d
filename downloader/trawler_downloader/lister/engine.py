"""yt-dlp with our options: no files, no plugins, no code from outside, requests counted and stoppable.

The only module that knows yt-dlp's parameters for listing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from http import HTTPStatus
from http.cookiejar import CookieJar
from typing import Any, Protocol

import yt_dlp
import yt_dlp.extractor
from yt_dlp.networking.exceptions import HTTPError

from trawler_downloader.contract.listing import ListRequest

SOCKET_TIMEOUT_SECONDS = 20
ATTEMPTS_AGAIN = 2
"""Of a failed page. Small: the operator comes back with a growing pause."""


class PageEndError(BaseException):
    """Raised in place of a request that the walk does not want.

    A BaseException, so that no `except Exception` inside an extractor takes it for a failed page and tries again.
    """


class Extractor(Protocol):
    """What we use of yt-dlp's extractors; no call of these makes a request."""

    def ie_key(self) -> str:
        """E.g. `YoutubeTab`."""

    def suitable(self, url: str) -> bool:
        """It takes this URL."""

    def get_temp_id(self, url: str) -> str | None:
        """The id that the URL tells."""

    def is_single_video(self, url: str) -> bool | None:
        """None: not known."""


class WarningLog:
    """What yt-dlp would have printed: warnings are kept, they tell what some errors leave out."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, message: str) -> None:
        """Progress texts are not for us."""

    def info(self, message: str) -> None:
        """Progress texts are not for us."""

    def warning(self, message: str) -> None:
        """Keep a warning."""
        self.warnings.append(message)

    def error(self, message: str) -> None:
        """Errors arrive as exceptions too."""


class Engine(yt_dlp.YoutubeDL):  # type: ignore[misc]
    """YoutubeDL that counts its requests and can be told to make no more."""

    def __init__(
        self,
        request: ListRequest,
        *,
        before_request: Callable[[], None],
        proxy: str | None = None,
        cookies: CookieJar | None = None,
    ) -> None:
        self.requests = 0
        """Made so far."""
        self.no_more_requests = False
        """The walk has what it wants: the next request raises PageEndError."""
        self.refusals: list[HTTPError] = []
        """Answers that asked for fewer requests: they say for how long, what yt-dlp makes of them need not."""
        self.log = WarningLog()
        self._before_request = before_request
        self._allow_generic = request.allow_generic
        super().__init__(_parameters(proxy, self.log))
        if cookies is not None:
            self.cookiejar = cookies

    def add_default_info_extractors(self) -> None:
        """Called by the constructor.

        yt-dlp's own way, `allowed_extractors` with `-generic`, compares every extractor with every other: 38 ms of CPU
        (measured), as much as all else that a check with nothing new costs.
        """
        for extractor in enabled_extractors():
            if self._allow_generic or extractor.ie_key() != "Generic":
                self.add_info_extractor(extractor)

    def urlopen(self, req: object) -> object:
        """Every request of every extractor comes through here."""
        if self.no_more_requests:
            raise PageEndError
        self._before_request()
        self.requests += 1
        try:
            return super().urlopen(req)
        except HTTPError as error:
            if error.status == HTTPStatus.TOO_MANY_REQUESTS:
                self.refusals.append(error)
            raise

    def extractor_for(self, url: str) -> Extractor | None:
        """The extractor that yt-dlp would use; None when there is none."""
        return next((extractor for extractor in self._ies.values() if extractor.suitable(url)), None)

    def extract(self, url: str, ie_key: str | None = None) -> dict[str, Any]:
        """The unprocessed result of one URL: a video, a lazily paged playlist, or a redirect.

        Raises:
            yt_dlp.utils.DownloadError: and whatever else yt-dlp lets through.
        """
        result = self.extract_info(url, download=False, process=False, ie_key=ie_key)
        if not isinstance(result, dict):
            msg = f"The extractor returned nothing for {url}"
            raise yt_dlp.utils.DownloadError(msg)
        return result

    def extract_announced(self, url: str) -> dict[str, Any]:
        """What the site tells of a video that has no formats yet, such as when it begins.

        Raises:
            yt_dlp.utils.DownloadError: and whatever else yt-dlp lets through.
        """
        self.params["ignore_no_formats_error"] = True
        try:
            return self.extract(url)
        finally:
            self.params["ignore_no_formats_error"] = False


@functools.cache
def enabled_extractors() -> tuple[Extractor, ...]:
    """The classes of all extractors that yt-dlp enables, in its order; the first that takes a URL has it."""
    return tuple(extractor for extractor in yt_dlp.extractor.gen_extractor_classes() if extractor._ENABLED)  # noqa: SLF001


def _parameters(proxy: str | None, log: WarningLog) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "logger": log,
        "quiet": True,
        "noprogress": True,
        "color": {"stdout": "no_color", "stderr": "no_color"},
        "cachedir": False,
        "skip_download": True,
        "compat_opts": {"no-certifi"},  # see trust
        "js_runtimes": {},  # listing solves no challenge: nothing is started beside this process
        "socket_timeout": SOCKET_TIMEOUT_SECONDS,
        "extractor_retries": ATTEMPTS_AGAIN,
        "extractor_args": {
            "youtubetab": {"approximate_date": [""]},
            # Without it a page that is cut short ends the listing as if that were all. An *empty* continuation cannot
            # be told from the end even so: what it hides is found by a later check or audit.
            "youtube": {"raise_incomplete_data": [""]},
        },
    }
    if proxy is not None:
        parameters["proxy"] = proxy
    return parameters
