"""The Secrets of a listing, read if the chart grants that. They are kept for one pass, and never written or logged."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field

from trawler_downloader.contract.listing import CookiesMode
from trawler_operator.api.reasons import ConditionReason, message
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.jobs.settings import (
    COOKIES_KEY,
    PROXY_KEYS,
    cookies_mode,
    cookies_secret,
    proxy,
    proxy_secret,
)
from trawler_operator.domain.status.cookies import CookiesVerdict, cookies_found
from trawler_operator.reconcile.ports import KubernetesApi, RejectedError
from trawler_operator.reconcile.subject import Policy


@dataclass(frozen=True, slots=True)
class ListingSecrets:
    """What was read.

    Args:
        cookies: text of cookies.txt.
        proxy_username: user name for the proxy.
        proxy_password: password for the proxy.
        blocker: why nothing may be listed or downloaded. Nothing ever goes around a proxy that is named.
        verdict: what was found out about the cookies.
    """

    cookies: str | None = field(default=None, repr=False)
    proxy_username: str | None = field(default=None, repr=False)
    proxy_password: str | None = field(default=None, repr=False)
    blocker: Blocker | None = None
    verdict: CookiesVerdict | None = None


async def read_secrets(api: KubernetesApi, subscription: Subscription, policy: Policy) -> ListingSecrets:
    """Read the Secrets that the Subscription names, as far as the operator may."""
    namespace, spec = subscription.namespace, subscription.spec
    login, cookies = proxy_secret(spec), cookies_secret(spec)
    if login and not proxy(spec, policy.defaults).startswith(("http", "socks5")):
        return _blocked(ConditionReason.PROXY_NOT_CONFIGURED)
    if login and not policy.access.read_secrets:
        return _blocked(ConditionReason.PROXY_SECRET_NOT_READABLE, secret=login)
    if not policy.access.read_secrets:
        return ListingSecrets()
    try:
        username, password = await _values(api, namespace, login, PROXY_KEYS)
        (text,) = await _values(api, namespace, cookies, (COOKIES_KEY,))
    except RejectedError as error:
        return _blocked(ConditionReason.SECRETS_NOT_READABLE, namespace=namespace, detail=error)
    if login and (username is None or password is None):
        return _blocked(ConditionReason.PROXY_SECRET_NOT_FOUND, secret=login, namespace=namespace)
    if cookies and text is None:
        reason = ConditionReason.COOKIES_MISSING
        said = message(reason, secret=cookies)
        blocker = Blocker(reason, said) if cookies_mode(spec) is CookiesMode.ALWAYS else None
        return ListingSecrets(None, username, password, blocker, CookiesVerdict(reason, said))
    verdict = cookies_found(subscription.status.conditions) if cookies else None
    return ListingSecrets(text, username, password, verdict=verdict)


async def _values(api: KubernetesApi, namespace: str, name: str, keys: Sequence[str]) -> list[str | None]:
    """The values of a Secret's keys; None for a value that is missing or no text."""
    body = await api.get_secret(namespace, name) if name else None
    data = (body or {}).get("data") or {}
    return [_text(data.get(key)) for key in keys]


def _text(encoded: str | None) -> str | None:
    try:
        return None if encoded is None else b64decode(encoded).decode()
    except ValueError:
        return None


def _blocked(reason: ConditionReason, **values: object) -> ListingSecrets:
    return ListingSecrets(blocker=Blocker(reason, message(reason, **values)))
