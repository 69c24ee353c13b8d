"""What people read of an error, and what they never do."""

import re

import pytest
from yt_dlp.networking.exceptions import TransportError
from yt_dlp.utils import DownloadError

from trawler_downloader.contract.reasons import Reason
from trawler_downloader.outcomes import Classified, classify
from trawler_downloader.outcomes.messages import MAX_MESSAGE, missing_tool, without_secrets
from trawler_downloader.outcomes.rows import (
    ASKED_TO_STOP,
    FORMATS_MISSED,
    NETWORK,
    OF_THIS_MACHINE,
    PROXY,
    SITUATIONS,
)
from yt_dlp_errors import said


def test_an_unknown_error_keeps_its_own_words() -> None:
    """What yt-dlp adds for its command line and its bug tracker is not for our users."""
    text = "ERROR: [youtube] abc: Something odd happened; please report this issue on  https://site.test , filling out"
    assert classify(DownloadError(text)) == Classified(Reason.UNKNOWN, "Something odd happened")


def test_a_message_is_short() -> None:
    """A site cannot fill a condition with a page of text."""
    assert len(classify(said("x" * 5000)).message) == MAX_MESSAGE


def test_a_message_holds_no_password() -> None:
    """A proxy's user and password never reach a message."""
    found = classify(TransportError("odd answer of http://me:secret@proxy.test:3128/ received"))
    assert found.message == "odd answer of http://proxy.test:3128/ received"
    assert without_secrets("socks5://a:b@c:1") == "socks5://c:1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "Max retries exceeded with url: /videoplayback?expire=1&ip=192.0.2.1&sig=AB%2C (x)",
            "Max retries exceeded with url: /videoplayback?expire=…&ip=…&sig=… (x)",
            id="a signed address",
        ),
        pytest.param(
            "Unsupported URL: https://x.test/watch?v=abc&list=PL1&token=s",
            "Unsupported URL: https://x.test/watch?v=abc&list=PL1&token=…",
            id="what names the video stays",
        ),
        pytest.param("header 'Cookie': SID=secret; HSID=more", "header 'Cookie': …", id="a cookie"),
        pytest.param("Authorization: Bearer abc def", "Authorization: …", id="credentials"),
    ],
)
def test_no_secret_is_told(text: str, expected: str) -> None:
    """Messages stand in conditions, Events and ledgers, for all who may read them."""
    assert expected == without_secrets(text)


def test_half_a_character_in_a_message_is_replaced() -> None:
    """No JSON writer takes it, and the ending would get lost with it."""
    assert classify(said("Premieres soon \ud83d")).message == "Premieres soon ?"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Private video. Sign in if you've been granted access to this video", "The video is private."),
        ("This video is private", "The video is private."),
        ("This playlist is private.", "The playlist is private."),
    ],
)
def test_what_is_private_is_named(text: str, sentence: str) -> None:
    """A source's check ends with the sentence alone."""
    assert classify(DownloadError(text)).message == sentence


def test_every_sentence_for_people_names_its_subject() -> None:
    """It stands in conditions and Events, away from what it is about."""
    rows = (*ASKED_TO_STOP, *PROXY, *NETWORK, *OF_THIS_MACHINE, *SITUATIONS, *FORMATS_MISSED)
    assert [row.message for row in rows if re.match(r"(?:It|This|That|They|Not)\b", row.message or "")] == []


@pytest.mark.parametrize("tool", ["ffmpeg", "ffprobe"])
def test_an_image_that_lacks_a_program(tool: str) -> None:
    """Which one, and what to do."""
    assert missing_tool(tool).startswith(f"{tool} is missing in the downloader's image: use")
