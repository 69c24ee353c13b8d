"""How the operator is configured: environment variables TRAWLER_*, all checked before anything starts.

The chart sets them; a wrong one ends the process at once with one line that names it. A startup handler of kopf's would
not do: one that raises is tried again every 60 seconds while the process looks alive.
"""

from __future__ import annotations

import json
import os
import re
import socket
from ipaddress import ip_network
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from trawler_operator.api.field_types import DNS_SUBDOMAIN_PATTERN, PROXY_PATTERN, PROXY_RULE
from trawler_operator.api.spec import Resources

PREFIX = "TRAWLER_"
SLOWEST_PACE = 0.001

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _json(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _own_name() -> str:
    """Outside a pod several may run on one machine."""
    return f"{socket.gethostname()}-{os.getpid()}"


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
OptionalName = Annotated[str | None, BeforeValidator(_empty_is_none)]
PauseSeconds = Annotated[int, Field(ge=1, le=604_800)]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]


class InvalidSettingError(Exception):
    """An environment variable is missing or wrong; the message names it and says what is allowed."""


class Settings(BaseSettings):
    """All settings. Unknown TRAWLER_ variables are left alone: other containers of the pod have some, too."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    namespace: str
    """The operator's own namespace."""
    watch_namespaces: CommaList = ()
    """Namespaces watched; empty: all of the cluster."""
    downloader_image: Annotated[str, Field(min_length=1)]
    downloader_image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: CommaList = ()
    lister_address: str = "unix:///run/trawler/lister.sock"
    """`unix:///path/of/socket` or `http://host:port`."""
    default_claim_name: OptionalName = None
    default_ca_bundle_config_map: OptionalName = None
    default_proxy: OptionalName = None
    read_secrets: bool = False
    """Whether Secrets with cookies and proxy credentials may be read for listings; downloads mount theirs anyway."""
    allowed_cidrs: CommaList = ()
    """Networks that listings and downloads may reach although they are not public."""
    max_running_jobs: Annotated[int, Field(ge=1, le=1000)] = 2
    max_running_jobs_per_subscription: Annotated[int, Field(ge=1, le=1000)] = 2
    egress_max_parallel: Annotated[int, Field(ge=1, le=1000)] = 2
    """Downloads at a time through one proxy (or none) from one site."""
    egress_max_per_hour: Annotated[int, Field(ge=1, le=100_000)] = 60
    egress_spacing_seconds: Annotated[int, Field(ge=0, le=3600)] = 5
    egress_listings_per_second: Annotated[float, Field(ge=0, le=100)] = 1
    """Listings that begin, through one proxy (or none) at one site; 0: as many as find a place."""
    gates_config_map: Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN_PATTERN)] = (
        "trawler-gates"
    )
    """In the operator's own namespace."""
    gates_egress_first_pause_seconds: PauseSeconds = 900
    gates_egress_longest_pause_seconds: PauseSeconds = 21_600
    gates_volume_first_pause_seconds: PauseSeconds = 60
    gates_volume_longest_pause_seconds: PauseSeconds = 1800
    gates_probe_timeout_seconds: Annotated[int, Field(ge=10, le=604_800)] = 1800
    """A probe that has not ended by then is no longer waited for."""
    max_concurrent_reconciles: Annotated[int, Field(ge=2, le=64)] = 4
    max_concurrent_listings: Annotated[int, Field(ge=1, le=32)] = 2
    """Fewer than max_concurrent_reconciles: a listing takes minutes, and ended Jobs must not wait for it."""
    listing_deadline_seconds: Annotated[int, Field(ge=10, le=3600)] = 300
    audit_interval_seconds: Annotated[int, Field(ge=3600, le=31_536_000)] = 604_800
    successful_jobs_history_limit: Annotated[int, Field(ge=0, le=100)] = 3
    failed_jobs_history_limit: Annotated[int, Field(ge=0, le=100)] = 5
    identity: Annotated[str, Field(min_length=1, max_length=253)] = Field(default_factory=_own_name)
    """Of this process: its pod's name. A restarted container takes its predecessor's Lease up at once by it."""
    lease_name: Annotated[str, Field(min_length=1, max_length=253)] = "trawler"
    """In the operator's own namespace."""
    lease_duration_seconds: Annotated[int, Field(ge=5, le=600)] = 15
    """After which another operator takes the place of one that has gone without a word."""
    start_timeout_seconds: Annotated[int, Field(ge=30, le=86_400)] = 300
    scheduling_timeout_seconds: Annotated[int, Field(ge=30, le=86_400)] = 1800
    ending_timeout_seconds: Annotated[int, Field(ge=30, le=86_400)] = 300
    """Beyond a pod's grace period."""
    http_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "text"] = "json"
    default_run_as_user: Id = 65532
    default_run_as_group: Id = 65532
    default_fs_group: Id = 65532
    default_job_resources: Annotated[Resources | None, NoDecode, BeforeValidator(_json)] = None
    """JSON: requests and limits, as in a container. Not set: the operator's own."""

    @field_validator("watch_namespaces")
    @classmethod
    def _check_namespaces(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not _DNS_LABEL.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a namespace; patterns are not supported")
        return names

    @field_validator("allowed_cidrs")
    @classmethod
    def _check_networks(cls, cidrs: tuple[str, ...]) -> tuple[str, ...]:
        for cidr in cidrs:
            try:
                ip_network(cidr, strict=False)
            except ValueError:
                raise ValueError(f"{cidr!r} is no network; write it as 192.168.1.20/32") from None
        return cidrs

    @field_validator("lister_address")
    @classmethod
    def _check_address(cls, address: str) -> str:
        parts = urlsplit(address)
        if not ((parts.scheme == "unix" and parts.path) or (parts.scheme == "http" and parts.hostname)):
            raise ValueError("must be unix:///path/of/socket or http://host:port")
        return address

    @field_validator("default_proxy")
    @classmethod
    def _check_proxy(cls, proxy: str | None) -> str | None:
        if proxy is not None and not re.fullmatch(PROXY_PATTERN, proxy):
            raise ValueError(PROXY_RULE)
        return proxy

    @field_validator("egress_listings_per_second")
    @classmethod
    def _check_pace(cls, rate: float) -> float:
        if 0 < rate < SLOWEST_PACE:
            raise ValueError(f"must be 0 (no pace), or {SLOWEST_PACE} (one in 1000 s) or more")
        return rate

    @model_validator(mode="after")
    def _leave_a_worker_free(self) -> Self:
        if self.max_concurrent_listings >= self.max_concurrent_reconciles:
            raise ValueError(
                f"{PREFIX}MAX_CONCURRENT_LISTINGS ({self.max_concurrent_listings}) must be smaller than "
                f"{PREFIX}MAX_CONCURRENT_RECONCILES ({self.max_concurrent_reconciles})"
            )
        return self

    @model_validator(mode="after")
    def _pauses_in_order(self) -> Self:
        for gate in ("egress", "volume"):
            names = (f"gates_{gate}_first_pause_seconds", f"gates_{gate}_longest_pause_seconds")
            first, longest = (getattr(self, name) for name in names)
            if first > longest:
                raise ValueError(
                    f"{PREFIX}{names[0].upper()} ({first}) must not be more than {PREFIX}{names[1].upper()} ({longest})"
                )
        return self


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        InvalidSettingError: names the first wrong variable.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise InvalidSettingError(_first_of(error)) from None


def _first_of(error: ValidationError) -> str:
    first: dict[str, Any] = dict(error.errors(include_url=False)[0])
    variable = PREFIX + str(first["loc"][0]).upper() if first["loc"] else ""
    inner = "".join(f".{part}" for part in first["loc"][1:])
    if first["type"] == "missing":
        return f"{variable} is not set"
    text = str(first["msg"]).removeprefix("Value error, ")
    if not variable:
        return text
    # Never the value of a proxy, which may hold a password by mistake.
    shown = "" if "PROXY" in variable else f" (it is {str(first.get('input'))[:100]!r})"
    return f"{variable}{inner}: {text}{shown}"
