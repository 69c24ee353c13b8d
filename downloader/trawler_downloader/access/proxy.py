"""A proxy's user and password, put into its URL in memory: that URL goes into no log, no argument, no environment."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from trawler_downloader.access.errors import AccessError
from trawler_downloader.contract.reasons import Reason


def with_credentials(proxy: str, username: str, password: str) -> str:
    """The proxy's URL with user and password, percent-encoded.

    Raises:
        AccessError: a value that no proxy can take; repeats nothing of it.
    """
    for key, value in (("username", username), ("password", password)):
        if not value or any(character < " " or character == "\x7f" for character in value):
            raise _malformed(f"key {key} must be one line of text, and not empty")
    if ":" in username:
        raise _malformed("key username must not hold a colon, which ends it in HTTP")
    parts = urlsplit(proxy)
    userinfo = f"{quote(username, safe='')}:{quote(password, safe='')}"
    return urlunsplit(parts._replace(netloc=f"{userinfo}@{parts.netloc}"))


def plain_value(content: str) -> str:
    """The value in a file or Secret, without the line end that editors and `echo` leave behind."""
    return content.removesuffix("\n").removesuffix("\r")


def _malformed(what: str) -> AccessError:
    return AccessError(Reason.PROXY_CREDENTIALS_MALFORMED, f"access.proxySecretRef: {what}")
