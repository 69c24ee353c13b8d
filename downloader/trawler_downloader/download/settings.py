"""What a launch is told by its environment, and nothing else of it is read anywhere."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from trawler_downloader.contract.download import (
    CA_FILE,
    COOKIES_FILE,
    LIBRARY_MOUNT,
    PROXY_CREDENTIALS,
    REQUEST_ENV,
)
from trawler_downloader.contract.message import Message
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError

POD_UID_ENV = "TRAWLER_POD_UID"
LIBRARY_ENV = "TRAWLER_LIBRARY"
TERMINATION_LOG_ENV = "TRAWLER_TERMINATION_LOG"
CA_FILE_ENV = "TRAWLER_CA_FILE"
COOKIES_FILE_ENV = "TRAWLER_COOKIES_FILE"
PROXY_CREDENTIALS_ENV = "TRAWLER_PROXY_CREDENTIALS"

_Request = TypeVar("_Request", bound=Message)


@dataclass(frozen=True)
class Settings:
    """Where a launch runs."""

    library: Path
    termination_log: Path
    ca_file: Path
    cookies_file: Path
    proxy_credentials: Path
    pod: str
    """The pod's uid, or the host's name, which in a pod is the pod's name."""


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings; where one is not set, what holds in a download pod."""
    pod = environment.get(POD_UID_ENV) or socket.gethostname()
    return Settings(
        library=Path(environment.get(LIBRARY_ENV) or LIBRARY_MOUNT),
        termination_log=Path(environment.get(TERMINATION_LOG_ENV) or "/dev/termination-log"),
        ca_file=Path(environment.get(CA_FILE_ENV) or CA_FILE),
        cookies_file=Path(environment.get(COOKIES_FILE_ENV) or COOKIES_FILE),
        proxy_credentials=Path(environment.get(PROXY_CREDENTIALS_ENV) or PROXY_CREDENTIALS),
        pod=re.sub(r"[^-a-zA-Z0-9]", "-", pod)[:100],
    )


def request_of(environment: Mapping[str, str], kind: type[_Request]) -> _Request:
    """The request, which must be of that kind.

    Raises:
        LaunchError: Environment, naming the field: it is the operator that wrote it, and its release that differs.
    """
    text = environment.get(REQUEST_ENV)
    if not text:
        raise _misunderstood(Reason.REQUEST_MISSING, f"the environment variable {REQUEST_ENV} holds no request")
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise _misunderstood(Reason.REQUEST_INVALID, f"{REQUEST_ENV}: {field}: {first['msg']}") from error


def _misunderstood(reason: Reason, detail: str) -> LaunchError:
    advice = "the operator's and the downloader's releases probably differ: use images of one release"
    return LaunchError(reason, f"{advice} ({detail})")
