"""Ledger values: what is written is read back, nothing outgrows its room, nonsense is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import NOON, ledger_entry
from trawler_downloader.contract.download import FollowUpKind
from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.domain.ledger.codec import (
    HARD_VALUE_BYTES,
    MAX_VALUE_BYTES,
    InvalidEntryError,
    cut_bytes,
    decode_entry,
    encode_entry,
)
from trawler_operator.domain.ledger.entry import FollowUp, Found, LaunchTimes, LedgerEntry, Sighting

FULL = ledger_entry(
    LedgerState.SUCCEEDED,
    kind=Kind.STREAM,
    published_date="2026-11-20",
    duration_seconds=61,
    launches=3,
    failures=1,
    deferrals=2,
    retry_at=NOON + timedelta(hours=1),
    outcome=OutcomeClass.PUBLISHED,
    reason="Published",
    message="as it should be",
    built_from="0f4c9d21a7b3e865",
    path="Numberline/Season 26/What is a number? (S26E1120).mp4",
    claim="library",
    bytes=123_456_789_012,
    engine="2026.10.26",
    found=Found.BACK_CATALOGUE,
    also_in=(Sighting("youtubetab.UCnumber.streams", 9), Sighting("youtubetab.PLnumber", 12)),
    times=LaunchTimes(NOON, NOON, NOON, NOON, NOON, NOON),
    follow_up=FollowUp(FollowUpKind.THUMBNAIL, NOON + timedelta(days=1), tries=2, claimed=NOON),
)


@pytest.mark.parametrize("entry", [FULL, ledger_entry(), ledger_entry(LedgerState.PENDING, launches=0, title=None)])
def test_round_trip(entry: LedgerEntry) -> None:
    """Every field comes back."""
    assert entry == decode_entry(encode_entry(entry))


def test_readable() -> None:
    """A person who edits the ConfigMap sees names, titles and times, not escapes and numbers."""
    text = encode_entry(replace(FULL, title="数とは何か"))
    assert "数とは何か" in text
    assert '"state":"Succeeded"' in text
    assert "2026-11-21T12:00:00Z" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("title", "message"),
    [
        pytest.param("é" * 300, "x", id="a long title of two-byte characters"),
        pytest.param("🎬" * 300, "🎬" * 2000, id="emoji everywhere"),
        pytest.param('"\\' * 500, "\x00\x1f" * 500, id="characters that JSON escapes"),
        pytest.param("\ud800broken", "\udfff", id="lone surrogates"),
    ],
)
def test_fits(title: str, message: str) -> None:
    """Titles and messages give way, everything else stays."""
    plain = replace(FULL, title=title, message=message, follow_up=None)
    text = encode_entry(plain)
    assert len(text.encode()) <= MAX_VALUE_BYTES
    assert replace(plain, title=None, message=None) == replace(decode_entry(text), title=None, message=None)


def test_a_follow_up_cuts_nothing() -> None:
    """It comes and goes, and a title that had to make room for it would stay cut."""
    plain = decode_entry(encode_entry(replace(FULL, title="数" * 80, message="m" * 600, follow_up=None)))
    assert len(encode_entry(plain).encode()) > MAX_VALUE_BYTES - 10
    followed_up = replace(plain, follow_up=FULL.follow_up)
    assert decode_entry(encode_entry(followed_up)) == followed_up


@given(title=st.text(max_size=400), message=st.text(max_size=2000), path=st.text(max_size=150))
def test_any_text_fits(title: str, message: str, path: str) -> None:
    """Whatever a site calls a video."""
    text = encode_entry(replace(FULL, title=title, message=message, path=path.replace("\ud800", "")))
    assert len(text.encode()) <= HARD_VALUE_BYTES
    assert decode_entry(text).seq == FULL.seq


def test_long_url_is_kept() -> None:
    """What identifies a video is never cut; its title is."""
    entry = ledger_entry(url="https://example.com/" + "u" * 2000)
    decoded = decode_entry(encode_entry(entry))
    assert (entry.url, None) == (decoded.url, decoded.title)


def test_a_video_that_a_hand_asks_for_again() -> None:
    """Another state in the line is enough: what was to be added to the old file is forgotten with it."""
    value = {**json.loads(encode_entry(FULL)), "state": "Pending"}
    decoded = decode_entry(json.dumps(value))
    assert (decoded.state, decoded.follow_up) == (LedgerState.PENDING, None)


def test_too_long_at_all() -> None:
    """A value that a hand made longer than the operator ever does is not read: it is reported, and left alone."""
    with pytest.raises(InvalidEntryError, match="4096"):
        decode_entry(encode_entry(ledger_entry(url="u" * 5000)))


def test_a_path_that_does_not_fit() -> None:
    """Its end tells most; the manifest on the volume has it whole. What identifies the video stays."""
    path = "/".join(f"{part:é>200}" for part in range(9)) + "/The end.mp4"
    full = replace(FULL, url="u" * 1900, path=path)
    decoded = decode_entry(encode_entry(full))
    assert decoded.path is not None
    assert decoded.path.startswith("…/")
    assert path.endswith(decoded.path.removeprefix("…"))
    assert len(decoded.path) > 500
    assert (decoded.url, decoded.id) == (full.url, full.id)


def test_a_path_of_one_long_name() -> None:
    """Nothing to cut it at."""
    decoded = decode_entry(encode_entry(replace(FULL, url="u" * 1900, path="x" * 3000)))
    assert decoded.path is not None
    assert set(decoded.path) == {"…", "/", "x"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"state": "Sucess"}, "state", id="unknown state"),
        pytest.param({"seq": -1}, "seq", id="negative number"),
        pytest.param({"retryAt": "tomorrow"}, "retryAt", id="no time"),
        pytest.param({"retryAt": "2026-11-21T12:00:00"}, "retryAt", id="a time without a zone"),
        pytest.param({"url": None}, "url", id="no address"),
        pytest.param({"seq": 10**30}, "seq", id="a number that no index holds"),
        pytest.param({"addedAt": "0001-01-01T00:00:00+05:00"}, "addedAt", id="a time before all clocks"),
        pytest.param({"retryAt": "9999-12-31T23:59:59-05:00"}, "retryAt", id="a time after all clocks"),
        pytest.param({"launches": 0, "state": "Running"}, "launches", id="running without a launch"),
        pytest.param({"launches": 0}, "launches", id="a follow-up under way without a launch"),
        pytest.param({"followUp": {"kind": "Poster", "at": "2026-11-21T12:00:00Z"}}, "kind", id="unknown follow-up"),
        pytest.param({"followUp": {"kind": "Thumbnail"}}, "followUp.at", id="a follow-up without a time"),
    ],
)
def test_broken_values(change: dict[str, object], said: str) -> None:
    """The error names the field."""
    value = {**json.loads(encode_entry(FULL)), **change}
    with pytest.raises(InvalidEntryError, match=said):
        decode_entry(json.dumps(value))


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "Succeeded", '{"state":'])
def test_no_json(text: str) -> None:
    """Anything but a JSON object is refused."""
    with pytest.raises(InvalidEntryError):
        decode_entry(text)


def test_unknown_fields_are_ignored() -> None:
    """A value of a newer version is read as far as it is understood."""
    value = {**json.loads(encode_entry(FULL)), "stars": 5}
    assert decode_entry(json.dumps(value)) == FULL


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [(None, 5, None), ("", 5, None), ("abc", 5, "abc"), ("ééé", 5, "éé"), ("🎬", 3, None), ("abc", 0, None)],
)
def test_cut_bytes(text: str | None, limit: int, expected: str | None) -> None:
    """Cut at a character's border."""
    assert expected == cut_bytes(text, limit)


@pytest.mark.parametrize(
    ("title", "shown"),
    [("What is a number?", "What is a number? (youtube.x)"), (None, "youtube.x")],
    ids=["with a title", "before one is known"],
)
def test_a_video_is_shown_by_title_and_key(title: str | None, shown: str) -> None:
    """People know the one, requests by annotation take the other."""
    assert ledger_entry(title=title).shown("youtube.x") == shown
