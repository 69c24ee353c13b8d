"""Steps of a pass that fail: each is caught by itself, so that the other steps go on, and shown in the status."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from trawler_operator.api.reasons import ConditionReason, message
from trawler_operator.api.subscription import Key
from trawler_operator.domain.blocker import Blocker
from trawler_operator.reconcile.ports import ApiError, NotLeadingError, RejectedError
from trawler_operator.reconcile.stores.gate_store import GatesUnavailableError
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError, LedgerNotWritableError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Step(StrEnum):
    """The steps of a pass, in words for people."""

    LEDGER = "reading the ledger"
    GATES = "reading the gates"
    JOBS = "looking at the Jobs"
    ENDINGS = "recording how downloads ended"
    CLEAN_UP = "deleting Jobs that are not needed"
    PREREQUISITES = "reading what the spec names"
    HISTORY = "reading the history back"
    REQUESTS = "carrying out requests"
    PROBES = "giving back probes"
    LAUNCH = "launching downloads"
    CHECK = "checking the source"


_REASONS = {
    Step.LEDGER: ConditionReason.LEDGER_NOT_READABLE,
    Step.GATES: ConditionReason.GATES_UNAVAILABLE,
    Step.JOBS: ConditionReason.JOBS_NOT_READABLE,
    Step.ENDINGS: ConditionReason.ENDINGS_NOT_RECORDED,
    Step.CLEAN_UP: ConditionReason.JOBS_NOT_DELETED,
    Step.PREREQUISITES: ConditionReason.PREREQUISITES_NOT_READABLE,
    Step.HISTORY: ConditionReason.HISTORY_NOT_READABLE,
    Step.REQUESTS: ConditionReason.REQUESTS_NOT_CARRIED_OUT,
    Step.PROBES: ConditionReason.GATES_UNAVAILABLE,
    Step.LAUNCH: ConditionReason.LAUNCH_FAILED,
    Step.CHECK: ConditionReason.CHECK_NOT_RECORDED,
}


@dataclass(frozen=True, slots=True)
class StepFailure:
    """A step that failed, at its beginning or in the middle.

    Args:
        step: the step.
        error: why it failed.
    """

    step: Step
    error: Exception

    @property
    def blocker(self) -> Blocker:
        """What Ready says: the step, whether the API server refuses or does not answer, and the server's own words."""
        match self.error:
            case GatesUnavailableError():
                return _said(ConditionReason.GATES_UNAVAILABLE, self.error)
            case LedgerNotWritableError():
                return _said(ConditionReason.LEDGER_NOT_WRITABLE, self.error)
            case LedgerBusyError():
                return _said(ConditionReason.LEDGER_BUSY, self.error)
            case RejectedError():
                return _said(_REASONS[self.step], f"the API server refuses it: {self.error}")
            case ApiError():
                return _said(_REASONS[self.step], f"the API server did not do it: {self.error}")
            case TimeoutError():
                return _said(ConditionReason.PASS_TOO_LONG, f"while {self.step.value}")
            case _:
                detail = f"{self.step.value}: {type(self.error).__name__}: {self.error}"
                return _said(ConditionReason.INTERNAL_ERROR, detail)


def _said(reason: ConditionReason, detail: object) -> Blocker:
    return Blocker(reason, message(reason, detail=detail), is_failure=True)


class Attempts:
    """Makes the steps of one pass, and keeps their failures.

    Args:
        key: the Subscription's key, for the log.
    """

    def __init__(self, key: Key) -> None:
        self._key = key
        self._failures: list[StepFailure] = []
        self._under_way: Step | None = None

    @property
    def failures(self) -> tuple[StepFailure, ...]:
        """The failures in the order in which they came."""
        return tuple(self._failures)

    @property
    def under_way(self) -> Step:
        """The step that was begun last."""
        return self._under_way or Step.LEDGER

    def failed_in(self, steps: Iterable[Step]) -> bool:
        """Whether one of these steps failed."""
        wanted = set(steps)
        return any(failure.step in wanted for failure in self._failures)

    async def make(self, step: Step, work: Awaitable[T], otherwise: T) -> T:
        """Make a step; returns its result, or `otherwise` if it failed.

        Raises:
            NotLeadingError: another operator may be at work, so nothing may be written any more, not even a status.
        """
        self._under_way = step
        try:
            return await work
        except NotLeadingError:
            raise
        except Exception as error:  # noqa: BLE001 - the other steps must go on, whatever is wrong in this one
            self.note(step, error)
            return otherwise

    def note(self, step: Step, error: Exception) -> None:
        """Note the failure of a step that reported it by itself, or in which the pass's time ended."""
        self._failures.append(StepFailure(step, error))
        known = isinstance(error, (ApiError, LedgerBusyError, TimeoutError))
        log = logger.warning if known else logger.exception
        log("%s/%s: %s: %s: %s", *self._key, step.value, type(error).__name__, error)
