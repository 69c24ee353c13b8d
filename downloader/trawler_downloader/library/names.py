"""Safe names for files and folders, from texts that strangers wrote.

A name made here is a single path component that every file system of a NAS can hold (ext4, ZFS, NTFS, exFAT; by NFS or
SMB), that cannot leave its folder, hide itself, or read differently from what it is. Reserved names and characters are
those of PyPI's pathvalidate; the rest are rules of our own.
"""

from __future__ import annotations

import re
import unicodedata

from pathvalidate import sanitize_filename

MAX_COMPONENT_BYTES = 255
"""NAME_MAX of Linux, counted in bytes of UTF-8; Windows counts 255 UTF-16 units, which is never less room."""

_READABLE = str.maketrans({"/": "-", "\\": "-", "|": "-", "<": "(", ">": ")", '"': "'", "*": "", "?": ""})
"""What would be dropped as illegal on Windows, but carries meaning for a reader."""

_COLON = re.compile(r"\s*:(?=\s|$)\s*")
_BLANKS = re.compile(r"\s+")
_JOINER = "\u200d"
_KEPT_FORMAT_CHARACTERS = frozenset({_JOINER, "\u200c"})
"""Joiners build emoji and Persian words. All other format characters go: overrides of the reading direction make
`gpj.exe` of `exe.jpg`, zero-width ones make two names look the same."""


def safe_component(text: str, fallback: str, max_bytes: int = MAX_COMPONENT_BYTES) -> str:
    """One path component that says as much of `text` as is safe, in NFC, at most `max_bytes` of UTF-8.

    Args:
        text: anything.
        fallback: used where nothing of `text` is left; goes through the same rules.
        max_bytes: at least 16.
    """
    return _sanitised(text, max_bytes) or _sanitised(fallback, max_bytes) or "unnamed"


def fold(path: str) -> str:
    """The form in which two paths are the same file on a case-insensitive, normalising file system."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def cut(text: str, max_bytes: int) -> str:
    """The longest beginning of `text` within `max_bytes` of UTF-8 that ends between two visible characters."""
    if len(text.encode()) <= max_bytes:
        return text
    end = len(text.encode()[:max_bytes].decode(errors="ignore"))
    while end > 0 and _continues(text, end):
        end -= 1
    return text[:end]


def _sanitised(text: str, max_bytes: int) -> str:
    text = unicodedata.normalize("NFC", text)
    text = "".join(_visible(character) for character in text)
    text = _COLON.sub(" - ", text).replace(":", "-").translate(_READABLE)
    text = _trimmed(_BLANKS.sub(" ", text))
    # The underscore of a reserved name may be added: room for it.
    text = _trimmed(cut(text, max_bytes - 1))
    # No limit of its own: pathvalidate cuts in the middle of characters.
    return sanitize_filename(text, platform="universal", max_len=4 * MAX_COMPONENT_BYTES)


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Cc", "Zl", "Zp"}:
        return " "
    if category == "Cs" or (category == "Cf" and character not in _KEPT_FORMAT_CHARACTERS):
        return ""
    return character


def _trimmed(text: str) -> str:
    """Without leading dots (hidden files, `..`) and trailing dots and blanks (Windows drops them silently)."""
    return text.strip().lstrip(". ").rstrip(". ")


def _continues(text: str, index: int) -> bool:
    """Whether the character at `index` belongs to the one before it, as an accent or a part of an emoji does."""
    character, before = text[index], text[index - 1]
    if _JOINER in (character, before) or unicodedata.combining(character):
        return True
    if "\ufe00" <= character <= "\ufe0f" or "\U0001f3fb" <= character <= "\U0001f3ff":
        return True  # variation selectors and skin tones
    if _is_regional(character):  # a flag is a pair of letters
        letters = 0
        while index > letters and _is_regional(text[index - letters - 1]):
            letters += 1
        return letters % 2 == 1
    return False


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
