"""One listing, or two: where cookies are there for when they are needed, first without them."""

from __future__ import annotations

from collections.abc import Callable
from http.cookiejar import CookieJar

from trawler_downloader.access.cookies import jar_of, may_help, tells_of_refused_cookies
from trawler_downloader.access.errors import AccessError
from trawler_downloader.access.proxy import plain_value, with_credentials
from trawler_downloader.access.redaction import Redactor
from trawler_downloader.contract.listing import CookiesMode, EntryLine, ListingEnd, ListRequest, SourceLine
from trawler_downloader.lister.engine import Engine
from trawler_downloader.lister.walk import Emit, Progress, walk
from trawler_downloader.outcomes import classify


class Attempts:
    """Lists what a request means, and remembers how.

    Args:
        request: with its secrets.
        emit: takes each line as soon as it is known.
        before_request: called before each request to the site.
    """

    def __init__(self, request: ListRequest, emit: Emit, before_request: Callable[[], None]) -> None:
        self.redact = Redactor()
        """Knows the request's secrets."""
        self.cookies_used = False
        self.unreadable_cookies: AccessError | None = None
        """Why cookies that were not needed so far cannot be used."""
        self.progress = Progress()
        """Of the last attempt."""
        self._request = request
        self._emit = emit
        self._before_request = before_request
        self._engines: list[Engine] = []
        self._lines = 0

    @property
    def requests(self) -> int:
        """Made to the site so far."""
        return sum(engine.requests for engine in self._engines)

    @property
    def engine(self) -> Engine | None:
        """Of the last attempt: what it was told explains errors."""
        return self._engines[-1] if self._engines else None

    @property
    def cookies_refused(self) -> bool:
        """The site no longer accepts the cookies."""
        return self.cookies_used and any(map(tells_of_refused_cookies, self._engines[-1].log.warnings))

    def run(self) -> ListingEnd:
        """List.

        Raises:
            AccessError: the proxy's user and password are malformed, or cookies that the site or the request asks for.
            Exception: whatever `walk` raises.
        """
        proxy = self._proxy()
        cookies = self._cookies()
        if self._request.cookies is None or self._request.cookies_mode is CookiesMode.ALWAYS:
            return self._attempt(proxy, cookies)
        try:
            return self._attempt(proxy, None)
        except Exception as error:
            found = classify(error, self._engines[-1].log.warnings)
            # Once something was told, a second telling would be another listing behind the first.
            if self._lines or not may_help(found.reason):
                raise
            if self.unreadable_cookies is not None:
                raise self.unreadable_cookies from None
        return self._attempt(proxy, cookies)

    def _attempt(self, proxy: str | None, cookies: CookieJar | None) -> ListingEnd:
        self.cookies_used = cookies is not None
        self._engines.append(Engine(self._request, before_request=self._before_request, proxy=proxy, cookies=cookies))
        self.progress = Progress()
        return walk(self._request, self._engines[-1], self._count, self.progress)

    def _count(self, line: SourceLine | EntryLine) -> None:
        self._lines += 1
        self._emit(line)

    def _proxy(self) -> str | None:
        request = self._request
        if request.proxy is None or request.proxy_username is None or request.proxy_password is None:
            return request.proxy
        username, password = plain_value(request.proxy_username), plain_value(request.proxy_password)
        self.redact.add_credentials(username, password)
        return with_credentials(request.proxy, username, password)

    def _cookies(self) -> CookieJar | None:
        if self._request.cookies is None:
            return None
        try:
            jar = jar_of(self._request.cookies.encode())
        except AccessError as error:
            if self._request.cookies_mode is CookiesMode.ALWAYS:
                raise
            self.unreadable_cookies = error
            return None
        self.redact.add_cookies(jar)
        return jar
