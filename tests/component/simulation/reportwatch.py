"""What must hold of statuses after every pass: it was reported, and says what is wrong in the API server's words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from component.cluster import Cluster
from component.object_store import Object
from component.simulation.calls import UnderWay
from trawler_operator.api.conditions import ConditionType
from trawler_operator.api.reasons import ConditionReason, EventReason
from trawler_operator.api.subscription import Key
from trawler_operator.reconcile.failures import _REASONS
from trawler_operator.reconcile.reconciler import PassFailedError

PATIENCE = 1
"""Passes after which the status tells of a standing fault. A step that meets one fails, or leaves a blocker; either is
in the report of that very pass."""
STEP_REASONS = frozenset({*_REASONS.values()}) - {ConditionReason.CHECK_NOT_RECORDED}
"""What Ready may say of a pass in which a step failed, and of no other. A check says by itself what became of it."""


@dataclass
class ReportWatch:
    """Looks at what passes leave behind for people.

    Args:
        cluster: has the statuses.
        alone: whether one operator works: of two, each may write over what the other reported.
    """

    cluster: Cluster
    alone: Callable[[], bool]
    untold: dict[Key, int] = field(default_factory=dict)
    """Passes in a row that met a standing fault of which people hear nothing."""

    def ended(self, this: UnderWay, error: BaseException | None) -> None:
        """After a pass."""
        body = self.cluster.get("Subscription", *this.key)
        is_same = body is not None and this.body is not None and _uid(body) == _uid(this.body)
        if this.was_cut or body is None or not is_same or "get Subscription" in this.failed or not self.alone():
            return
        if "patch status" in this.failed:
            told = [event for event in this.told if event.reason == EventReason.STATUS_NOT_WRITABLE]
            assert told, f"the status of {this.key} could not be stored, and nobody hears of it"
        else:
            self._look_at_report(this, body, error)
        self._look_at_words(this, body)

    def _look_at_report(self, this: UnderWay, body: Object, error: BaseException | None) -> None:
        """The status is that of this pass."""
        assert this.body is not None, "the same Subscription is there still"
        ready, seen = _ready(body), body.get("status", {}).get("observedGeneration", 0)
        failures = error.failures if isinstance(error, PassFailedError) else ()
        assert error is None or failures, f"a pass over {this.key} ended without a report: {error!r}"
        assert ready, f"nothing is reported of {this.key}"
        if failures:
            reason = failures[0].blocker.reason
            assert ready["reason"] == reason, f"Ready of {this.key} says {ready}, and not {failures[0]}"
            assert ready["status"] == "False", f"Ready of {this.key} is {ready}"
        else:
            assert ready["reason"] not in STEP_REASONS, f"Ready of {this.key} says {ready}, and all went well"
            before = this.body["metadata"]["generation"]
            assert seen >= before, f"the status of {this.key} is that of generation {seen}, and not of {before}"

    def _look_at_words(self, this: UnderWay, body: Object) -> None:
        """Standing faults are told of."""
        if this.faults:
            return  # a step that failed for another reason may be named instead
        if not this.words:
            self.untold.pop(this.key, None)
            return
        ready = _ready(body)
        texts = [event.message for event in this.told] if "patch status" in this.failed else []
        texts += [ready["message"]] if ready.get("status") == "False" else []
        if ready.get("reason") == ConditionReason.INVALID_SPEC:
            return  # nothing is tried before the spec is mended
        if any(words in text for words in this.words for text in texts):
            self.untold.pop(this.key, None)
            return
        self.untold[this.key] = self.untold.get(this.key, 0) + 1
        assert self.untold[this.key] < PATIENCE, (
            f"{this.key} meets {set(this.words)}, and after {self.untold[this.key]} passes says {ready}"
        )


def _ready(body: Object) -> dict[str, Any]:
    conditions = body.get("status", {}).get("conditions", ())
    return next((dict(one) for one in conditions if one["type"] == ConditionType.READY), {})


def _uid(body: Object) -> str:
    return str(body["metadata"]["uid"])
