"""Types of single values, in a spec or the configuration, each with the rule that it obeys.

Of a spec's the rule stands twice: as a pattern or CEL for the API server, and in Python.

What several fields obey together stands with their model in `spec.py`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, WithJsonSchema

from trawler_downloader.contract.proxies import proxy_place

MAX_ID = 2_147_483_647
"""Largest user or group id that Kubernetes takes."""
MAX_NAME_BYTES = 240
"""Of one folder name: file systems end at 255 bytes, and ours may get a suffix."""
STATE_FOLDER = ".trawler"
"""Where the downloader keeps its state on the claim."""

URL_PATTERN = r"^https?://[^/?#@\\\s\x00-\x1f\x7f]+([/?#][^\s\x00-\x1f\x7f]*)?$"
URL_RULE = (
    "must be an http:// or https:// address with a host, without a user name or password, spaces or control characters"
)
PROXY_PATTERN = r"^(https?|socks4a?|socks5h?)://(\[[0-9a-fA-F:.]+\]|[^/?#@:\[\]\\\s\x00-\x1f\x7f]+)(:[0-9]{1,5})?/?$"
PROXY_RULE = "must be http, https, socks4, socks4a, socks5 or socks5h://host:port, without a user name or password"
PRINTABLE_PATTERN = r"^[^\x00-\x1f\x7f\\]*$"
PATH_RULE = (
    "must be a relative path of folders, without a leading or trailing '/', without empty, '.', '..' or '.trawler' "
    "parts, backslashes or control characters, and with parts of at most 240 bytes"
)
FOLDER_RULE = (
    "must be the name of one folder, not '.', '..' or '.trawler', without '/', backslashes or control characters, "
    "of at most 240 bytes"
)
CRON_RULE = "must be five fields: minute, hour, day of month, month, day of week"
_CEL_PART = (
    "{part} != '' && {part} != '.' && {part} != '..' && {part}.lowerAscii() != '.trawler' && size(bytes({part})) <= 240"
)
_CEL_PRINTABLE = f"self.matches(r'{PRINTABLE_PATTERN}')"
_CEL_URL = f"self.matches(r'{URL_PATTERN}')"
_CEL_PROXY = f"self.matches(r'{PROXY_PATTERN}')"
_CEL_PATH = f"{_CEL_PRINTABLE} && (self == '' || self.split('/').all(part, {_CEL_PART.format(part='part')}))"
_CEL_FOLDER = f"{_CEL_PRINTABLE} && !self.contains('/') && {_CEL_PART.format(part='self')}"

DNS_SUBDOMAIN_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
_NAME_OR_EMPTY_PATTERN = rf"^({DNS_SUBDOMAIN_PATTERN.strip('^$')})?$"
QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]+)?([eE][0-9]+|m|[kMGTPE]|[KMGTPE]i)?$"
UMASK_PATTERN = r"^0?0[0-7]{2}$"


def cel_rules(*rules: tuple[str, str]) -> dict[str, JsonValue]:
    """Rules for the API server: CEL expression and the message of its violation."""
    return {"x-kubernetes-validations": [{"rule": rule, "message": text} for rule, text in rules]}


def _is_folder_name(part: str) -> bool:
    return (
        part not in {"", ".", ".."}
        and part.lower() != STATE_FOLDER
        and len(part.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES
        and re.fullmatch(PRINTABLE_PATTERN, part) is not None
    )


def _check_url(value: str) -> str:
    if re.fullmatch(URL_PATTERN, value) is None:
        raise ValueError(URL_RULE)
    return value


def check_proxy(value: str) -> str:
    """The URL of a proxy, as it is. Raises ValueError: says what is wrong, and repeats nothing of a password."""
    if re.fullmatch(PROXY_PATTERN, value) is None:
        raise ValueError(PROXY_RULE)
    try:
        proxy_place(value)
    except ValueError:  # its words repeat what may be a password in the wrong place
        raise ValueError(PROXY_RULE) from None
    return value


def _check_proxy_if_any(value: str) -> str:
    return value and check_proxy(value)


def _check_path(value: str) -> str:
    if value and not all(_is_folder_name(part) for part in value.split("/")):
        raise ValueError(PATH_RULE)
    return value


def _check_folder(value: str) -> str:
    if "/" in value or not _is_folder_name(value):
        raise ValueError(FOLDER_RULE)
    return value


def _check_cron(value: str) -> str:
    if len(value.split()) != 5:  # a sixth field would mean seconds
        raise ValueError(CRON_RULE)
    try:
        next(CronSim(value, datetime(2024, 1, 1, tzinfo=UTC)))  # any day will do: it looks decades ahead
    except CronSimError as error:
        raise ValueError(f"is not a cron expression: {error}") from None
    except StopIteration:
        raise ValueError("is a cron expression that never comes") from None
    return value


def _check_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):  # of the many ways in which a wrong name ends; ZoneInfoNotFoundError is one
        raise ValueError(f"is not a known time zone: {value!r}; use a name such as Europe/Paris") from None
    return value


def check_distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    """The values, unless one comes twice.

    Raises:
        ValueError: it does.
    """
    if len(set(values)) != len(values):
        raise ValueError("must not name anything twice")
    return values


def _quantity_as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


SourceUrl = Annotated[
    str,
    Field(min_length=1, max_length=2048, json_schema_extra=cel_rules((_CEL_URL, f"url {URL_RULE}"))),
    AfterValidator(_check_url),
]
ProxyUrl = Annotated[
    str,
    Field(max_length=512, json_schema_extra=cel_rules((_CEL_PROXY, f"proxy {PROXY_RULE}"))),
    AfterValidator(check_proxy),
]
OptionalProxyUrl = Annotated[str, Field(max_length=512), AfterValidator(_check_proxy_if_any)]
"""Empty: none."""
LibraryPath = Annotated[
    str,
    Field(max_length=512, json_schema_extra=cel_rules((_CEL_PATH, f"path {PATH_RULE}"))),
    AfterValidator(_check_path),
]
FolderName = Annotated[
    str,
    Field(min_length=1, max_length=240, json_schema_extra=cel_rules((_CEL_FOLDER, f"folder {FOLDER_RULE}"))),
    AfterValidator(_check_folder),
]
CronExpression = Annotated[str, Field(min_length=9, max_length=100), AfterValidator(_check_cron)]
TimeZone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_check_time_zone)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN_PATTERN)]
OptionalName = Annotated[str, Field(max_length=253, pattern=_NAME_OR_EMPTY_PATTERN)]
"""Of an object; empty: none."""
Quantity = Annotated[
    str,
    Field(max_length=32, pattern=QUANTITY_PATTERN),
    BeforeValidator(_quantity_as_text),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": QUANTITY_PATTERN,
            "maxLength": 32,
        }
    ),
]
ResourceName = Annotated[str, Field(min_length=1, max_length=253)]
Umask = Annotated[str, Field(max_length=4, pattern=UMASK_PATTERN)]
FatalError = Annotated[str, Field(min_length=1, max_length=200)]
UserId = Annotated[int, Field(ge=1, le=MAX_ID)]
"""Never 0: nothing runs as root, and `restricted` namespaces would refuse it."""
