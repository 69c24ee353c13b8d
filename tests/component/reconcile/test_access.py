"""Secrets of a Subscription: which the operator reads, what it does without them, and what a user is told."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any

import pytest

from component.cluster import KEY, publish, request_of
from component.world import World
from trawler_downloader.contract.download import DownloadRequest, DownloadResult
from trawler_downloader.contract.listing import CookiesMode, ListingEnd, TrailerLine
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults
from trawler_operator.reconcile.ports import RejectedError

CANARY = "c4n4ry-s3cr3t"
WITH_COOKIES = {"access": {"cookiesSecretRef": {"name": "my-cookies"}}}
WITH_LOGIN = {"access": {"proxy": "socks5://vpn:1080", "proxySecretRef": {"name": "my-vpn"}}}


def put_secret(world: World, name: str, **data: str | bytes) -> None:
    encoded = {
        key.replace("_txt", ".txt"): base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
        for key, value in data.items()
    }
    world.cluster.put("Secret", {"metadata": {"namespace": "media", "name": name}, "data": encoded})


async def test_without_the_right_to_secrets_none_is_read(world: World) -> None:
    """The source is listed without cookies; the Job mounts them itself."""
    put_secret(world, "my-cookies", cookies_txt=CANARY)
    world.cluster.subscribe(WITH_COOKIES)
    await world.operator().reconcile()
    assert "get Secret" not in world.cluster.reads
    (request,) = world.site.requests
    assert request.cookies is None
    volumes = world.cluster.running_jobs()[0]["spec"]["template"]["spec"]["volumes"]
    assert "my-cookies" in [volume["secret"]["secretName"] for volume in volumes if "secret" in volume]
    assert world.cluster.condition("CookiesValid") == ("Unknown", "NotCheckedYet")


async def test_with_the_right_a_source_is_listed_with_cookies(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """They go to the lister and nowhere else: not into the log, the status, the ledger, a Job or an Event."""
    caplog.set_level(logging.DEBUG)
    put_secret(world, "my-cookies", cookies_txt=CANARY)
    world.cluster.subscribe({"access": {**WITH_COOKIES["access"], "cookies": "Always"}})
    operator = world.operator(read_secrets=True)
    await operator.reconcile()
    (request,) = world.site.requests
    assert (request.cookies, request.cookies_mode) == (CANARY, CookiesMode.ALWAYS)
    assert CANARY not in repr(request)
    kept = [body for (kind, _, _), body in world.cluster.objects.items() if kind != "Secret"]
    told = [event.message for event in operator.silent.events]
    assert CANARY not in json.dumps([kept, told]) + caplog.text


async def test_a_proxys_login_is_read_for_listings(world: World) -> None:
    put_secret(world, "my-vpn", username="me", password=CANARY)
    world.cluster.subscribe(WITH_LOGIN)
    await world.operator(read_secrets=True).reconcile()
    (request,) = world.site.requests
    assert (request.proxy, request.proxy_username, request.proxy_password) == ("socks5://vpn:1080", "me", CANARY)
    assert CANARY not in repr(request)


async def test_nothing_goes_around_a_proxy_whose_login_may_not_be_read(world: World) -> None:
    world.cluster.subscribe(WITH_LOGIN)
    await world.operator().reconcile()
    assert world.cluster.condition("Ready") == ("False", "ProxySecretNotReadable")
    assert (world.site.requests, world.cluster.running_jobs()) == ([], [])


@pytest.mark.parametrize(
    ("spec", "secrets", "reason"),
    [
        pytest.param(WITH_LOGIN, {}, "ProxySecretNotFound", id="no Secret for the proxy"),
        pytest.param(WITH_LOGIN, {"my-vpn": {"username": "me"}}, "ProxySecretNotFound", id="no password"),
        pytest.param(
            WITH_LOGIN,
            {"my-vpn": {"username": "me", "password": b"\xff"}},
            "ProxySecretNotFound",
            id="a password that is no text",
        ),
        pytest.param(
            {"access": {"proxySecretRef": {"name": "my-vpn"}}},
            {"my-vpn": {"username": "me", "password": "p"}},
            "ProxyNotConfigured",
            id="a login without a proxy",
        ),
        pytest.param(
            {"access": {**WITH_COOKIES["access"], "cookies": "Always"}}, {}, "CookiesMissing", id="no cookies, ever"
        ),
    ],
)
async def test_a_secret_that_is_not_as_it_must_be(
    world: World, spec: dict[str, Any], secrets: dict[str, dict[str, str | bytes]], reason: str
) -> None:
    """Said before anything is listed or downloaded, and gone once it is mended."""
    for name, data in secrets.items():
        put_secret(world, name, **data)
    world.cluster.subscribe(spec)
    await world.operator(read_secrets=True).reconcile()
    assert world.cluster.condition("Ready") == ("False", reason)
    assert (world.site.requests, world.cluster.running_jobs()) == ([], [])


async def test_a_default_proxy_without_logins_is_no_proxy_for_one(world: World) -> None:
    world.cluster.subscribe({"access": {"proxySecretRef": {"name": "my-vpn"}}})
    defaults = JobDefaults(image="downloader:1", claim_name="library", proxy="socks4://vpn:1080")
    await world.operator(read_secrets=True, defaults=defaults).reconcile()
    assert world.cluster.condition("Ready") == ("False", "ProxyNotConfigured")


async def test_cookies_that_are_missing_hold_nothing_up_where_they_may_not_be_needed(world: World) -> None:
    """The condition says so until the Secret is there."""
    world.cluster.subscribe(WITH_COOKIES)
    operator = world.operator(read_secrets=True)
    await operator.reconcile()
    assert world.cluster.condition("CookiesValid") == ("False", "CookiesMissing")
    assert world.cluster.condition("Ready") == ("True", "Watching")
    assert len(world.site.requests) == 1
    put_secret(world, "my-cookies", cookies_txt=CANARY)
    await operator.reconcile()
    assert world.cluster.condition("CookiesValid") == ("Unknown", "NotCheckedYet")


async def test_a_right_that_is_missing_all_the_same_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart's Role has it; somebody else's may not."""
    world.cluster.subscribe(WITH_COOKIES)
    operator = world.operator(read_secrets=True)

    async def refuse(*_: str) -> None:
        raise RejectedError("secrets is forbidden")

    monkeypatch.setattr(operator.api, "get_secret", refuse)
    await operator.reconcile()
    assert world.cluster.condition("Ready") == ("False", "SecretsNotReadable")
    assert world.site.requests == []


