"""The mounted Secrets of a launch: what they become, and what is said when they are not as they should be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trawler_downloader.access.redaction import Redactor
from trawler_downloader.contract.download import DownloadRequest, SubscriptionRef, VideoRef
from trawler_downloader.contract.listing import CookiesMode
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.site_access import CookieUse, SiteAccess

COOKIES = ".a.test\tTRUE\t/\tTRUE\t0\tSID\tc4n4ry-value\n"


def access(folder: Path, **fields: Any) -> SiteAccess:
    request = DownloadRequest(
        subscription=SubscriptionRef(namespace="tv", name="one"),
        video=VideoRef(key="youtube.a", id="a", url="https://x.test/a"),
        launch=1,
        **{"cookies": CookiesMode.ALWAYS, "cookies_secret": "my-cookies", **fields},
    )
    return SiteAccess(request, folder / "cookies.txt", folder, Redactor(), CookieUse())


def with_login(folder: Path, **fields: Any) -> SiteAccess:
    return access(folder, proxy="http://proxy:1", proxy_credentials=True, proxy_secret="my-vpn", **fields)


def test_cookies_are_read_once_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "cookies.txt").write_text(COOKIES)
    reached = access(tmp_path)
    assert not reached.use.used
    assert [cookie.name for cookie in reached.cookies()] == ["SID"]
    assert reached.use.used
    assert reached.redact("c4n4ry-value") == "***"


@pytest.mark.parametrize(
    ("content", "reason", "said"),
    [
        pytest.param(None, "CookiesMissing", "or its key cookies.txt, does not exist", id="missing"),
        pytest.param("c4n4ry", "CookiesMalformed", "line 1 has 1 fields", id="malformed"),
    ],
)
def test_cookies_that_cannot_be_used(tmp_path: Path, content: str | None, reason: str, said: str) -> None:
    """No fault of the video: once the Secret is mended, the next launch takes it."""
    if content is not None:
        (tmp_path / "cookies.txt").write_text(content)
    with pytest.raises(LaunchError) as ended:
        access(tmp_path).cookies()
    assert (ended.value.outcome, ended.value.reason) == (OutcomeClass.NEEDS_ACCESS, reason)
    assert ended.value.message.startswith("Secret my-cookies of namespace tv")
    assert said in ended.value.message
    assert "c4n4ry" not in ended.value.message


def test_user_and_password_are_put_into_the_proxys_url(tmp_path: Path) -> None:
    (tmp_path / "username").write_text("me\n")
    (tmp_path / "password").write_text("p@ssword\n")
    reached = with_login(tmp_path)
    assert reached.proxy() == "http://me:p%40ssword@proxy:1"
    assert reached.redact("p@ssword") == "***"


def test_without_a_secret_the_proxy_is_as_it_was_given(tmp_path: Path) -> None:
    assert (access(tmp_path, proxy="http://proxy:1").proxy(), access(tmp_path).proxy()) == ("http://proxy:1", None)


@pytest.mark.parametrize(
    ("files", "reason", "said"),
    [
        pytest.param({"username": b"me"}, "ProxyCredentialsMissing", "does not exist", id="no password"),
        pytest.param({"username": b"me", "password": b""}, "ProxyCredentialsMalformed", "key password", id="empty"),
        pytest.param({"username": b"me", "password": b"\xff"}, "ProxyCredentialsMalformed", "UTF-8", id="no text"),
    ],
)
def test_a_login_that_cannot_be_used(tmp_path: Path, files: dict[str, bytes], reason: str, said: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(LaunchError, match=said) as ended:
        with_login(tmp_path).proxy()
    assert (ended.value.outcome, ended.value.reason) == (OutcomeClass.ENVIRONMENT, reason)
    assert "Secret my-vpn of namespace tv" in ended.value.message
