"""What goes wrong on purpose: a fault has something to match, a kind, and how often it strikes.

Kinds are of three sorts. Transport faults (`status`, `redirect`, `hang`, `reset`, `truncate`, `slow`, `corrupt`,
`blank`, `sign_out`) fit every endpoint. Listing faults change what a listing says. Player faults are states of a video
(catalogue.STATES), lent for a while. One extraction asks the player several times, as different clients: so `times` of
a player fault counts attempts (visits of the watch page) and of every other fault counts requests.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from standin.calls import ENDPOINTS, GROUPS, LISTING, Call
from standin.catalogue import STATES, Catalogue

TRANSPORT_KINDS = frozenset({"status", "redirect", "hang", "reset", "truncate", "slow", "corrupt", "blank", "sign_out"})
LISTING_KINDS = frozenset({"incomplete", "empty", "alert", "redirect_home"})
PLAYER_ENDPOINTS = frozenset({"watch", "player"})
_MATCH_FIELDS = frozenset({"endpoint", "video", "channel", "tab", "playlist", "page", "stream", "client"})
_FIELDS = frozenset(
    {"match", "kind", "times", "status", "retry_after", "location", "bytes", "bytes_per_second", "seconds", "text"}
    | {"starts_at", "unless_cookie"}
)


@dataclass
class Fault:
    """One fault; `spec` is what was asked for, defaults filled in."""

    id: int
    match: Mapping[str, Any]
    kind: str
    spec: Mapping[str, Any]
    times: int | None = None
    """None: always."""
    struck: int = 0
    attempts: set[tuple[str, int]] = field(default_factory=set)

    def number(self, name: str, default: float) -> float:
        """A number of the specification."""
        return float(self.spec.get(name, default))

    def as_json(self) -> dict[str, Any]:
        """For the control API."""
        return {**self.spec, "id": self.id, "struck": self.struck}


class Faults:
    """The faults in force, and the attempts at each video."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: dict[int, Fault] = {}
        self._attempts: dict[str, int] = {}

    def add(self, spec: Mapping[str, Any], catalogue: Catalogue) -> Fault:
        """Put a fault into force; a channel may be named by its handle.

        Raises:
            ValueError: a field cannot be understood.
            UnknownThingError: no such channel.
        """
        match = dict(spec.get("match") or {})
        kind = spec.get("kind")
        for unknown in [*sorted(set(spec) - _FIELDS), *(f"match.{f}" for f in sorted(set(match) - _MATCH_FIELDS))]:
            raise ValueError(f"fault: unknown field {unknown!r}")
        if kind not in TRANSPORT_KINDS | LISTING_KINDS | set(STATES):
            raise ValueError(f"field 'kind': {kind!r} is not one of {_names(TRANSPORT_KINDS, LISTING_KINDS, STATES)}")
        if match.get("endpoint", "any") not in {*ENDPOINTS, *GROUPS}:
            raise ValueError(f"field 'match.endpoint': {match['endpoint']!r} is not one of {_names(ENDPOINTS, GROUPS)}")
        if kind == "status" and not isinstance(spec.get("status"), int):
            raise ValueError("field 'status' is missing: an HTTP status such as 429")
        if kind == "redirect" and not isinstance(spec.get("location"), str):
            raise ValueError("field 'location' is missing: a URL")
        if "channel" in match:
            match["channel"] = catalogue.channel(match["channel"]).id
        with self._lock:
            fault = Fault(next(self._ids), match, kind, dict(spec), spec.get("times"))
            self._faults[fault.id] = fault
        return fault

    def remove(self, fault_id: int | None = None) -> None:
        """End one fault, or all of them."""
        with self._lock:
            if fault_id is None:
                self._faults.clear()
            else:
                self._faults.pop(fault_id, None)

    def all(self) -> list[Fault]:
        """The faults in force, used-up ones included."""
        with self._lock:
            return list(self._faults.values())

    def take(self, call: Call, cookies: str = "") -> Fault | None:
        """The fault that strikes this call, if any; the oldest one wins.

        Args:
            call: what is asked.
            cookies: the request's header; a fault with `unless_cookie` spares who sends that one.
        """
        sent = {cookie.strip() for cookie in cookies.split(";")}
        with self._lock:
            if call.endpoint == "watch" and call.video is not None:
                self._attempts[call.video] = self._attempts.get(call.video, 0) + 1
            for fault in self._faults.values():
                if fault.spec.get("unless_cookie") in sent:
                    continue
                if _matches(fault, call) and self._strikes(fault, call):
                    fault.struck += 1
                    return fault
        return None

    def _strikes(self, fault: Fault, call: Call) -> bool:
        if fault.times is None:
            return True
        if fault.kind in STATES and call.video is not None:
            attempt = (call.video, self._attempts.get(call.video, 0))
            if attempt not in fault.attempts and len(fault.attempts) >= fault.times:
                return False
            fault.attempts.add(attempt)
            return True
        return fault.struck < fault.times


def _names(*groups: Any) -> str:
    return ", ".join(sorted(itertools.chain(*groups)))


def _matches(fault: Fault, call: Call) -> bool:
    if fault.kind in STATES and call.endpoint not in PLAYER_ENDPOINTS:
        return False
    if fault.kind in LISTING_KINDS and call.endpoint not in LISTING:
        return False
    for name, wanted in fault.match.items():
        if name == "endpoint" and (
            call.endpoint in GROUPS.get(wanted, ()) or (fault.kind in STATES and wanted in PLAYER_ENDPOINTS)
        ):
            continue
        if getattr(call, name) != wanted:
            return False
    return True
