"""Which gates a URL is behind, and how often its site may be asked."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

from builders import NOON
from trawler_operator.domain.gates.budget import Budget, BudgetLimits
from trawler_operator.domain.gates.route import GateId, GateKind, download_route, listing_route
from trawler_operator.domain.sites import site_of

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PROXY = "socks5://vpn.media:1080"


@pytest.mark.parametrize(
    ("url", "site"),
    [
        pytest.param("https://www.youtube.com/watch?v=x", "youtube.com", id="a host of the domain"),
        pytest.param("https://YouTube.com./@x", "youtube.com", id="capitals and a final dot"),
        pytest.param("https://youtu.be/x", "youtube.com", id="its short address"),
        pytest.param("https://www.youtube-nocookie.com/embed/x", "youtube.com", id="its address for embedding"),
        pytest.param("https://media.bbc.co.uk:8443/x", "bbc.co.uk", id="a suffix of two parts"),
        pytest.param("https://alice.github.io/v", "alice.github.io", id="a host for other people's sites"),
        pytest.param("http://192.168.1.20/v", "192.168.1.20", id="an address"),
        pytest.param("http://[2001:DB8::1]/v", "2001:db8::1", id="an IPv6 address"),
        pytest.param("http://tube/v", "tube", id="a host without a domain"),
        pytest.param("https://[nonsense/v", "", id="no URL"),
    ],
)
def test_site(url: str, site: str) -> None:
    """The registrable domain, or the host where there is none."""
    assert site == site_of(url)


def test_route_of_a_download() -> None:
    """The address at the site, the visitor, and the volume."""
    route = download_route("https://youtu.be/x", PROXY, "media/library", "media/a", "media/jar")
    assert route.gates == (
        GateId(GateKind.EGRESS, "youtube.com", PROXY),
        GateId(GateKind.COOKIES, "youtube.com", PROXY, "media/jar"),
        GateId(GateKind.VOLUME, claim="media/library"),
        GateId(GateKind.SUBSCRIPTION, subscription="media/a"),
        GateId(GateKind.HAND, subscription="media/a"),
    )


def test_a_listing_needs_no_volume() -> None:
    """It shares the site's gates with the downloads."""
    listing, download = (
        listing_route("https://youtu.be/x", ""),
        download_route("https://youtube.com/y", "", "", "media/a"),
    )
    assert listing.gates == download.gates[:2]


@pytest.mark.parametrize(
    ("identity", "name", "shown"),
    [
        (GateId(GateKind.EGRESS, "youtube.com"), r"egress\.youtube\.com\.[0-9a-f]{10}", "youtube.com"),
        (
            GateId(GateKind.COOKIES, "2001:db8::1", PROXY, "media/jar"),
            r"cookies\.2001_db8__1\.[0-9a-f]{10}",
            f"2001:db8::1 through {PROXY} with cookies media/jar",
        ),
        (
            GateId(GateKind.VOLUME, claim="media/library"),
            r"volume\.media\.library\.[0-9a-f]{10}",
            "claim media/library",
        ),
        (
            GateId(GateKind.SUBSCRIPTION, subscription="media/a"),
            r"subscription\.media\.a\.[0-9a-f]{10}",
            "Subscription media/a",
        ),
        (GateId(GateKind.EGRESS, "x" * 300), r"egress\.x{120}\.[0-9a-f]{10}", "x" * 300),
    ],
    ids=["a site", "all of it", "a volume", "one Subscription", "long"],
)
def test_names(identity: GateId, name: str, shown: str) -> None:
    """A ConfigMap takes them as keys, and people can read them."""
    assert re.fullmatch(name, identity.name)
    assert shown == str(identity)


def test_names_are_distinct() -> None:
    """Whatever of them differs."""
    gates = [
        GateId(GateKind.EGRESS, "a.com"),
        GateId(GateKind.COOKIES, "a.com"),
        GateId(GateKind.EGRESS, "a.com", PROXY),
        GateId(GateKind.COOKIES, "a.com", "", "media/jar"),
        GateId(GateKind.VOLUME, claim="a/com"),
        GateId(GateKind.VOLUME, claim="a.com"),
    ]
    assert len(gates) == len({gate.name for gate in gates})


