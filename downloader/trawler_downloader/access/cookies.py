"""Cookies of a signed-in browser session, from the text of a cookies.txt into memory.

Parsed here and not by yt-dlp, whose errors repeat the offending line. The format is Netscape's as curl describes it:
seven fields separated by tabs, comments with `#`, and `#HttpOnly_` before cookies that scripts may not see. The jar is
never saved, so nothing is written anywhere: what a site renews during a launch is forgotten with it.
"""

from __future__ import annotations

import re
from http.cookiejar import Cookie, CookieJar

from yt_dlp.cookies import YoutubeDLCookieJar

from trawler_downloader.access.errors import AccessError
from trawler_downloader.contract.reasons import Reason

_SIGN_IN = frozenset({Reason.PRIVATE, Reason.MEMBERS_ONLY, Reason.AGE_RESTRICTED, Reason.LOGIN_REQUIRED})
_HTTP_ONLY = "#HttpOnly_"
_FIELDS = 7
_FLAGS = {"TRUE": True, "FALSE": False}
_EXPIRES = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,9})?")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_REFUSED = re.compile(r"cookies are no longer valid", re.IGNORECASE)


def jar_of(content: bytes) -> CookieJar:
    """The cookies of a cookies.txt.

    Raises:
        AccessError: a line that is no cookie, named by its number, or no cookie at all. Repeats nothing of the text.
    """
    jar: CookieJar = YoutubeDLCookieJar()
    for number, line in enumerate(_text(content).split("\n"), 1):
        cookie = _cookie(line.removesuffix("\r"), number)
        if cookie is not None:
            jar.set_cookie(cookie)
    if not len(jar):
        raise _malformed("it holds no cookie")
    return jar


def may_help(reason: str) -> bool:
    """Whether a site that refused for this reason might not refuse somebody who is signed in."""
    return reason in _SIGN_IN


def tells_of_refused_cookies(warning: str) -> bool:
    """Whether yt-dlp warns that the site ended the session behind the cookies (its YouTube extractors do)."""
    return _REFUSED.search(warning) is not None


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8 text") from None
    if text.lstrip()[:1] in {"[", "{"}:
        raise _malformed("it is JSON: export the cookies in Netscape's format")
    return text


def _cookie(line: str, number: int) -> Cookie | None:
    http_only = line.startswith(_HTTP_ONLY)
    line = line.removeprefix(_HTTP_ONLY)
    if not line.strip() or (line.startswith("#") and not http_only):
        return None
    fields = line.split("\t")
    if len(fields) != _FIELDS:
        raise _malformed(f"line {number} has {len(fields)} fields instead of {_FIELDS}, which tabs separate")
    domain, subdomains, path, secure, expires, name, value = fields
    if any(_UNPRINTABLE.search(field) for field in fields):
        raise _malformed(f"line {number} holds a control character")
    if not domain.strip(".") or " " in domain:
        raise _malformed(f"line {number} begins with no domain")
    if subdomains not in _FLAGS or secure not in _FLAGS:
        raise _malformed(f"line {number}: the second and fourth fields must be TRUE or FALSE")
    if expires and not _EXPIRES.fullmatch(expires):
        raise _malformed(f"line {number}: the fifth field, when the cookie expires, must be a number")
    until = int(float(expires or 0)) or None  # both nothing and 0 mean: as long as the session
    return Cookie(
        version=0,
        # A name alone stands in the place of the value.
        name=name or value,
        value=value if name else None,
        port=None,
        port_specified=False,
        domain=domain,
        domain_specified=_FLAGS[subdomains],
        domain_initial_dot=domain.startswith("."),
        path=path,
        path_specified=False,
        secure=_FLAGS[secure],
        expires=until,
        discard=until is None,
        comment=None,
        comment_url=None,
        rest={"HttpOnly": ""} if http_only else {},
    )


def _malformed(what: str) -> AccessError:
    return AccessError(Reason.COOKIES_MALFORMED, f"access.cookiesSecretRef, key cookies.txt: {what}")
