"""Names from texts of strangers."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trawler_downloader.library.names import MAX_COMPONENT_BYTES, cut, fold, safe_component


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("A plain title", "A plain title", id="a plain title stays"),
        pytest.param("..", "fallback", id="the parent folder"),
        pytest.param("...", "fallback", id="dots only"),
        pytest.param("", "fallback", id="nothing"),
        pytest.param("  \t\n ", "fallback", id="blanks only"),
        pytest.param(".hidden", "hidden", id="a leading dot would hide it"),
        pytest.param("../../etc/passwd", "-..-etc-passwd", id="a path out of the root"),
        pytest.param("AC/DC", "AC-DC", id="a slash"),
        pytest.param("C:\\temp", "C-temp".replace("-t", "--t"), id="a Windows path"),
        pytest.param("Part 1: the start", "Part 1 - the start", id="a colon in a sentence"),
        pytest.param("at 12:30", "at 12-30", id="a colon in a time"),
        pytest.param('Why? "Because" <he> * said|so', "Why 'Because' (he) said-so", id="characters of Windows"),
        pytest.param("ends with dots...", "ends with dots", id="trailing dots"),
        pytest.param("ends with blanks   ", "ends with blanks", id="trailing blanks"),
        pytest.param("two\n\nlines\x00\x07", "two lines", id="control characters"),
        pytest.param("gpj.\u202eexe", "gpj.exe", id="a right-to-left override"),
        pytest.param("zero\u200bwidth\ufeff", "zerowidth", id="invisible characters"),
        pytest.param("broken \ud800 half", "broken half", id="a lone surrogate"),
        pytest.param("CON", "CON_", id="a device of Windows"),
        pytest.param("nul.txt", "nul_.txt", id="a device of Windows with a suffix"),
        pytest.param("cafe\u0301", "café", id="decomposed accents are composed"),
        pytest.param("👩‍👩‍👧 family", "👩‍👩‍👧 family", id="a joined emoji stays whole"),
        pytest.param("می‌خواهم", "می‌خواهم", id="a Persian non-joiner stays"),
    ],
)
def test_a_name_is_safe_and_readable(text, expected):
    assert expected == safe_component(text, "fallback")


def test_a_fallback_goes_through_the_same_rules_and_there_is_a_last_one():
    assert safe_component("..", "../x") == "-x"
    assert safe_component("..", "..") == "unnamed"


@pytest.mark.parametrize(
    ("text", "max_bytes", "expected"),
    [
        pytest.param("short", 10, "short", id="it fits"),
        pytest.param("é" * 300, 255, "é" * 127, id="two-byte characters are not split"),
        pytest.param("e\u0301" * 3, 5, "e\u0301", id="an accent stays with its letter"),
        pytest.param("a👩‍👩‍👧", 10, "a", id="a joined emoji goes as a whole"),
        pytest.param("ab👍🏽", 6, "ab", id="a skin tone stays with its hand"),
        pytest.param("ab❤️", 5, "ab", id="a variation selector stays with its sign"),
        pytest.param("🇩🇪🇫🇷", 12, "🇩🇪", id="half a flag is none"),
        pytest.param("🇩🇪🇫🇷", 8, "🇩🇪", id="a flag fits"),
        pytest.param("👩‍👩", 6, "", id="nothing whole fits"),
    ],
)
def test_a_cut_ends_between_visible_characters(text, max_bytes, expected):
    assert expected == cut(text, max_bytes)


@settings(max_examples=200)
@given(st.text(), st.integers(min_value=16, max_value=MAX_COMPONENT_BYTES))
def test_every_text_becomes_one_component_that_fits(text, max_bytes):
    """Whatever the text: one component, within the limit, neither hidden nor a way out, and the same when repeated."""
    name = safe_component(text, "fallback", max_bytes)
    assert 0 < len(name.encode()) <= max_bytes
    assert "/" not in name
    assert "\\" not in name
    assert not name.startswith(".")
    assert not name.endswith((".", " "))
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in name)
    assert name == unicodedata.normalize("NFC", name)
    assert name == safe_component(name, "fallback", max_bytes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Straße", "STRASSE", id="upper case that is longer"),
        pytest.param("caf\u00e9", "CAFE\u0301", id="composed and decomposed"),
        pytest.param("A/B", "a/b", id="every part of a path"),
    ],
)
def test_names_that_a_nas_takes_for_one_fold_to_one(one, other):
    assert fold(one) == fold(other)


def test_different_names_stay_different():
    assert fold("a") != fold("b")