LIMITS = BudgetLimits(max_parallel=2, max_per_hour=3, spacing=5 * SECOND)
AT = int(NOON.timestamp())


@pytest.mark.parametrize(
    ("budget", "earliest"),
    [
        pytest.param(Budget({}), NOON, id="never used"),
        pytest.param(Budget({AT: 1}, NOON), NOON + 5 * SECOND, id="just begun: the spacing"),
        pytest.param(Budget({AT - 60: 2}, NOON - MINUTE), NOON, id="room left"),
        pytest.param(
            Budget({AT - 1800: 2, AT - 60: 1}, NOON - MINUTE), NOON + 31 * MINUTE, id="used up: the oldest minute's end"
        ),
        pytest.param(
            Budget({AT - 1800: 2, AT - 60: 3}, NOON - MINUTE), NOON + HOUR, id="over it, since the limit was lowered"
        ),
        pytest.param(Budget({AT - 3660: 3}, NOON - HOUR), NOON, id="an hour and the minute are over"),
        pytest.param(Budget({AT - 3600: 3}, NOON - HOUR), NOON + MINUTE, id="the minute is not over for an hour"),
        pytest.param(
            Budget({AT + 120: 3}, NOON + 2 * MINUTE), NOON + 63 * MINUTE, id="the clock was set back by a little"
        ),
        pytest.param(Budget({AT + 86_400: 3}, NOON + 24 * HOUR), NOON, id="the clock was set back by a day"),
        pytest.param(Budget({AT - 86_400: 3}, NOON - 24 * HOUR), NOON, id="the clock was set forward by a day"),
    ],
)
def test_earliest(budget: Budget, earliest: datetime) -> None:
    """When the next download may begin."""
    assert earliest == budget.earliest(LIMITS, NOON)


def test_spending() -> None:
    """Counted by the minute; what counts no more is dropped."""
    budget = Budget({AT - 7200: 9}).spend(2, NOON).spend(1, NOON + 59 * SECOND).spend(1, NOON + MINUTE)
    assert Budget({AT: 3, AT + 60: 1}, NOON + MINUTE) == budget
    assert budget.begun(NOON + MINUTE) == 4
    assert not budget.is_idle(NOON + MINUTE)
    assert budget.is_idle(NOON + 2 * HOUR)


def test_never_more_than_allowed_within_any_hour() -> None:
    """Beginning as soon as allowed, all day long."""
    budget, now, begun = Budget({}), NOON, []
    while now < NOON + 6 * HOUR:
        budget = budget.spend(1, now)
        begun.append(now)
        now = budget.earliest(LIMITS, now)
    assert all(sum(1 for at in begun if start <= at < start + HOUR) <= 3 for start in begun)
    assert len(begun) > 15


@pytest.mark.parametrize(
    ("starts", "charged", "count", "left"),
    [
        pytest.param({0: 3}, NOON, 1, 2, id="one of several in its minute"),
        pytest.param({0: 1}, NOON + 30 * SECOND, 1, 0, id="the only one"),
        pytest.param({0: 1, 1: 2}, NOON + MINUTE, 2, 1, id="another minute's stay"),
        pytest.param({0: 1}, NOON, 5, 0, id="never less than none"),
    ],
)
def test_starts_that_did_not_begin_are_given_back(
    starts: dict[int, int], charged: datetime, count: int, left: int
) -> None:
    """The time since the last start is kept all the same: a site is not asked faster for it."""
    minute = int(NOON.timestamp())
    budget = Budget({minute + 60 * at: begun for at, begun in starts.items()}, NOON)

    refunded = budget.refund(count, charged)

    assert (refunded.begun(NOON + MINUTE), refunded.last) == (left, NOON)
