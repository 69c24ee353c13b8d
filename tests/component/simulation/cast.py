"""Who takes part: Subscriptions of two namespaces, with their sites and claims. No two bear the same name.

Two share a namespace and a claim, and two a site, so that each has a neighbour that it must not be stopped by.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from trawler_operator.api.spec import SubscriptionSpec
from trawler_operator.api.subscription import Key
from trawler_operator.domain.gates.route import Route, download_route, listing_route
from trawler_operator.domain.jobs.digests import download_digest, listing_digest
from trawler_operator.domain.jobs.settings import JobDefaults

NAMESPACES = {"numberline": "media", "clips": "media", "fugues": "family"}
SITES = {"numberline": "youtube.com", "clips": "example.com", "fugues": "youtube.com"}
CLAIMS = {"numberline": "library", "clips": "library", "fugues": "attic"}
OWNERS = {"library": "media", "attic": "family"}
"""Claim → its namespace."""
JARS = {"clips": "cookies"}
"""Subscription → Secret with its cookies."""
DEFAULTS = JobDefaults(image="downloader:1", claim_name="library")
SPECS: dict[str, dict[str, Any]] = {
    "numberline": {"select": {"newest": 50}, "job": {"parallelism": 2}},
    "clips": {"select": {"newest": 50}, "job": {"parallelism": 2}},
    "fugues": {"select": {"newest": 3}, "job": {"parallelism": 1}},
}
for name, secret in JARS.items():
    SPECS[name]["access"] = {"cookiesSecretRef": {"name": secret}}
for name, spec in SPECS.items():
    spec |= {"url": f"https://www.{SITES[name]}/@{name}/videos", "library": {"claimName": CLAIMS[name]}}


def key_of(name: str) -> Key:
    """Namespace and name of a Subscription."""
    return NAMESPACES[name], name


def holder(name: str) -> str:
    """`namespace/name`, as gates name a Subscription."""
    return "/".join(key_of(name))


def listing_route_of(name: str) -> Route:
    """The gates before a Subscription's source."""
    return listing_route(f"https://{SITES[name]}/", "", _jar(name))


def download_route_of(name: str) -> Route:
    """The gates before its videos."""
    claim = f"{NAMESPACES[name]}/{CLAIMS[name]}"
    return download_route(f"https://{SITES[name]}/", "", claim, holder(name), _jar(name))


def _jar(name: str) -> str:
    return f"{NAMESPACES[name]}/{JARS[name]}" if name in JARS else ""


@lru_cache
def digests_of(spec: str) -> tuple[str, str]:
    """Of what a spec's listings and its downloads are made from; of one that cannot be read both are empty."""
    try:
        read = SubscriptionSpec.model_validate_json(spec)
    except ValidationError:
        return "", ""
    return listing_digest(read, DEFAULTS), download_digest(read, DEFAULTS)


KEYS: tuple[Key, ...] = tuple(key_of(name) for name in SPECS)
