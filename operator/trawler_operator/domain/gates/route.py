"""Which gates a download or a listing passes, and how fast one address may ask one site. Pure.

A site sees an address and, with cookies, an account; a volume sees whoever writes to it. So there are these kinds of
gates, each with a name that a ConfigMap takes as a key and that is the same in every process:

| kind | one for each |
|---|---|
| Egress | site and proxy: the address that the site sees, whatever the cookies |
| Cookies | site, proxy and cookie jar: one visitor of that site; no jar is a visitor, too |
| Volume | namespace and claim |
| Subscription | namespace and name: trouble that its other downloads would meet, and nobody else's |
| Hand | namespace and name: a person asked for a pause |

The Egress gate also keeps the address's budget: when downloads began lately, by the minute.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from trawler_operator.domain.sites import site_of

MAX_READABLE = 120
HASH_LENGTH = 10
_UNREADABLE = re.compile(r"[^-_a-zA-Z0-9.]")


class GateKind(StrEnum):
    """What a gate stands before."""

    EGRESS = "Egress"
    COOKIES = "Cookies"
    VOLUME = "Volume"
    SUBSCRIPTION = "Subscription"
    HAND = "Hand"


@dataclass(frozen=True, slots=True)
class GateId:
    """Which gate.

    Args:
        kind: what it stands before.
        site: registrable domain, with Egress and Cookies.
        proxy: URL, empty for none, with Egress and Cookies.
        cookies: `namespace/secret`, empty for none, with Cookies.
        claim: `namespace/claim`, with Volume.
        subscription: `namespace/name`, with Subscription and Hand.
    """

    kind: GateKind
    site: str = ""
    proxy: str = ""
    cookies: str = ""
    claim: str = ""
    subscription: str = ""

    @property
    def is_shared(self) -> bool:
        """Whether other Subscriptions pass it, too: those are kept in one ConfigMap, the others in their status."""
        return not self.subscription

    @property
    def name(self) -> str:
        """Its key in the ConfigMap, e.g. `egress.youtube.com.0f4c9d21a7`: readable, and distinct by the hash."""
        return _name(self)

    @property
    def crosses_namespaces(self) -> bool:
        """Whether Subscriptions of several namespaces may stand behind it: it is of no claim, jar or Subscription."""
        return not (self.claim or self.cookies or self.subscription)

    def __str__(self) -> str:
        """For people."""
        if self.kind is GateKind.VOLUME:
            return f"claim {self.claim}"
        if not self.is_shared:
            return f"Subscription {self.subscription}"
        through = f" through {self.proxy}" if self.proxy else ""
        jar = f" with cookies {self.cookies}" if self.cookies else ""
        return f"{self.site}{through}{jar}"


@lru_cache(maxsize=16_384)
def _name(gate: GateId) -> str:
    # Asked for again and again: by each look at the line, of each Subscription in it.
    parts = (gate.kind.value, gate.site, gate.proxy, gate.cookies, gate.claim, gate.subscription)
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH]
    subject = _UNREADABLE.sub("_", (gate.site or gate.claim or gate.subscription).replace("/", "."))[:MAX_READABLE]
    return f"{gate.kind.lower()}.{subject}.{digest}"


@dataclass(frozen=True, slots=True)
class Route:
    """What a launch passes.

    Args:
        egress: its Egress gate, which also keeps the budget.
        cookies: its Cookies gate.
        volume: its Volume gate; None for a listing.
        own: those of the Subscription alone; none for a listing.
    """

    egress: GateId
    cookies: GateId
    volume: GateId | None = None
    own: tuple[GateId, ...] = ()

    @property
    def gates(self) -> tuple[GateId, ...]:
        """All of them."""
        return (*self.shared, *self.own)

    @property
    def shared(self) -> tuple[GateId, ...]:
        """Those that other Subscriptions pass, too."""
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


def download_route(url: str, proxy: str, claim: str, subscription: str, cookies: str = "") -> Route:
    """What a download passes.

    Args:
        url: of the video: a listing may name videos of another site than its own.
        proxy: its URL; empty for none.
        claim: `namespace/claim` that it writes to.
        subscription: `namespace/name`.
        cookies: `namespace/secret`; empty for none.
    """
    asked = listing_route(url, proxy, cookies)
    return Route(asked.egress, asked.cookies, volume_gate(claim), own_gates(subscription))


def own_gates(subscription: str) -> tuple[GateId, GateId]:
    """The gates of one Subscription, `namespace/name`, alone: for its own trouble, and for a pause by hand."""
    kinds = (GateKind.SUBSCRIPTION, GateKind.HAND)
    trouble, hand = (GateId(kind, subscription=subscription) for kind in kinds)
    return trouble, hand


def volume_gate(claim: str) -> GateId:
    """The gate before what is on a claim, `namespace/claim`."""
    return GateId(GateKind.VOLUME, claim=claim)
