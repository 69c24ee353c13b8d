"""Secrets taken out of texts: the last line of defence behind code that puts none in."""

from __future__ import annotations

import base64
import logging
from http.cookiejar import CookieJar
from urllib.parse import quote

MASK = "***"
MIN_PASSWORD = 4
"""Characters. Of a shorter one every line would be full of marks that tell it."""
MIN_COOKIE_VALUE = 8
"""Shorter values are settings (a language, a flag) and words of ordinary messages."""


class Redactor:
    """Knows the secrets of a launch or listing, and replaces them in whatever is about to leave the process."""

    def __init__(self) -> None:
        self._secrets: list[str] = []

    def add_credentials(self, username: str, password: str) -> None:
        """A proxy's password, in every form in which it is sent."""
        if len(password) >= MIN_PASSWORD:
            basic = base64.b64encode(f"{username}:{password}".encode()).decode()
            self._add(password, quote(password, safe=""), basic)

    def add_cookies(self, jar: CookieJar) -> None:
        """The values of cookies."""
        self._add(*(cookie.value for cookie in jar if cookie.value and len(cookie.value) >= MIN_COOKIE_VALUE))

    def __call__(self, text: str) -> str:
        """The text without them."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        return text

    def _add(self, *secrets: str) -> None:
        # The longest first: one may be a part of another.
        self._secrets = sorted({*self._secrets, *secrets}, key=len, reverse=True)


class RedactingFormatter(logging.Formatter):
    """Formats records, tracebacks included, without the secrets."""

    def __init__(self, layout: str, redact: Redactor) -> None:
        """Arguments: the layout of a line, and what knows the secrets."""
        super().__init__(layout)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """A line, or several."""
        return self._redact(super().format(record))
