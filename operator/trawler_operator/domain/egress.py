"""Which gates a download or a listing passes, and how fast one address may ask one site. Pure.

A site sees an address and, with cookies, an account; a volume sees whoever writes to it. So there are three kinds of
gates, each with a name that a ConfigMap takes as a key and that is the same in every process:

| kind | one for each |
|---|---|
| Egress | site and proxy: the address that the site sees, whatever the cookies |
| Cookies | site, proxy and cookie jar: one visitor of that site; no jar is a visitor, too |
| Volume | namespace and claim |

The Egress gate also keeps the address's budget: when downloads began lately, by the minute.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

CLOCK_TOLERANCE = timedelta(minutes=5)
"""A clock that is set back by less only makes waits longer; by more, and what lies in the future counts as past."""
MAX_READABLE = 120
HASH_LENGTH = 10
WINDOW = timedelta(hours=1)
_MINUTE = 60
_SAME_SITE = {"youtu.be": "youtube.com", "youtube-nocookie.com": "youtube.com"}
"""Domains that one site answers under (yt-dlp's own extractor takes them for one)."""
_HOST = re.compile(r"[a-zA-Z][-+.a-zA-Z0-9]*://(?:[^/?#@]*@)?(\[[0-9a-fA-F:.]+\]|[^/?#@:\[\]]+)")
_UNREADABLE = re.compile(r"[^-_a-zA-Z0-9.]")


class GateKind(StrEnum):
    """What a gate stands before."""

    EGRESS = "Egress"
    COOKIES = "Cookies"
    VOLUME = "Volume"


@dataclass(frozen=True, slots=True)
class GateId:
    """Which gate.

    Args:
        kind: what it stands before.
        site: registrable domain, with Egress and Cookies.
        proxy: URL, empty for none, with Egress and Cookies.
        cookies: `namespace/secret`, empty for none, with Cookies.
        claim: `namespace/claim`, with Volume.
    """

    kind: GateKind
    site: str = ""
    proxy: str = ""
    cookies: str = ""
    claim: str = ""

    @property
    def name(self) -> str:
        """Its key in the ConfigMap, e.g. `egress.youtube.com.0f4c9d21a7`: readable, and distinct by the hash."""
        parts = (self.kind.value, self.site, self.proxy, self.cookies, self.claim)
        identity = "\0".join(parts)
        digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH]
        subject = _UNREADABLE.sub("_", (self.site or self.claim).replace("/", "."))[:MAX_READABLE]
        return f"{self.kind.lower()}.{subject}.{digest}"

    def __str__(self) -> str:
        """For people."""
        if self.kind is GateKind.VOLUME:
            return f"claim {self.claim}"
        through = f" through {self.proxy}" if self.proxy else ""
        jar = f" with cookies {self.cookies}" if self.cookies else ""
        return f"{self.site}{through}{jar}"


@dataclass(frozen=True, slots=True)
class Route:
    """What a launch passes.

    Args:
        egress: its Egress gate, which also keeps the budget.
        cookies: its Cookies gate.
        volume: its Volume gate; None for a listing.
    """

    egress: GateId
    cookies: GateId
    volume: GateId | None = None

    @property
    def gates(self) -> tuple[GateId, ...]:
        """All of them."""
        return (self.egress, self.cookies, *([self.volume] if self.volume else ()))


def listing_route(url: str, proxy: str, cookies: str = "") -> Route:
    """What a listing passes.

    Args:
        url: of the source.
        proxy: its URL; empty for none.
        cookies: `namespace/secret`; empty for none.
    """
    site = site_of(url)
    return Route(GateId(GateKind.EGRESS, site, proxy), GateId(GateKind.COOKIES, site, proxy, cookies))


def download_route(url: str, proxy: str, claim: str, cookies: str = "") -> Route:
    """What a download passes.

    Args:
        url: of the video: a listing may name videos of another site than its own.
        proxy: its URL; empty for none.
        claim: `namespace/claim` that it writes to.
        cookies: `namespace/secret`; empty for none.
    """
    asked = listing_route(url, proxy, cookies)
    return Route(asked.egress, asked.cookies, volume_gate(claim))


def volume_gate(claim: str) -> GateId:
    """The gate before what is on a claim, `namespace/claim`."""
    return GateId(GateKind.VOLUME, claim=claim)


def site_of(url: str) -> str:
    """The registrable domain of a URL (publicsuffix.org), e.g. `youtube.com`; of a host that has none, the host.

    What is no URL counts as one site without a name: yt-dlp will say what is wrong with it.
    """
    # Not urlsplit, which takes most of a pass over ten thousand videos.
    found = _HOST.match(url)
    return _registrable(found[1].strip("[]").rstrip(".").lower()) if found else ""


@lru_cache(maxsize=1024)
def _registrable(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        domain = _suffixes().privatesuffix(host) or host
    return _SAME_SITE.get(domain, domain)


@cache
def _suffixes() -> PublicSuffixList:
    # 9,000 rules, bundled with the library: 2 MiB and 60 ms, once.
    return PublicSuffixList()


@dataclass(frozen=True, slots=True)
class BudgetLimits:
    """How much of a site's patience one address uses; chart values.

    Args:
        max_parallel: downloads at a time.
        max_per_hour: downloads that begin within any hour.
        spacing: least time between two beginnings.
    """

    max_parallel: int
    max_per_hour: int
    spacing: timedelta


@dataclass(frozen=True, slots=True)
class Budget:
    """When downloads of one egress began lately.

    By the minute, so that a generous limit does not make a long list; a minute counts until it is over for an hour, so
    the limit is kept to the minute and never exceeded.

    Args:
        starts: beginning of a minute (Unix seconds) → downloads that began in it.
        last: when the last one began.
    """

    starts: Mapping[int, int]
    last: datetime | None = None

    def begun(self, now: datetime) -> int:
        """How many count against the hour's limit."""
        return sum(self._counting(now).values())

    def earliest(self, limits: BudgetLimits, now: datetime) -> datetime:
        """When the next download may begin; `now` at the earliest."""
        at = now
        if self.last is not None and self.last <= now + CLOCK_TOLERANCE:
            at = max(at, self.last + limits.spacing)
        counting = self._counting(now)
        excess = sum(counting.values()) - limits.max_per_hour
        for minute in sorted(counting):
            if excess < 0:
                break
            excess -= counting[minute]
            over = datetime.fromtimestamp(minute + _MINUTE, now.tzinfo) + WINDOW
            at = max(at, over)
        return at

    def spend(self, count: int, now: datetime) -> Budget:
        """The budget after so many downloads began."""
        minute = int(now.timestamp()) // _MINUTE * _MINUTE
        counting = self._counting(now)
        return Budget({**counting, minute: counting.get(minute, 0) + count}, now)

    def is_idle(self, now: datetime) -> bool:
        """Nothing of it counts any more."""
        return not self._counting(now)

    def _counting(self, now: datetime) -> dict[int, int]:
        oldest = (now - WINDOW).timestamp() - _MINUTE
        newest = (now + CLOCK_TOLERANCE).timestamp()
        return {minute: count for minute, count in self.starts.items() if oldest < minute <= newest}
