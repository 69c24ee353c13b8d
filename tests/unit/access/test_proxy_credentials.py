"""A proxy's user and password: into its URL, and out of every text."""

from __future__ import annotations

import logging
import sys
from urllib.parse import unquote, urlsplit

import pytest

from trawler_downloader.access.cookies import jar_of
from trawler_downloader.access.errors import AccessError
from trawler_downloader.access.proxy import plain_value, with_credentials
from trawler_downloader.access.redaction import RedactingFormatter, Redactor


@pytest.mark.parametrize("proxy", ["http://proxy:3128", "https://proxy:3128/", "socks5h://[fd00::1]:1080"])
@pytest.mark.parametrize("password", ["simple", "p@ss:w/o?r#d%", "pässwörd 1"])
def test_whatever_stands_in_a_password_the_url_leads_to_the_same_proxy(proxy: str, password: str) -> None:
    parts, plain = urlsplit(with_credentials(proxy, "m@e", password)), urlsplit(proxy)
    assert (parts.scheme, parts.hostname, parts.port) == (plain.scheme, plain.hostname, plain.port)
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == ("m@e", password)


@pytest.mark.parametrize(
    ("username", "password", "said"),
    [
        pytest.param("", "secret", "key username", id="no user"),
        pytest.param("me", "", "key password", id="no password"),
        pytest.param("me", "sec\nret", "key password must be one line", id="two lines"),
        pytest.param("m:e", "secret", "must not hold a colon", id="a user that ends early"),
    ],
)
def test_what_no_proxy_takes_is_named_and_not_repeated(username: str, password: str, said: str) -> None:
    with pytest.raises(AccessError, match=said) as refused:
        with_credentials("http://proxy:1", username, password)
    assert refused.value.reason == "ProxyCredentialsMalformed"
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("content", ["secret", "secret\n", "secret\r\n"])
def test_the_line_end_of_an_editor_is_no_part_of_a_value(content: str) -> None:
    assert plain_value(content) == "secret"


def test_secrets_are_masked_in_every_form_in_which_they_are_sent() -> None:
    redact = Redactor()
    redact.add_credentials("me", "p@ssword")
    redact.add_cookies(jar_of(b".a.test\tTRUE\t/\tTRUE\t0\tSID\tc4n4ry-value\n.a.test\tTRUE\t/\tTRUE\t0\tlang\ten\n"))
    text = "http://me:p%40ssword@proxy, Basic bWU6cEBzc3dvcmQ=, p@ssword, SID=c4n4ry-value; lang=en"
    assert redact(text) == "http://me:***@proxy, Basic ***, ***, SID=***; lang=en"


def test_a_password_that_is_part_of_every_word_is_left_to_the_code_that_logs_none() -> None:
    redact = Redactor()
    redact.add_credentials("me", "a")
    assert redact("a line") == "a line"


def test_log_lines_and_their_tracebacks_are_masked() -> None:
    redact = Redactor()
    redact.add_credentials("me", "secret")
    try:
        int("http://me:secret@proxy")
    except ValueError:
        about = sys.exc_info()
    record = logging.LogRecord("a", logging.ERROR, "a.py", 1, "no way to %s", ("http://me:secret@proxy",), about)
    line = RedactingFormatter("%(message)s", redact).format(record)
    assert line.startswith("no way to http://me:***@proxy\nTraceback")
    assert "secret" not in line
