"""Reading a cookies.txt: what is taken, and what is said of the rest, which is never what stands in it."""

from __future__ import annotations

import traceback

import pytest

from trawler_downloader.access.cookies import jar_of, may_help, tells_of_refused_cookies
from trawler_downloader.access.errors import AccessError

CANARY = "c4n4ry-s3cr3t"
GOOD = f".youtube.com\tTRUE\t/\tTRUE\t1893456000\tSID\t{CANARY}"


def test_cookies_are_what_a_browser_would_send() -> None:
    content = (
        "\ufeff# Netscape HTTP Cookie File\r\n\r\n"
        f"{GOOD}\r\n"
        "#HttpOnly_.youtube.com\tTRUE\t/\tTRUE\t0\tHSID\tb\r\n"
        "x.test\tFALSE\t/a\tFALSE\t\t\tvalue-alone\n"
        "#a.test\tTRUE\t/\tTRUE\t0\tcommented\tout"
    )
    found = {cookie.name: cookie for cookie in jar_of(content.encode())}
    assert set(found) == {"SID", "HSID", "value-alone"}
    sid, hsid, alone = found["SID"], found["HSID"], found["value-alone"]
    assert (sid.domain, sid.path, sid.secure, sid.expires, sid.value) == (".youtube.com", "/", True, 1893456000, CANARY)
    assert (hsid.expires, hsid.discard, hsid.has_nonstandard_attr("HttpOnly")) == (None, True, True)
    assert (alone.value, alone.domain_specified, alone.path) == (None, False, "/a")


def test_yt_dlp_sends_them_to_their_site_alone() -> None:
    jar = jar_of(GOOD.encode())
    assert jar.get_cookie_header("https://www.youtube.com/watch") == f"SID={CANARY}"
    assert jar.get_cookie_header("https://evil.test/") is None
    assert jar.get_cookie_header("http://www.youtube.com/") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "it holds no cookie", id="nothing"),
        pytest.param(b"# Netscape HTTP Cookie File\n", "it holds no cookie", id="a comment alone"),
        pytest.param(b'[{"name": "SID", "value": "c4n4ry-s3cr3t"}]', "it is JSON", id="another format"),
        pytest.param(b"c4n4ry-s3cr3t \xff\xfe", "it is not UTF-8 text", id="no text"),
        pytest.param(f"{GOOD}\nSID={CANARY}".encode(), "line 2 has 1 fields instead of 7", id="a header's form"),
        pytest.param(GOOD.replace("\t", " ").encode(), "line 1 has 1 fields", id="spaces for tabs"),
        pytest.param(f"{GOOD}\t{CANARY}".encode(), "line 1 has 8 fields", id="a field too many"),
        pytest.param(GOOD.replace(".youtube.com", "").encode(), "line 1 begins with no domain", id="no domain"),
        pytest.param(GOOD.replace("TRUE", CANARY, 1).encode(), "second and fourth fields", id="no flag"),
        pytest.param(GOOD.replace("1893456000", CANARY).encode(), "fifth field", id="no time"),
        pytest.param(f"{GOOD}\x07".encode(), "line 1 holds a control character", id="a control character"),
        pytest.param(f"\n\n{GOOD}\r{CANARY}".encode(), "line 3 holds a control character", id="a header smuggled in"),
    ],
)
def test_what_is_malformed_is_named_by_its_line_and_not_repeated(content: bytes, said: str) -> None:
    """Neither in the message nor in the traceback, with everything that was raised before it."""
    with pytest.raises(AccessError) as refused:
        jar_of(content)
    assert refused.value.reason == "CookiesMalformed"
    assert said in refused.value.message
    assert "access.cookiesSecretRef, key cookies.txt" in refused.value.message
    assert CANARY not in "".join(traceback.format_exception(refused.value))


def test_only_what_asks_for_a_sign_in_is_asked_again_with_cookies() -> None:
    assert may_help("AgeRestricted")
    assert not may_help("GeoRestricted")
    assert not may_help("VideoRemoved")


def test_yt_dlps_warning_of_a_session_that_ended() -> None:
    """In the words of its YouTube extractors."""
    assert tells_of_refused_cookies(
        "[youtube] The provided YouTube account cookies are no longer valid. They have likely been rotated in the "
        "browser as a security measure."
    )
    assert not tells_of_refused_cookies("[youtube] Falling back on generic information extractor")
