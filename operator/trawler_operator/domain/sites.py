"""Which site a URL belongs to. Pure."""

from __future__ import annotations

import ipaddress
import re
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

_SAME_SITE = {"youtu.be": "youtube.com", "youtube-nocookie.com": "youtube.com"}
"""Other domains of a site. yt-dlp's own extractor treats them as one."""
_HOST = re.compile(r"[a-zA-Z][-+.a-zA-Z0-9]*://(?:[^/?#@]*@)?(\[[0-9a-fA-F:.]+\]|[^/?#@:\[\]]+)")


def site_of(url: str) -> str:
    """The registrable domain of a URL (publicsuffix.org), e.g. `youtube.com`; the host if it has none.

    Text that is no URL gets the empty site: yt-dlp will say what is wrong with it.
    """
    # urlsplit would take most of the time of a pass over ten thousand videos.
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
    # The library bundles 9,000 rules, which take 2 MiB and 60 ms once.
    return PublicSuffixList()
