"""What a pass found out, for its report and for the time of the next pass."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from trawler_operator.api.reasons import ConditionReason, message
from trawler_operator.api.status import HandledRequest
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.gates.route import GateId, Route
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.domain.status.condition_rules import CheckReport
from trawler_operator.domain.status.cookies import CookiesVerdict
from trawler_operator.domain.status.punctuality import Turn
from trawler_operator.reconcile.failures import StepFailure
from trawler_operator.reconcile.ports import Event
from trawler_operator.reconcile.stores.gatekeeper import AboutGate
from trawler_operator.reconcile.subject import Subject


@dataclass(frozen=True, slots=True)
class Findings:
    """What a pass found out.

    Args:
        subject: the Subscription, at the pass's end.
        ledger: the ledger, at the pass's end; None: it could not be opened.
        failures: steps that failed.
        blocker: what a person must mend before Jobs can be created.
        trouble: why a Job that should run does not.
        check: the check that was made.
        cookies: what was found out about the cookies.
        handled: requests that were carried out or refused.
        history_complete: whether the ledger is whole; if not, it is being made from the volume.
        routes: routes of the videos that could be downloaded now.
        missing: videos whose launch is claimed and whose Job does not exist.
        busy: videos that a live Job works on although the ledger does not know.
        asked_for_slots: whether admission knows what the Subscription wants.
        waits_for_gate: whether a due check waits for a closed gate.
        turn: the turn of the due check, in the line before the listings; None: no check was due.
        can_check: whether a due check is made as soon as its turn comes.
        probe_in_doubt: whether it holds a probe that nobody seems to make and that is too young to be given back.
        look_at: times at which there is something to see.
        events: Events about the Subscription.
        gate_events: Events about gates that moved.
    """

    subject: Subject
    ledger: Ledger | None
    failures: tuple[StepFailure, ...] = ()
    blocker: Blocker | None = None
    trouble: str | None = None
    check: CheckReport | None = None
    cookies: CookiesVerdict | None = None
    handled: Mapping[str, HandledRequest] = field(default_factory=dict)
    history_complete: bool = True
    routes: AbstractSet[Route] = frozenset()
    missing: tuple[str, ...] = ()
    busy: frozenset[str] = frozenset()
    asked_for_slots: bool = False
    waits_for_gate: bool = False
    turn: Turn | None = None
    can_check: bool = False
    probe_in_doubt: bool = False
    look_at: tuple[datetime, ...] = ()
    events: tuple[Event, ...] = ()
    gate_events: tuple[AboutGate, ...] = ()

    @property
    def gates(self) -> frozenset[GateId]:
        """All gates of the Subscription now."""
        return self.subject.own_gates | {gate for route in self.routes for gate in route.gates}

    @property
    def wanted_gates(self) -> frozenset[GateId]:
        """The gates that it passes or would pass now: with downloads, or with a check that is due."""
        running = self.ledger.running().values() if self.ledger is not None else ()
        downloads = {self.subject.download_route(entry.url) for entry in running}
        listing = {self.subject.listing_route} if self.waits_for_gate else set()
        return frozenset(gate for route in {*self.routes, *downloads, *listing} for gate in route.gates)

    def shown_blocker(self, gate: Blocker | None) -> Blocker | None:
        """What Ready names: a step that failed, else what keeps videos from being downloaded.

        Args:
            gate: the blocker of a closed gate; None: no gate holds it back.
        """
        if self.failures:
            return self.failures[0].blocker
        if self.blocker is not None or gate is not None:
            return self.blocker or gate
        if self.trouble is None:
            return None
        reason = ConditionReason.DOWNLOAD_NOT_STARTING
        return Blocker(reason, message(reason, detail=self.trouble))