async def test_a_session_that_the_site_ended_is_said_until_cookies_work_again(world: World) -> None:
    """By a download or by a listing."""
    invalid = {"cookies_used": True, "cookies_invalid": True}

    def download(request: DownloadRequest) -> DownloadResult:
        return publish(request).model_copy(update=invalid if request.video.key == "youtube.v7" else {})

    world.downloader = download
    world.cluster.subscribe({**WITH_COOKIES, "select": {"newest": 1}})
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    await operator.reconcile()
    assert world.cluster.condition("CookiesValid") == ("False", "CookiesRejected")
    assert world.cluster.condition("Ready") == ("True", "Watching")
    world.site.trailer = TrailerLine(end=ListingEnd.STOPPED, cookies_used=True, engine="1")
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {"trawler.dev/check": "1"}}})
    await operator.reconcile()
    assert world.cluster.condition("CookiesValid") == ("True", "CookiesAccepted")


async def test_cookies_that_a_launch_could_not_read_are_told_in_its_words(world: World) -> None:
    world.downloader = lambda _: DownloadResult(
        outcome=OutcomeClass.NEEDS_ACCESS, reason="CookiesMalformed", message="Secret my-cookies: line 3 has 1 fields"
    )
    world.cluster.subscribe(WITH_COOKIES)
    operator = world.operator()
    await operator.reconcile()
    world.finish_jobs()
    await operator.reconcile()
    assert world.cluster.condition("CookiesValid") == ("False", "CookiesMalformed")


async def test_cookies_that_a_listing_did_not_need_and_could_not_read_are_told_alone(world: World) -> None:
    """The check went well; and once a listing has nothing to say of them, they are not checked yet."""
    secret = {"metadata": {"namespace": "media", "name": "my-cookies"}, "data": {"cookies.txt": "TUVNQkVSPXg="}}
    world.cluster.put("Secret", secret)
    well = TrailerLine(end=ListingEnd.STOPPED, requests=1, engine="1")
    world.site.trailer = well.model_copy(update={"reason": "CookiesMalformed", "message": "line 1 has 1 fields"})
    world.cluster.subscribe({**WITH_COOKIES, "select": {"newest": 1}})
    operator = world.operator(read_secrets=True)
    await operator.reconcile()
    assert world.cluster.condition("CookiesValid") == ("False", "CookiesMalformed")
    assert world.cluster.condition("SourceReachable") == ("True", "Listed")
    assert len(world.cluster.running_jobs()) == 1
    world.site.trailer = well
    world.cluster.merge("Subscription", *KEY, {"metadata": {"annotations": {"trawler.dev/check": "1"}}})
    await operator.reconcile()
    assert world.cluster.condition("CookiesValid") == ("Unknown", "NotCheckedYet")


@pytest.mark.parametrize(("port", "trusted"), [(1080, True), (22, False)], ids=["one that is listed", "another"])
async def test_whether_a_proxy_may_be_inside_is_said_to_listings_and_downloads(
    world: World, port: int, trusted: bool
) -> None:
    """By the operator: what a Subscription names is not believed."""
    access = AccessRules(allowed_proxies=("socks5://vpn.media:1080",))
    world.cluster.subscribe({"access": {"proxy": f"socks5://vpn.media:{port}"}})
    await world.operator(access=access).reconcile()
    (listing,) = world.site.requests
    downloads = [request_of(job) for job in world.cluster.running_jobs()]
    assert {request.proxy_trusted for request in (listing, *downloads)} == {trusted}
    assert downloads
