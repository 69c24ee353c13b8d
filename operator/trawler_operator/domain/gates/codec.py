"""Gates as values of a ConfigMap, and their epochs as an annotation of a pod: JSON that a person can read.

A value that cannot be read counts as none: its gate is open until the next trouble writes it anew. If such a value kept
its gate closed instead, nobody would find out what to mend.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from trawler_downloader.contract.message import LARGEST
from trawler_operator.api.times import StoredTime, format_time
from trawler_operator.domain.gates.budget import Budget
from trawler_operator.domain.gates.gate import Closing, Gate, Probe
from trawler_operator.domain.gates.route import GateId, GateKind

_Key = Annotated[str, Field(pattern=r"^[^/]+/[^/]+$")]
"""`namespace/name`."""


class InvalidGateError(ValueError):
    """A value is not a gate: someone edited it by hand. The message names the field."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class _Id(_Model):
    kind: GateKind
    site: str = ""
    proxy: str = ""
    cookies: str = ""
    claim: str = ""
    subscription: str = ""

    @property
    def identity(self) -> GateId:
        return GateId(self.kind, self.site, self.proxy, self.cookies, self.claim, self.subscription)


class _Closing(_Model):
    since: StoredTime
    paused_at: StoredTime
    until: StoredTime
    step: Annotated[int, Field(ge=1, le=LARGEST)]
    reason: str
    message: str = ""
    by: _Key
    unclear: Annotated[int, Field(ge=0, le=LARGEST)] = 0


class _Probe(_Model):
    holder: _Key
    task: str
    since: StoredTime
    until: StoredTime


class _Value(_Id):
    epoch: Annotated[int, Field(ge=0, le=LARGEST)] = 0
    changed: StoredTime | None = None
    closing: _Closing | None = None
    probe: _Probe | None = None
    starts: dict[StoredTime, Annotated[int, Field(ge=1, le=LARGEST)]] = Field(default_factory=dict)
    last_start: StoredTime | None = None
    unreached: tuple[str, ...] = ()


_EPOCHS = TypeAdapter(dict[GateKind, Annotated[int, Field(ge=0, le=LARGEST)]])


def decode_gate(name: str, text: str) -> Gate:
    """Read a value.

    Args:
        name: the value's key.
        text: the value.

    Raises:
        InvalidGateError: the value is not a gate, or not the one of that name. The message names the wrong field.
    """
    try:
        value = _Value.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidGateError(f"{where}: {first['msg']}" if where else str(first["msg"])) from None
    identity = value.identity
    if identity.name != name:
        raise InvalidGateError(f"it describes {identity.name}")
    closing, probe = value.closing, value.probe
    return Gate(
        id=identity,
        epoch=value.epoch,
        changed=value.changed,
        closing=Closing(**dict(closing)) if closing else None,
        probe=Probe(**dict(probe)) if probe else None,
        budget=Budget({int(at.timestamp()): count for at, count in value.starts.items()}, value.last_start),
        unreached=value.unreached,
    )


def encode_gate(gate: Gate) -> str:
    """Write a value. Absent parts are left out."""
    document: dict[str, Any] = {**_identity(gate.id), "epoch": gate.epoch}
    if gate.changed is not None:
        document["changed"] = format_time(gate.changed)
    if gate.closing is not None:
        closing = gate.closing
        document["closing"] = {
            "since": format_time(closing.since),
            "pausedAt": format_time(closing.paused_at),
            "until": format_time(closing.until),
            "step": closing.step,
            "reason": closing.reason,
            "message": closing.message,
            "by": closing.by,
            **({"unclear": closing.unclear} if closing.unclear else {}),
        }
    if gate.probe is not None:
        probe = gate.probe
        document["probe"] = {
            "holder": probe.holder,
            "task": probe.task,
            "since": format_time(probe.since),
            "until": format_time(probe.until),
        }
    if gate.unreached:
        document["unreached"] = gate.unreached
    if gate.budget.last is not None:
        document["lastStart"] = format_time(gate.budget.last)
        minutes = sorted(gate.budget.starts.items())
        document["starts"] = {format_time(datetime.fromtimestamp(at, UTC)): count for at, count in minutes}
    return _dump(document)


def encode_epochs(epochs: Mapping[GateId, int]) -> str:
    """The epochs of the gates that a launch passed, by kind: a route has at most one gate of each."""
    return _dump({identity.kind.value: epoch for identity, epoch in epochs.items()})


def decode_epochs(text: str | None) -> dict[GateKind, int]:
    """The epochs by kind of gate; empty if the annotation is missing or unreadable."""
    try:
        return _EPOCHS.validate_json(text or "")
    except ValidationError:
        return {}


def _identity(identity: GateId) -> dict[str, str]:
    fields = {
        "kind": identity.kind.value,
        "site": identity.site,
        "proxy": identity.proxy,
        "cookies": identity.cookies,
        "claim": identity.claim,
        "subscription": identity.subscription,
    }
    return {name: value for name, value in fields.items() if value}


def _dump(document: object) -> str:
    # Lone surrogates (broken site data) cannot be written as UTF-8 at all.
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode("utf-8")
