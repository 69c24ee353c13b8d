"""Asks volumes which Subscriptions have a history: one Job for all that wait, and one look at it at a time.

The first Subscription that comes makes the look. The others use its result, and are woken if it is an answer or
anything new to show. So a survey costs as many API calls for a thousand Subscriptions as for one. A failure is common
to all: each shows it in its status, and one new try is made for all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from trawler_downloader.contract.survey import HistoryLine
from trawler_downloader.contract.volume_job import Chunk
from trawler_operator.api.reasons import ConditionReason, message
from trawler_operator.api.subscription import Key
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.history.inventory import asked_by
from trawler_operator.domain.history.survey import LONGEST_AGE, Survey, SurveyId, order_survey, survey_id
from trawler_operator.reconcile.job_watcher import unless_said
from trawler_operator.reconcile.ports import ApiError, Event
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper
from trawler_operator.reconcile.subject import Subject
from trawler_operator.reconcile.volume_job_runner import Delivery, Standing, Unfinished, VolumeJobRunner

logger = logging.getLogger(__name__)

LOOK_AGAIN = timedelta(seconds=30)
"""Time to the next look. The watch reports a Job's end; this covers a lost event and a quota that has room again."""

_LOOKS = "a survey looks for what landed there before"


@dataclass(frozen=True, slots=True)
class Awaited:
    """There is no answer yet.

    Args:
        blocker: what Ready says.
        look_at: when to look again if nothing wakes the Subscription.
        events: Events about the Subscription.
    """

    blocker: Blocker
    look_at: tuple[datetime, ...]
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class _Waiter:
    """A Subscription that waits.

    Args:
        uid: the Subscription's uid.
        wish: values of `asked_by`. If they change, a try without a pause is asked for.
    """

    uid: str
    wish: dict[str, str]


@dataclass(slots=True)
class _Inquiry:
    """What is known of one survey, and who waits for it."""

    waiting: dict[Key, _Waiter] = field(default_factory=dict)
    found: Unfinished = field(default_factory=lambda: Unfinished(Standing.RUNS))
    """What the last look found, for all that wait."""
    look_at: datetime | None = None
    """Until then a look finds nothing new; None: it may find something."""
    poked: bool = True
    """Whether something has happened since the last look."""
    busy: bool = False
    """Whether somebody is making a look."""
    saw_it_run: bool = False
    """Whether an earlier look found the Job unfinished. Then the answer is as young as the Job's end."""
    asked: frozenset[str] = frozenset()
    """Uids of those that waited before this process created the present Job."""
    so_far: Survey | None = None
    """The parts that have come."""
    answer: Survey | None = None
    read_at: datetime | None = None
    """When the answer was read."""

    def answer_for(self, subject: Subject) -> Survey | None:
        """The answer, if it is young enough and valid for this Subscription."""
        if self.answer is None or not self.is_fresh(subject.now):
            return None
        return self.answer if self.answer.counts_for(subject.subscription) else None

    def is_fresh(self, now: datetime) -> bool:
        """Whether there is an answer that is not too old."""
        return self.read_at is not None and now - self.read_at <= LONGEST_AGE

    def is_worth_a_look(self, now: datetime) -> bool:
        """Whether a look may find something new."""
        return self.poked or self.look_at is None or self.look_at <= now


