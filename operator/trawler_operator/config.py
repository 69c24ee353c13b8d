"""How the operator is configured: one YAML file that the chart renders from its values, checked whole at the start.

Its keys are the chart's values, and most of its groups are the very objects that the domain takes: a new value touches
the chart's values, the class that holds it here or in the domain, and its user. No key has a default here: defaults
are the chart's. What only the pod knows, its namespace and its name, are environment variables.

A wrong file ends the process at once. A startup handler of kopf's would not do: one that raises is tried again every
60 seconds while the process looks alive.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from trawler_operator.api.field_types import ObjectName
from trawler_operator.domain.checks.schedule import CheckLimits
from trawler_operator.domain.gates.gate import GatePolicy
from trawler_operator.domain.jobs.cleanup import HistoryLimits
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults
from trawler_operator.domain.jobs.start_trouble import Patience
from trawler_operator.domain.launches.admission import AdmissionLimits

CONFIG_ENV = "TRAWLER_CONFIG"
"""Path of the file."""
DEFAULT_PATH = "/etc/trawler/config.yaml"
NAMESPACE_ENV = "TRAWLER_NAMESPACE"
POD_NAME_ENV = "TRAWLER_POD_NAME"

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PLAIN_WORDS = {
    "missing": "is missing",
    "extra_forbidden": "is not a setting",
    "unexpected_keyword_argument": "is not a setting",
    "invalid_key": "is not a setting",
    "model_type": "must be a group of settings",
    "dataclass_type": "must be a group of settings",
}
"""For what pydantic says in words of Python."""


class InvalidConfigError(Exception):
    """The configuration is wrong.

    Args:
        problems: one line for each thing that is wrong; names the file and the key in it, or the variable.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _check_namespace(name: str) -> str:
    if not _DNS_LABEL.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a namespace; patterns are not supported")
    return name


def _check_address(address: str) -> str:
    parts = urlsplit(address)
    if not ((parts.scheme == "unix" and parts.path) or (parts.scheme == "http" and parts.hostname)):
        raise ValueError("must be unix:///path/of/socket or http://host:port")
    return address


def _leave_a_worker_free(listings: int, info: ValidationInfo) -> int:
    """A listing takes minutes, and ended Jobs must not wait for it."""
    reconciles = info.data.get("max_concurrent_reconciles")
    if reconciles is not None and listings >= reconciles:
        raise ValueError(f"must be smaller than maxConcurrentReconciles ({reconciles})")
    return listings


class _Section(BaseModel):
    """A group of keys. Dataclasses inside it are checked by the same rules: pydantic hands the configuration on."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class Operator(_Section):
    """Of the process itself."""

    log_level: Literal["debug", "info", "warning", "error"]
    log_format: Literal["json", "text"]
    lease_duration_seconds: Annotated[int, Field(ge=5, le=600)]
    """After which another operator takes the place of one that has gone without a word."""
    max_concurrent_reconciles: Annotated[int, Field(ge=2, le=64)]
    max_concurrent_listings: Annotated[int, Field(ge=1, le=32), AfterValidator(_leave_a_worker_free)]


class Watch(_Section):
    """Whose Subscriptions are served."""

    namespaces: tuple[Annotated[str, AfterValidator(_check_namespace)], ...]
    """Empty: all of the cluster."""


class Jobs(_Section):
    """What becomes of Jobs."""

    history: HistoryLimits
    timeouts: Patience


class Config(_Section):
    """The whole file."""

    operator: Operator
    watch: Watch
    defaults: JobDefaults
    access: AccessRules
    checks: CheckLimits
    jobs: Jobs
    admission: AdmissionLimits
    gates: GatePolicy
    lease_name: ObjectName
    """In the operator's own namespace."""
    gates_config_map: ObjectName
    """The same."""
    lister_address: Annotated[str, AfterValidator(_check_address)]
    """`unix:///path/of/socket` or `http://host:port`."""
    http_port: Annotated[int, Field(ge=0, le=65535)]


@dataclass(frozen=True)
class OwnPod:
    """What the downward API tells.

    Args:
        namespace: of the operator.
        name: of the pod. A restarted container takes its predecessor's Lease up at once by it.
    """

    namespace: str
    name: str


def load_config(environment: Mapping[str, str]) -> tuple[Config, OwnPod]:
    """Read the file and the environment.

    Raises:
        InvalidConfigError: with everything that is wrong.
    """
    path = environment.get(CONFIG_ENV) or DEFAULT_PATH
    # Outside a pod several operators may run on one machine.
    name = environment.get(POD_NAME_ENV) or f"{socket.gethostname()}-{os.getpid()}"
    pod = OwnPod(environment.get(NAMESPACE_ENV, ""), name)
    problems = [] if pod.namespace else [f"{NAMESPACE_ENV} is not set"]
    config = None
    try:
        config = Config.model_validate(_read(path))
    except ValidationError as error:
        problems += [f"{path}: {_problem(details)}" for details in error.errors(include_url=False)]
    except InvalidConfigError as error:
        problems += error.problems
    if problems or config is None:
        raise InvalidConfigError(problems)
    return config, pod


def _read(path: str) -> object:
    try:
        return yaml.safe_load(Path(path).read_bytes())
    except OSError as error:
        raise InvalidConfigError(
            [f"{path}: cannot be read: {error.strerror} ({CONFIG_ENV} names another file)"]
        ) from None
    except yaml.MarkedYAMLError as error:
        # Without the text around the place: it may hold a password.
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise InvalidConfigError([f"{path}: is not YAML: {place}{error.problem}"]) from None
    except (yaml.YAMLError, ValueError):
        raise InvalidConfigError([f"{path}: is not YAML in UTF-8"]) from None


def _problem(found: ErrorDetails) -> str:
    """One line. It never holds what was found there: a proxy's address may hold a password."""
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"]).removeprefix(".")
    return f"{key or 'the whole'}: {_PLAIN_WORDS.get(found['type'], found['msg'].removeprefix('Value error, '))}"
