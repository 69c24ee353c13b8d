"""Where listings may go, and with which secrets: the real lister with the real yt-dlp, servers on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from component.lister_harness import YOUTUBE, Lister, Listing, Standin, running_lister
from component.processes import watched
from component.web import OPEN, REBINDING, Page, Web, http_proxy, socks_proxy, two_webs
from trawler_downloader.contract.listing import CookiesMode
from trawler_downloader.contract.outcomes import OutcomeClass

CANARY = "c4n4ry-s3cr3t"
COOKIES = f".youtube.com\tTRUE\t/\tTRUE\t0\tMEMBER\t{CANARY}\n"
FEED = Page(
    b"<?xml version='1.0'?><rss version='2.0'><channel><title>Feed</title><item><title>One</title>"
    b"<link>https://films.test/1.mp4</link></item></channel></rss>",
    "application/rss+xml",
)
SEA = {"handle": "@sea", "title": "The Sea", "videos": 5}
SEA_VIDEOS = f"{YOUTUBE}/@sea/videos"
PLAYLIST = f"{YOUTUBE}/playlist?list="


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("l")
    (folder / "sitecustomize.py").write_text(REBINDING)
    return folder


@pytest.fixture(scope="module")
def lister(folder: Path, standin: Standin) -> Iterator[Lister]:
    with running_lister(folder, standin, imports=folder) as program:
        yield program


@pytest.fixture
def webs() -> Iterator[tuple[Web, Web]]:
    with two_webs() as both:
        yield both


async def listed(lister: Lister, url: str, *allowed: str) -> Listing:
    return await lister.list(url, proxy=None, ca_bundle=None, allow_generic=True, allowed_cidrs=allowed)


def assert_refused(listing: Listing, *said: str) -> None:
    assert listing.trailer is not None
    assert (listing.trailer.outcome, listing.reason) == (OutcomeClass.TRANSIENT, "AddressRefused")
    assert [part for part in (*said, "access.allowedCIDRs") if part not in (listing.trailer.message or "")] == []


async def test_an_address_that_is_allowed_is_listed(lister: Lister, webs: tuple[Web, Web]) -> None:
    webs[0].pages["/feed"] = FEED
    listing = await listed(lister, webs[0].url("/feed"), f"{OPEN}/32")
    assert (len(listing.entries), listing.end) == (1, "complete")


async def test_an_address_that_is_not_public_is_refused(lister: Lister, webs: tuple[Web, Web]) -> None:
    webs[0].pages["/feed"] = FEED
    assert_refused(await listed(lister, webs[0].url("/feed")), OPEN)
    assert webs[0].asked == []


async def test_a_redirect_inwards_is_refused(lister: Lister, webs: tuple[Web, Web]) -> None:
    out, inside = webs
    inside.pages["/secrets"] = FEED
    out.pages["/feed"] = Page(location=inside.url("/secrets"))
    assert_refused(await listed(lister, out.url("/feed"), f"{OPEN}/32"), inside.address)
    assert (out.asked != [], inside.asked) == (True, [])


async def test_a_name_that_leads_elsewhere_the_second_time_is_refused(lister: Lister, webs: tuple[Web, Web]) -> None:
    """What was looked up before counts for nothing: the address is judged as it is connected to."""
    out, inside = webs
    inside.pages["/more"] = FEED
    out.pages["/feed"] = Page(location=out.url("/more", "rebind.test"))
    listing = await listed(lister, out.url("/feed", "rebind.test"), f"{OPEN}/32")
    assert_refused(listing, "rebind.test (127.0.0.2)")
    assert (out.asked != [], inside.asked) == (True, [])


async def test_the_youtube_extractors_are_guarded_too(lister: Lister, standin: Standin, webs: tuple[Web, Web]) -> None:
    """Whatever client yt-dlp takes for a request: the address alone counts."""
    assert_refused(await listed(lister, f"https://{OPEN}:{webs[0].port}/@sea"), OPEN)


# Cookies.


def refuse_strangers(standin: Standin) -> str:
    """A playlist that only a member may see; its URL."""
    standin.load(SEA)
    playlist = "UULF" + standin.site.catalogue.channel("@sea").id.removeprefix("UC")
    spec = {"kind": "alert", "text": "This playlist is private.", "match": {"playlist": playlist}}
    standin.site.faults.add({**spec, "unless_cookie": f"MEMBER={CANARY}"}, standin.site.catalogue)
    return PLAYLIST + playlist


@pytest.mark.parametrize("mode", list(CookiesMode))
async def test_a_private_playlist_is_listed_with_cookies(lister: Lister, standin: Standin, mode: CookiesMode) -> None:
    url = refuse_strangers(standin)
    listing = await lister.list(url, cookies=COOKIES, cookies_mode=mode)
    assert (len(listing.entries), listing.end) == (5, "complete")
    assert listing.trailer is not None
    assert (listing.trailer.cookies_used, listing.trailer.cookies_invalid) == (True, False)


async def test_without_cookies_it_is_private(lister: Lister, standin: Standin) -> None:
    listing = await lister.list(refuse_strangers(standin))
    assert listing.trailer is not None
    assert (listing.trailer.outcome, listing.trailer.cookies_used) == (OutcomeClass.NEEDS_ACCESS, False)


async def test_cookies_that_are_not_needed_are_not_sent(lister: Lister, standin: Standin) -> None:
    standin.load(SEA)
    listing = await lister.list(SEA_VIDEOS, cookies=COOKIES)
    assert (len(listing.entries), listing.end) == (5, "complete")
    assert listing.trailer is not None
    assert not listing.trailer.cookies_used


async def test_malformed_cookies_that_are_not_needed_stop_no_listing(lister: Lister, standin: Standin) -> None:
    """They are told all the same; where they are always to be sent, nothing is listed without them."""
    standin.load(SEA)
    listing = await lister.list(SEA_VIDEOS, cookies="MEMBER=x")
    assert (len(listing.entries), listing.end) == (5, "complete")
    assert listing.trailer is not None
    assert (listing.reason, listing.trailer.outcome) == ("CookiesMalformed", None)
    assert "line 1 has 1 fields" in str(listing.trailer.message)
    always = await lister.list(SEA_VIDEOS, cookies="MEMBER=x", cookies_mode=CookiesMode.ALWAYS)
    assert (always.entries, always.end, always.reason) == ([], "error", "CookiesMalformed")


@pytest.mark.parametrize(
    ("cookies", "said"),
    [
        pytest.param(COOKIES, None, id="valid"),
        pytest.param(f"{COOKIES}MEMBER={CANARY}", "line 2 has 1 fields", id="malformed"),
    ],
)
async def test_no_cookie_is_ever_repeated(
    lister: Lister, standin: Standin, folder: Path, cookies: str, said: str | None
) -> None:
    """Neither to the operator nor into the log, whether they serve or not."""
    listing = await lister.list(refuse_strangers(standin), cookies=cookies)
    assert listing.trailer is not None
    assert said is None or (listing.reason == "CookiesMalformed" and said in str(listing.trailer.message))
    told = "".join(line.to_json() for line in (*listing.sources, *listing.entries, listing.trailer))
    assert CANARY not in told + (folder / "lister.log").read_text()


# A proxy's address.


@pytest.mark.parametrize("scheme", ["http", "socks4", "socks5", "socks5h"])
async def test_a_proxy_inside_that_nobody_listed_is_refused(lister: Lister, webs: tuple[Web, Web], scheme: str) -> None:
    """By whatever name; nothing connects to it."""
    for host in ("localhost", OPEN):
        listing = await lister.list(SEA_VIDEOS, proxy=f"{scheme}://{host}:{webs[0].port}", proxy_trusted=False)
        assert listing.trailer is not None
        assert (listing.trailer.outcome, listing.reason) == (OutcomeClass.ENVIRONMENT, "ProxyNotAllowed")
        assert f"spec.access.proxy {host}:{webs[0].port}" in (listing.trailer.message or "")
    assert (webs[0].connections, webs[1].connections) == (0, 0)


async def test_a_proxy_inside_that_is_listed_is_used(lister: Lister, standin: Standin) -> None:
    standin.load(SEA)
    listing = await lister.list(SEA_VIDEOS, proxy_trusted=True)
    assert len(listing.entries) == 5


async def test_a_name_of_a_proxy_that_leads_inside_the_second_time(lister: Lister, webs: tuple[Web, Web]) -> None:
    """Public when it was looked up first: each connection is judged by itself."""
    out, inside = webs
    proxy = out.url("", "rebind.test")
    listing = await lister.list(SEA_VIDEOS, proxy=proxy, proxy_trusted=False, allowed_cidrs=(f"{OPEN}/32",))
    assert listing.reason == "ProxyNotAllowed"
    assert (out.connections > 0, inside.connections) == (True, 0)


# A proxy's login.


async def test_a_proxys_login_is_sent(lister: Lister, standin: Standin) -> None:
    standin.load(SEA)
    password = "p@ss:w/rd?"
    with http_proxy("m@e", password, int(standin.proxy.rpartition(":")[2])) as proxy:
        login = {"proxy": f"http://127.0.0.1:{proxy.port}", "proxy_username": "m@e"}
        listing = await lister.list(SEA_VIDEOS, **login, proxy_password=password)
        assert (len(listing.entries), proxy.refused) == (5, 0)
        wrong = await lister.list(SEA_VIDEOS, **login, proxy_password=CANARY)
    assert wrong.reason == "ProxyLoginRefused"
    assert wrong.trailer is not None
    assert CANARY not in wrong.trailer.to_json()


async def test_a_socks_proxys_login_is_sent(lister: Lister, standin: Standin, folder: Path) -> None:
    standin.load(SEA)
    with socks_proxy("me", CANARY, standin.tls_port) as proxy:
        login = {"proxy": f"socks5h://127.0.0.1:{proxy.port}", "proxy_username": "me"}
        listing = await lister.list(SEA_VIDEOS, **login, proxy_password=CANARY)
        assert (len(listing.entries), proxy.refused) == (5, 0)
        wrong = await lister.list(SEA_VIDEOS, **login, proxy_password=CANARY * 2)
    assert wrong.end == "error"
    assert wrong.trailer is not None
    assert CANARY not in wrong.trailer.to_json() + (folder / "lister.log").read_text()


async def test_no_secret_is_among_the_arguments_of_a_process(lister: Lister, standin: Standin) -> None:
    """Nor in an environment: looked at while a slow listing uses cookies and a proxy's password."""
    url = refuse_strangers(standin)
    slow = {"kind": "slow", "bytes_per_second": 10_000, "match": {"endpoint": "listing"}}
    standin.site.faults.add(slow, standin.site.catalogue)
    with http_proxy("me", CANARY, int(standin.proxy.rpartition(":")[2])) as proxy, watched(lister.process.pid) as seen:
        login = {"proxy": f"http://127.0.0.1:{proxy.port}", "proxy_username": "me", "proxy_password": CANARY}
        listing = await lister.list(url, cookies=COOKIES, cookies_mode=CookiesMode.ALWAYS, **login)
        assert (len(listing.entries), proxy.refused) == (5, 0)
        assert proxy.served > 0
    assert listing.trailer is not None
    assert listing.trailer.cookies_used
    assert seen.mentions("trawler_downloader.lister\0")
    assert seen.mentions("PYTHONPATH=")
    assert len(seen.processes) >= 3, "the program, the one that forks, and the listing"
    assert not seen.mentions(CANARY)
