"""Which listings a URL means.

A bare channel URL stands for its tabs, and each wanted tab is asked for by its own URL: yt-dlp itself would fetch all
of them at once, before the first entry is out, and a nothing-new check would cost three requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit, urlunsplit

from trawler_downloader.contract.listing import Kind

TABS = MappingProxyType({Kind.VIDEO: "videos", Kind.SHORT: "shorts", Kind.STREAM: "streams"})
KINDS = MappingProxyType({tab: kind for kind, tab in TABS.items()})

_HOSTS = frozenset({"youtube.com", "www.youtube.com", "m.youtube.com"})
_CHANNEL_PREFIXES = frozenset({"channel", "c", "user"})
_HOME_TABS = frozenset({"", "featured"})


class NotAListingError(ValueError):
    """The URL names nothing that can be subscribed to. The user must act."""


@dataclass(frozen=True)
class Planned:
    """One listing to walk."""

    url: str
    tab: str = ""
    """videos, shorts or streams of a YouTube channel; empty for everything else."""

    @property
    def kind(self) -> Kind | None:
        """What the tab holds; None where the entries tell."""
        return KINDS.get(self.tab)


def web_address(url: str) -> SplitResult:
    """The parts of an address that can be asked for.

    Raises:
        NotAListingError: another scheme, no host, or one that cannot be read.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname:
            return parts
    except ValueError:  # brackets of an IPv6 address that do not match, and the like
        pass
    msg = "The URL must begin with http:// or https:// and name a host."
    raise NotAListingError(msg)


def plan_listings(url: str, kinds: Sequence[Kind], *, is_channel: bool) -> tuple[Planned, ...]:
    """The listings that a URL means, in the order of the tabs on a channel's page.

    Args:
        url: http or https.
        kinds: tabs wanted of a bare channel; empty: its videos. A URL that names a tab means that tab alone.
        is_channel: yt-dlp's tab extractor takes this URL.

    Raises:
        NotAListingError: another scheme, or a tab that lists no videos.
    """
    parts = web_address(url)
    channel = _channel(parts) if is_channel else None
    if channel is None:
        return (Planned(url),)
    path, tab = channel
    if tab in KINDS:
        return (Planned(_tab_url(parts, path, tab), tab),)
    if tab not in _HOME_TABS:
        msg = f"The channel's tab /{tab} lists no videos: use the channel's URL, or its /videos, /shorts or /streams."
        raise NotAListingError(msg)
    wanted = [TABS[kind] for kind in Kind if kind in (kinds or (Kind.VIDEO,))]
    return tuple(Planned(_tab_url(parts, path, name), name) for name in wanted)


def _channel(parts: SplitResult) -> tuple[str, str] | None:
    """Path of the channel and its tab, or None: a playlist, a hashtag, or a host with rules of its own (music)."""
    if parts.hostname not in _HOSTS:
        return None
    segments = [segment for segment in parts.path.split("/") if segment]
    if not segments or segments[0] in {"playlist", "watch", "feed", "hashtag", "browse"}:
        return None
    length = 2 if segments[0] in _CHANNEL_PREFIXES else 1
    tab = segments[length] if len(segments) > length else ""
    return "/" + "/".join(segments[:length]), tab.lower()


def _tab_url(parts: SplitResult, path: str, tab: str) -> str:
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/{tab}", "", ""))
