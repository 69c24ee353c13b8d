"""From an error's own words to one line for people, without what is not theirs to read."""

from __future__ import annotations

import re

MAX_MESSAGE = 500
"""Characters of a message for people."""

_USERINFO = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY_VALUE = re.compile(r"([?&](?!(?:v|list)=)[\w.%\[\]-]+=)[^\s&'\"<>)\]]+")
"""Addresses of media are signed, and name the user's own address; `v` and `list` say which video or playlist it is."""
_COOKIE_HEADER = re.compile(r"((?:Cookie|Authorization)['\"]?\s*[:=]).*", re.IGNORECASE)
_NOISE = (
    re.compile(r"\x1b\[[0-9;]*m"),
    re.compile(r"^\s*ERROR:\s*"),
    re.compile(r"^\[[\w:.+-]+\]\s+(?:[^\s:]+:\s+)?"),
    re.compile(r"[;,.]?\s*please report this issue on.*", re.DOTALL),
    re.compile(r"\s*Use --(?:cookies|username|list-formats).*", re.DOTALL),
    re.compile(r"\s*You might want to use a VPN.*", re.DOTALL),
    re.compile(r"\s*\(caused by .*", re.DOTALL),
)
_NAMES = (
    re.compile(r"https?://\S+"),
    re.compile(r"^(?:ERROR:\s*)?\[[\w:.+-]+\]\s+\S+:(?=\s)"),  # yt-dlp's own prefix, [extractor] id:
    re.compile(r"(?<=claim by ).*"),
    re.compile(r"(?<=content from ).*(?= blocked it)"),
    re.compile(r"(?<=members on level).*"),
)
"""Where YouTube's sentences, and yt-dlp's, have names in them."""


def clean_message(text: str) -> str:
    """One line for people: yt-dlp's prefixes, advice for its command line, bug-report texts and secrets taken out."""
    for noise in _NOISE:
        text = noise.sub("", text)
    return one_line(text)


def without_names(text: str) -> str:
    """The text without addresses, ids, and names of owners and of members' levels: what people made up says nothing.

    A channel's owner may call a level "HTTP Error 429", and an id be `how-captcha-works`.
    """
    for name in _NAMES:
        text = name.sub("", text)
    return text


def one_line(text: str) -> str:
    """The text as one line of at most MAX_MESSAGE characters, without secrets."""
    # Without lone surrogates, which no JSON writer takes.
    text = without_secrets(" ".join(text.split())).encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def without_secrets(text: str) -> str:
    """The text without users and passwords in URLs, values of their queries, cookies and credentials."""
    return _COOKIE_HEADER.sub(r"\1 …", _QUERY_VALUE.sub(r"\1…", _USERINFO.sub("", text)))


def missing_tool(tool: str) -> str:
    """What is wrong with an image that lacks a program, and what to do."""
    return f"{tool} is missing in the downloader's image: use the image of this release (chart value downloader.image)."
