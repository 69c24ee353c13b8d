"""What the spec says and what the operator adds to it."""

from __future__ import annotations

import pytest

from builders import subscription
from trawler_operator.api.status import LibraryStatus
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults, is_proxy_trusted, place


def test_where_new_files_go() -> None:
    """With the operator's claim filled in, for the status to compare."""
    assert place(
        subscription({"library": {"path": "tim"}}).spec, JobDefaults(image="i", claim_name="library")
    ) == LibraryStatus(claim_name="library", path="tim", layout="Show")


@pytest.mark.parametrize(
    ("proxy", "trusted"),
    [
        ("socks5://vpn.media:1080", True),
        ("socks5h://VPN.media/", True),
        ("http://proxy.lan:3128", True),
        ("http://proxy.lan:22", False),
        ("http://proxy.lan", False),
        ("http://169.254.169.254", False),
        (None, True),
    ],
    ids=[
        "as it is listed",
        "as it is listed, in other words",
        "the operator's own",
        "another port there",
        "the port of its scheme there",
        "one that nobody listed",
        "none of its own",
    ],
)
def test_proxies_that_may_be_inside_the_network(proxy: str | None, trusted: bool) -> None:
    """Host and port decide; which of them may be reached is said by whoever runs the operator."""
    defaults = JobDefaults(image="i", proxy="http://proxy.lan:3128")
    access = AccessRules(allowed_proxies=("socks5://vpn.media:1080",))
    spec = subscription({"access": {"proxy": proxy} if proxy else {}}).spec
    assert is_proxy_trusted(spec, defaults, access) is trusted


def test_without_any_proxy_none_is_trusted() -> None:
    assert not is_proxy_trusted(subscription().spec, JobDefaults(image="i"), AccessRules())
