"""The settings of Jobs and listings: the spec's, and the operator's where the spec leaves them open. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from trawler_downloader.contract.listing import CookiesMode
from trawler_downloader.contract.proxies import proxy_place
from trawler_operator.api.field_types import OptionalName, OptionalProxyUrl, ProxyUrl, UserId
from trawler_operator.api.spec import Resources, SubscriptionSpec
from trawler_operator.api.status import LibraryStatus

COOKIES_KEY = "cookies.txt"
"""Key in the Secret that `access.cookiesSecretRef` names."""
PROXY_KEYS = ("username", "password")
"""Keys in the Secret that `access.proxySecretRef` names, as in Secrets of type kubernetes.io/basic-auth."""
DEFAULT_RESOURCES = Resources(requests={"cpu": "100m", "memory": "256Mi"}, limits={"memory": "2Gi"})


def _check_networks(cidrs: tuple[str, ...]) -> tuple[str, ...]:
    for cidr in cidrs:
        try:
            ip_network(cidr, strict=False)
        except ValueError:
            raise ValueError(f"{cidr!r} is no network; write it as 192.168.1.20/32") from None
    return cidrs


@dataclass(frozen=True, slots=True)
class AccessRules:
    """How sites may be reached, whatever a spec says; chart values.

    Args:
        read_secrets: whether the operator may read Secrets with cookies and proxy credentials for its listings.
            Downloads mount these Secrets anyway.
        allowed_cidrs: networks that listings and downloads may reach although they are not public.
        allowed_proxies: URLs of proxies that may have an address inside the network, besides the default proxy.
    """

    read_secrets: bool = False
    allowed_cidrs: Annotated[tuple[str, ...], Field(alias="allowedCIDRs"), AfterValidator(_check_networks)] = ()
    allowed_proxies: tuple[ProxyUrl, ...] = ()


@dataclass(frozen=True)
class JobDefaults:
    """The operator's settings for what a spec leaves open; chart values.

    Args:
        image: image of the downloader.
        image_pull_policy: Always, IfNotPresent or Never; empty for Kubernetes' own rule.
        image_pull_secrets: names of Secrets in the Subscription's namespace.
        claim_name: claim in the Subscription's namespace; empty: every Subscription names its own.
        ca_bundle_config_map: ConfigMap (key ca.crt) in the Subscription's namespace; empty: none.
        proxy: URL; empty: none.
        run_as_user: user id.
        run_as_group: group id.
        fs_group: group id.
        resources: resources of a Job's container, as Kubernetes takes them.
    """

    image: Annotated[str, Field(min_length=1)]
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    image_pull_secrets: tuple[str, ...] = ()
    claim_name: OptionalName = ""
    ca_bundle_config_map: OptionalName = ""
    proxy: OptionalProxyUrl = ""
    run_as_user: UserId = 65532
    run_as_group: UserId = 65532
    fs_group: UserId = 65532
    resources: Annotated[Resources, Field(alias="jobResources")] = DEFAULT_RESOURCES


def resources(spec: SubscriptionSpec, defaults: JobDefaults) -> dict[str, Any]:
    """The resources of every Job of a Subscription: of downloads and of Jobs over its volume.

    A Job over a volume needs far less than a download. But only these settings follow what a namespace demands of its
    pods (a quota's limits, a LimitRange's minimum). With values of our own, a namespace might refuse the Job, and no
    setting could change that.
    """
    return (spec.job.resources or defaults.resources).model_dump(exclude_defaults=True)


def claim_name(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """The claim that a Subscription's files go to; empty if neither it nor the operator names one."""
    return spec.library.claim_name or defaults.claim_name


def ca_bundle_config_map(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """The ConfigMap of extra certificate authorities; empty if there is none."""
    return spec.access.ca_bundle_ref.name if spec.access.ca_bundle_ref else defaults.ca_bundle_config_map


def proxy(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """The proxy's URL; empty if there is none."""
    return spec.access.proxy or defaults.proxy


def is_proxy_trusted(spec: SubscriptionSpec, defaults: JobDefaults, access: AccessRules) -> bool:
    """Whether whoever runs the operator named the proxy: only such a proxy may have an address that is not public.

    Host and port are compared as they are written. The address that a name leads to is judged when a connection is
    made.
    """
    through = proxy(spec, defaults)
    named = [url for url in (defaults.proxy, *access.allowed_proxies) if url]
    return bool(through) and proxy_place(through) in map(proxy_place, named)


def cookies_secret(spec: SubscriptionSpec) -> str:
    """The Secret that holds cookies; empty if there is none."""
    return spec.access.cookies_secret_ref.name if spec.access.cookies_secret_ref else ""


def cookies_mode(spec: SubscriptionSpec) -> CookiesMode:
    """When the cookies are sent."""
    return spec.access.cookies or CookiesMode.WHEN_NEEDED


def proxy_secret(spec: SubscriptionSpec) -> str:
    """The Secret that holds the proxy's user and password; empty if there is none."""
    return spec.access.proxy_secret_ref.name if spec.access.proxy_secret_ref else ""


def place(spec: SubscriptionSpec, defaults: JobDefaults) -> LibraryStatus:
    """Where a Subscription's new files go, with the operator's defaults filled in."""
    library = spec.library
    return LibraryStatus(
        claim_name=claim_name(spec, defaults), path=library.path, layout=library.layout.value, folder=library.folder
    )
