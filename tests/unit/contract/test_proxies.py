"""Host and port of a proxy's URL."""

from __future__ import annotations

import pytest

from trawler_downloader.contract.proxies import proxy_place


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://proxy.example:3128", ("proxy.example", 3128)),
        ("http://proxy.example", ("proxy.example", 80)),
        ("https://proxy.example/", ("proxy.example", 443)),
        ("socks5h://vpn.media", ("vpn.media", 1080)),
        ("socks4://VPN.Media.:1080", ("vpn.media", 1080)),
        ("http://[fd00::1]:3128", ("fd00::1", 3128)),
    ],
)
def test_places(url: str, place: tuple[str, int]) -> None:
    assert proxy_place(url) == place


@pytest.mark.parametrize("url", ["http://", "http://:3128", "http://proxy:99999", "http://proxy:port", "http://[fd00"])
def test_no_place(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        proxy_place(url)
