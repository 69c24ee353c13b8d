"""Which gates a download or a listing passes. Pure.

A site sees an address and, with cookies, an account. A volume sees whoever writes to it. So there are five kinds of
gates. A gate's name is a valid key of a ConfigMap and the same in every process.

| kind | one for each |
|---|---|
| Egress | site and proxy: the address that the site sees, whatever the cookies |
| Cookies | site, proxy and cookie jar: one visitor of that site; without a jar it is a visitor, too |
| Volume | namespace and claim |
| Subscription | namespace and name: trouble that its other downloads would meet, and nobody else's would |
| Hand | namespace and name: a person asked for a pause |

The Egress gate also holds the address's budget: when downloads began lately, by the minute.
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
    """What a gate protects."""

    EGRESS = "Egress"
    COOKIES = "Cookies"
    VOLUME = "Volume"
    SUBSCRIPTION = "Subscription"
    HAND = "Hand"


@dataclass(frozen=True, slots=True)
class GateId:
    """Which gate.

    Args:
        kind: what it protects.
        site: registrable domain; for Egress and Cookies.
        proxy: URL, empty for none; for Egress and Cookies.
        cookies: `namespace/secret`, empty for none; for Cookies.
        claim: `namespace/claim`; for Volume.
        subscription: `namespace/name`; for Subscription and Hand.
    """

    kind: GateKind
    site: str = ""
    proxy: str = ""
    cookies: str = ""
    claim: str = ""
    subscription: str = ""

    @property
    def is_shared(self) -> bool:
        """Whether other Subscriptions pass it, too. One ConfigMap holds these gates; the others are in statuses."""
        return not self.subscription

    @property
    def name(self) -> str:
        """Its key in the ConfigMap, e.g. `egress.youtube.com.0f4c9d21a7`: readable, and unique by the hash."""
        return _name(self)

    @property
    def crosses_namespaces(self) -> bool:
        """Whether Subscriptions of several namespaces may stand behind it: it has no claim, jar or Subscription."""
        return not (self.claim or self.cookies or self.subscription)

    def __str__(self) -> str:
        """The gate's subject as text for people."""
        if self.kind is GateKind.VOLUME:
            return f"claim {self.claim}"
        if not self.is_shared:
            return f"Subscription {self.subscription}"
        through = f" through {self.proxy}" if self.proxy else ""
        jar = f" with cookies {self.cookies}" if self.cookies else ""
        return f"{self.site}{through}{jar}"


@lru_cache(maxsize=16_384)
def _name(gate: GateId) -> str:
    # Cached, because each look at the line asks for the names of all Subscriptions in it.
    parts = (gate.kind.value, gate.site, gate.proxy, gate.cookies, gate.claim, gate.subscription)
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:HASH_LENGTH]
    subject = _UNREADABLE.sub("_", (gate.site or gate.claim or gate.subscription).replace("/", "."))[:MAX_READABLE]
    return f"{gate.kind.lower()}.{subject}.{digest}"


@dataclass(frozen=True, slots=True)
class Route:
    """The gates that a launch or listing passes.

    Args:
        egress: its Egress gate, which also holds the budget.
        cookies: its Cookies gate.
        volume: its Volume gate; None for a listing.
        own: the gates of its Subscription alone; none for a listing.
    """

    egress: GateId
    cookies: GateId
    volume: GateId | None = None
    own: tuple[GateId, ...] = ()

    @property
    def gates(self) -> tuple[GateId, ...]:
        """All gates of the route."""
        return (*self.shared, *self.own)

    @property
    def shared(self) -> tuple[GateId, ...]:
        """The gates that other Subscriptions pass, too."""
        return (self.egress, self.cookies, *([self.volume] if self.volume else ()))


def listing_route(url: str, proxy: str, cookies: str = "") -> Route:
    """The gates that a listing passes.

    Args:
        url: URL of the source.
        proxy: URL of the proxy; empty for none.
        cookies: `namespace/secret`; empty for none.
    """
    site = site_of(url)
    return Route(GateId(GateKind.EGRESS, site, proxy), GateId(GateKind.COOKIES, site, proxy, cookies))


def download_route(url: str, proxy: str, claim: str, subscription: str, cookies: str = "") -> Route:
    """The gates that a download passes.

    Args:
        url: URL of the video. A listing may name videos of another site than its own.
        proxy: URL of the proxy; empty for none.
        claim: `namespace/claim` that the download writes to.
        subscription: `namespace/name`.
        cookies: `namespace/secret`; empty for none.
    """
    asked = listing_route(url, proxy, cookies)
    return Route(asked.egress, asked.cookies, volume_gate(claim), own_gates(subscription))


def own_gates(subscription: str) -> tuple[GateId, GateId]:
    """The gates of one Subscription alone: for its own trouble, and for a pause by hand.

    Args:
        subscription: `namespace/name`.
    """
    kinds = (GateKind.SUBSCRIPTION, GateKind.HAND)
    trouble, hand = (GateId(kind, subscription=subscription) for kind in kinds)
    return trouble, hand


def volume_gate(claim: str) -> GateId:
    """The gate of a claim, `namespace/claim`."""
    return GateId(GateKind.VOLUME, claim=claim)