class Surveyor:
    """Keeps the answers of surveys while they are young, and has new surveys made.

    Args:
        runner: makes the Jobs.
        gatekeeper: knows what each Subscription shows of a closed gate.
        wake: asks for a pass over a Subscription.
        clock_ahead: how far our clock is ahead of the API server's.
    """

    def __init__(
        self,
        runner: VolumeJobRunner,
        gatekeeper: Gatekeeper,
        wake: Callable[[Key], None],
        clock_ahead: Callable[[], timedelta],
    ) -> None:
        self._runner = runner
        self._gatekeeper = gatekeeper
        self._wake = wake
        self._clock_ahead = clock_ahead
        self._inquiries: dict[SurveyId, _Inquiry] = {}
        self._waits_for: dict[Key, SurveyId] = {}

    async def ask(self, subject: Subject) -> Survey | Awaited:
        """The histories on the Subscription's volume; while they are unknown, what to show instead.

        Raises:
            ApiError: the API server did not do its part, in the look that this Subscription made.
        """
        key, subscription = subject.key, subject.subscription
        survey = survey_id(subscription, subject.claim, subject.policy.defaults)
        if self._waits_for.get(key, survey) != survey:
            self.leave(key)
        inquiry = self._inquiry(survey, subject.now)
        waiter = _Waiter(subscription.uid, asked_by(subscription, subject.policy.defaults))
        at_once = inquiry.waiting.setdefault(key, waiter).wish != waiter.wish
        self._waits_for[key] = survey
        wants_look = inquiry.answer_for(subject) is None and (at_once or inquiry.is_worth_a_look(subject.now))
        if wants_look and not inquiry.busy:
            inquiry.waiting[key] = waiter
            await self._look(inquiry, subject, survey, at_once=at_once)
        answer = inquiry.answer_for(subject)
        if answer is None:
            return self._awaited(inquiry.found, subject)
        self.leave(key)
        return answer

    def _awaited(self, found: Unfinished, subject: Subject) -> Awaited:
        """What a waiting Subscription shows. For a closed gate, the text says how this Subscription can open it."""
        if found.standing is Standing.HELD:
            held = self._gatekeeper.holds_inventory(subject.key, subject.volume, subject.now)
            if held is not None:
                return Awaited(held[0], (held[1],))
        # If a time has passed, somebody is making a look, and wakes the others if it finds something new.
        again = min((at for at in found.look_at if at > subject.now), default=subject.now + LOOK_AGAIN)
        return Awaited(_blocker(found), (again,), unless_said(subject, found.event, found.detail))

    def leave(self, key: Key) -> None:
        """Wait no longer. If this Subscription was to make the next look, another one is woken for that."""
        survey = self._waits_for.pop(key, None)
        if survey is None:
            return
        inquiry = self._inquiries[survey]
        inquiry.waiting.pop(key, None)
        if not inquiry.waiting:
            inquiry.so_far = None  # nobody may ask for the other parts for long
        elif inquiry.poked and not inquiry.busy:
            self._wake(next(iter(inquiry.waiting)))

    def poke(self, survey: SurveyId) -> None:
        """Note that something happened to a survey: its Job has ended or is gone."""
        inquiry = self._inquiries.get(survey)
        if inquiry is not None:
            inquiry.poked = True
            if inquiry.waiting and not inquiry.busy:
                self._wake(next(iter(inquiry.waiting)))

    def _inquiry(self, survey: SurveyId, now: datetime) -> _Inquiry:
        over = [
            other
            for other, inquiry in self._inquiries.items()
            if other != survey and not inquiry.waiting and not inquiry.busy and not inquiry.is_fresh(now)
        ]
        for other in over:
            del self._inquiries[other]
        return self._inquiries.setdefault(survey, _Inquiry())

    async def _look(self, inquiry: _Inquiry, subject: Subject, survey: SurveyId, *, at_once: bool) -> None:
        """Make one look for all that wait."""
        before, answer = inquiry.found, inquiry.answer
        inquiry.busy, inquiry.poked, inquiry.look_at = True, False, None
        try:
            found = await self._advance(inquiry, subject, survey, at_once=at_once)
        except ApiError as error:
            # The Subscription that looked reports the error as its pass's failure. The others need not try one by one.
            inquiry.look_at = subject.now + LOOK_AGAIN
            inquiry.found = Unfinished(Standing.FAILED, str(error), (inquiry.look_at,))
            raise
        else:
            again = _look_again_at(found, subject.now)
            inquiry.found = replace(found, look_at=(again,))
            # A Subscription that comes too late for this answer needs another Job, and a gate may open at any time.
            looks_again = inquiry.answer_for(subject) is not None or found.standing is Standing.HELD
            inquiry.look_at = None if looks_again else again
        finally:
            inquiry.busy = False
            if inquiry.answer is not answer or _said(inquiry.found) != _said(before):
                for key in [*inquiry.waiting]:
                    if key != subject.key:
                        self._wake(key)
            elif inquiry.poked and inquiry.waiting:
                self._wake(next(iter(inquiry.waiting)))

    async def _advance(self, inquiry: _Inquiry, subject: Subject, survey: SurveyId, *, at_once: bool) -> Unfinished:
        """Read all parts that have come, and ensure that the next one is made."""
        while True:
            asked = frozenset(waiter.uid for waiter in inquiry.waiting.values())
            order = order_survey(
                subject.subscription,
                subject.claim,
                survey,
                inquiry.so_far,
                at_once=at_once,
                one_node=subject.one_node,
            )
            found = await self._runner.advance(order, None, subject.now, _believe)
            if isinstance(found, Unfinished):
                if found.created and inquiry.so_far is None:
                    inquiry.asked = asked
                inquiry.saw_it_run = found.standing is Standing.RUNS or found.created
                return found
            await self._runner.delete(found.job)
            self._take(inquiry, found, subject.now)
            if inquiry.answer_for(subject) is not None:
                return Unfinished(Standing.RUNS)

    def _take(self, inquiry: _Inquiry, found: Delivery[HistoryLine], now: datetime) -> None:
        """Take over one more part, or the last one."""
        so_far = (inquiry.so_far or Survey(found.began_at, inquiry.asked)).plus(found.chunk)
        if so_far.after is not None:
            inquiry.so_far = so_far
            return
        # A Job that was found finished may have ended long ago, so its answer counts as old as the Job.
        inquiry.read_at = now if inquiry.saw_it_run else min(now, found.began_at + self._clock_ahead())
        inquiry.answer, inquiry.so_far, inquiry.asked = so_far, None, frozenset()
        logger.info("%s: %d histories", found.job["metadata"]["name"], len(so_far.names))


def _believe(_: Chunk[HistoryLine]) -> None:
    """Accept any answer, even one without a marker: only Subscriptions without downloads on the volume ask."""


def _look_again_at(found: Unfinished, now: datetime) -> datetime:
    """When a look may find something new, if nothing reports it sooner."""
    again = now + LOOK_AGAIN
    if found.standing is Standing.RUNS:
        return min((*found.look_at, again))
    return min(found.look_at, default=again)


def _said(found: Unfinished) -> tuple[Standing, str]:
    """The value whose change is worth a pass of all that wait: without a gate's text, which differs among them."""
    return found.standing, found.detail


def _blocker(found: Unfinished) -> Blocker:
    match found.standing:
        case Standing.FAILED:
            reason, detail = ConditionReason.INVENTORY_FAILED, f"its survey: {found.detail}"
        case Standing.REJECTED:
            reason, detail = ConditionReason.JOB_REJECTED, found.detail
        case _:
            reason, detail = ConditionReason.REBUILDING_HISTORY, found.detail or _LOOKS
    return Blocker(reason, message(reason, detail=detail))
