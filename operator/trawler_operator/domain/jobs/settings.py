"""What Jobs and listings are given: the spec's settings, and the operator's where it leaves them open. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trawler_downloader.contract.listing import CookiesMode
from trawler_operator.api.spec import SubscriptionSpec
from trawler_operator.api.status import LibraryStatus

COOKIES_KEY = "cookies.txt"
"""Of the Secret that `access.cookiesSecretRef` names."""
PROXY_KEYS = ("username", "password")
"""Of the Secret that `access.proxySecretRef` names, as in Secrets of type kubernetes.io/basic-auth."""
DEFAULT_REQUESTS = {"cpu": "100m", "memory": "256Mi"}
DEFAULT_LIMITS = {"memory": "2Gi"}


@dataclass(frozen=True)
class JobDefaults:
    """The operator's settings for what a spec leaves open.

    Args:
        image: of the downloader.
        image_pull_policy: Always, IfNotPresent or Never; empty for Kubernetes' own rule.
        image_pull_secrets: names of Secrets in the Subscription's namespace.
        claim_name: claim in the Subscription's namespace; empty: every Subscription names its own.
        ca_bundle_config_map: ConfigMap (key ca.crt) in the Subscription's namespace; empty: none.
        proxy: URL; empty: none.
        allowed_cidrs: networks that may be reached although they are not public.
        run_as_user: user id.
        run_as_group: group id.
        fs_group: group id.
        resources: of a Job's container, as Kubernetes takes them.
    """

    image: str
    image_pull_policy: str = ""
    image_pull_secrets: tuple[str, ...] = ()
    claim_name: str = ""
    ca_bundle_config_map: str = ""
    proxy: str = ""
    allowed_cidrs: tuple[str, ...] = ()
    run_as_user: int = 65532
    run_as_group: int = 65532
    fs_group: int = 65532
    resources: dict[str, dict[str, str]] = field(
        default_factory=lambda: {"requests": dict(DEFAULT_REQUESTS), "limits": dict(DEFAULT_LIMITS)}
    )


def resources(spec: SubscriptionSpec, defaults: JobDefaults) -> dict[str, Any]:
    """What every Job of a Subscription asks for, be it a download or a Job over its volume.

    A Job over a volume needs far less than a download. But what a namespace demands of its pods (a quota's limits, a
    LimitRange's least) shows in these settings alone: with a value of our own it might be refused, and nothing that a
    person sets could change that.
    """
    own = spec.job.resources
    return own.model_dump(exclude_defaults=True) if own else defaults.resources


def claim_name(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """The claim that a Subscription's files go to; empty if neither it nor the operator names one."""
    return spec.library.claim_name or defaults.claim_name


def ca_bundle_config_map(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """The ConfigMap of extra certificate authorities; empty if there is none."""
    return spec.access.ca_bundle_ref.name if spec.access.ca_bundle_ref else defaults.ca_bundle_config_map


def proxy(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """The proxy's URL; empty if there is none."""
    return spec.access.proxy or defaults.proxy


def cookies_secret(spec: SubscriptionSpec) -> str:
    """The Secret that holds cookies; empty if there is none."""
    return spec.access.cookies_secret_ref.name if spec.access.cookies_secret_ref else ""


def cookies_mode(spec: SubscriptionSpec) -> CookiesMode:
    """When its cookies are sent."""
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
