"""How a launch reaches its site: the proxy with its user and password, and the cookies, out of mounted Secrets.

What is wrong with a Secret is no fault of the video: once it is mended, the next launch takes it. Without a proxy's
login nothing can be had (Environment, which holds the other videos back), without cookies many videos (NeedsAccess).
"""

from __future__ import annotations

from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path

from trawler_downloader.access.cookies import jar_of
from trawler_downloader.access.errors import AccessError
from trawler_downloader.access.proxy import plain_value, with_credentials
from trawler_downloader.access.redaction import Redactor
from trawler_downloader.contract.download import DownloadRequest
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError


@dataclass
class CookieUse:
    """What became of the cookies of a launch."""

    used: bool = False
    """They were given to yt-dlp."""
    refused: bool = False
    """yt-dlp warned that the site no longer accepts them."""


@dataclass(frozen=True)
class SiteAccess:
    """What one launch may use.

    Args:
        request: what is asked for.
        cookies_file: where cookies are mounted.
        credentials: folder in which the proxy's user and password are mounted.
        redact: learns every secret that is read.
        use: is told of the cookies' fate.
    """

    request: DownloadRequest
    cookies_file: Path
    credentials: Path
    redact: Redactor
    use: CookieUse

    def proxy(self) -> str | None:
        """The proxy's URL, with user and password; None: there is none.

        Raises:
            LaunchError: Environment, user or password are missing or malformed.
        """
        proxy, secret = self.request.proxy, self._named(self.request.proxy_secret)
        if proxy is None or not self.request.proxy_credentials:
            return proxy
        try:
            username, password = (
                plain_value((self.credentials / key).read_text(encoding="utf-8")) for key in ("username", "password")
            )
            self.redact.add_credentials(username, password)
            return with_credentials(proxy, username, password)
        except OSError:
            text = f"{secret}, or one of its keys username and password, does not exist: create it or change "
            raise LaunchError(Reason.PROXY_CREDENTIALS_MISSING, text + "access.proxySecretRef") from None
        except UnicodeDecodeError:
            raise LaunchError(
                Reason.PROXY_CREDENTIALS_MALFORMED, f"{secret}: username and password must be UTF-8 text"
            ) from None
        except AccessError as error:
            raise LaunchError(error.reason, f"{secret}: {error.message}") from None

    def cookies(self) -> CookieJar:
        """The cookies.

        Raises:
            LaunchError: they are missing or malformed; names Secret, key and line, and repeats nothing of the text.
        """
        secret = self._named(self.request.cookies_secret)
        try:
            jar = jar_of(self.cookies_file.read_bytes())
        except OSError:
            text = f"{secret}, or its key cookies.txt, does not exist: create it or change access.cookiesSecretRef"
            raise LaunchError(Reason.COOKIES_MISSING, text) from None
        except AccessError as error:
            raise LaunchError(error.reason, f"{secret}: {error.message}") from None
        self.redact.add_cookies(jar)
        self.use.used = True
        return jar

    def _named(self, secret: str | None) -> str:
        return f"Secret {secret} of namespace {self.request.subscription.namespace}"
