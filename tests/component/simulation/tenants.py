"""Standing faults: what the API server answers one tenant to one kind of call, until somebody mends it.

A tenant is a namespace, or one Subscription with its objects. Nobody else meets the fault: a webhook or a policy of one
namespace, a right that was taken away there, an object that cannot be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from component.fake_api import Whose
from component.simulation.cast import NAMESPACES
from trawler_operator.reconcile.ports import ApiError, RejectedError, UnavailableError


class Call(NamedTuple):
    """A verb, and the kind of object that it is for."""

    verb: str
    kind: str


ANY = "*"
_CALLS = {
    "get Subscription": Call("get", "Subscription"),
    "patch status": Call("status", "Subscription"),
    "list Jobs": Call("list", "Job"),
    "list inventory Jobs": Call("list", "Job"),
    "list survey Jobs": Call("list", "Job"),
    "get Job": Call("get", "Job"),
    "create Job": Call("create", "Job"),
    "delete Job": Call("delete", "Job"),
    "find Pod": Call("list", "Pod"),
    "read log": Call("get", "Pod"),
    "list shards": Call("list", "ConfigMap"),
    "read shards": Call("list", "ConfigMap"),
    "get ConfigMap": Call("get", "ConfigMap"),
    "create ConfigMap": Call("create", "ConfigMap"),
    "patch ConfigMap": Call("patch", "ConfigMap"),
    "get Secret": Call("get", "Secret"),
    "get claim": Call("get", "PersistentVolumeClaim"),
    "create Event": Call("create", "Event"),
}
"""What an operator asks of an API server, as `FakeApi` names it. It applies nothing."""
CALLS = (
    *sorted({*_CALLS.values()}),
    *(Call(ANY, kind) for kind in ("ConfigMap", "Job", "Subscription")),
    *(Call(verb, ANY) for verb in ("create", "get", "list", "patch")),
    Call(ANY, ANY),
)
"""What may be out of order for a tenant."""


class Answer(StrEnum):
    """What the API server says instead. Nothing is done."""

    FORBIDDEN = "403"
    DENIED = "422"
    WEBHOOK = "500"
    TIMEOUT = "timeout"


_ERRORS = {
    Answer.FORBIDDEN: RejectedError('403: User "trawler" cannot do this'),
    Answer.DENIED: RejectedError('422: admission policy "tenants.example.com" denied the request'),
    Answer.WEBHOOK: UnavailableError('500: failed calling webhook "tenants.example.com"'),
    Answer.TIMEOUT: UnavailableError("no answer within 30 s"),
}
TENANTS = (*sorted({*NAMESPACES.values()}), *sorted(NAMESPACES))
"""Namespaces, and names of Subscriptions."""


@dataclass(frozen=True)
class StandingFault:
    """What one tenant meets.

    Args:
        tenant: a namespace, or a Subscription's name.
        call: what is answered so; `*` stands for all.
        answer: what the API server says.
    """

    tenant: str
    call: Call
    answer: Answer

    def is_met_by(self, call: Call, whose: Whose) -> bool:
        """Whether a call is answered so."""
        is_theirs = self.tenant in (whose.namespace, whose.subscription)
        return is_theirs and all(mine in (ANY, its) for mine, its in zip(self.call, call, strict=True))

    @property
    def meets(self) -> frozenset[str]:
        """Names of the Subscriptions that meet it."""
        return frozenset(name for name, namespace in NAMESPACES.items() if self.tenant in (name, namespace))


class Tenants:
    """The standing faults of a run."""

    def __init__(self) -> None:
        self._faults: list[StandingFault] = []

    def trouble(self, tenant: str, call: Call, answer: Answer) -> None:
        """From now on."""
        self._faults.append(StandingFault(tenant, call, answer))

    def lift(self, number: int) -> None:
        """One of them is mended."""
        if self._faults:
            del self._faults[number % len(self._faults)]

    def lift_all(self) -> None:
        """All are."""
        self._faults.clear()

    @property
    def troubled(self) -> set[str]:
        """Names of the Subscriptions that meet any of them."""
        return {name for fault in self._faults for name in fault.meets}

    def answer(self, what: str, whose: Whose) -> ApiError | None:
        """What a call meets; None: it is done."""
        call = _CALLS.get(what.partition("/")[0])
        if call is None:
            return None
        found = next((fault for fault in self._faults if fault.is_met_by(call, whose)), None)
        return None if found is None else _ERRORS[found.answer]
