"""Circuit breakers that all Subscriptions share: one gate's states and what moves it from one to the other. Pure.

| state | by | becomes |
|---|---|---|
| open | trouble, or the third ending in a row that did not reach the site | closed for the first pause |
| closed, pausing | the pause ends | closed, a probe may go |
| closed, a probe may go | a launch or listing claims the probe | closed, probed |
| closed, probed | trouble | closed for twice as long, up to the longest pause |
| closed, probed | an ending that proves it well | open |
| closed, probed | an ending that is unclear | closed for a short pause, longer each time |
| closed, probed | an ending that says nothing, or none within the probe's time | closed, a probe may go |

What an ending says of each kind of gate:

| ending | Egress | Cookies | Volume | Subscription |
|---|---|---|---|---|
| RateLimited as a bot check | trouble | trouble, if closed | | |
| RateLimited otherwise | trouble, if closed | trouble | | |
| Published | well | well | well | well |
| Terminal, NotYet, NeedsAccess, a listing | well | well | | |
| AlreadyPublished, unusable cookies, a listing without a request | | | | |
| Transient with one of UNREACHED_REASONS | counts, if open | | | |
| Environment with one of VOLUME_REASONS | | | trouble | if MountFailed: trouble |
| Environment with one of VIDEO_REASONS | | | | |
| Environment otherwise | | | | trouble |
| any with a volume id in its report | | | well | well, if it closed before the site was asked |
| any with a report | | | | well, if it closed because downloads did not start |

The Hand gate is closed for as long as a person asked for, and no ending moves it.

Each move gives the gate a new epoch. A launch carries the epochs that its gates had when it was claimed. An ending with
an older epoch moves nothing, since a launch that began before a move says nothing of the time after it. So of ten
launches that meet a block together one closes the gate and nine change nothing, and a straggler neither closes nor
opens it again.

A site may be out of reach for one video, or because of the line, the DNS or the proxy. Three such endings in a row,
without any answer of the site in between, count as the latter. Then the queue waits behind the gate and does not use up
the tries of one video after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from trawler_downloader.contract.outcomes import (
    ANSWERED_REASONS,
    UNREACHED_REASONS,
)
from trawler_downloader.contract.reasons import Reason
from trawler_operator.api.fitting import cut_characters
from trawler_operator.api.reasons import NEVER_STARTED, ConditionReason
from trawler_operator.api.times import seconds
from trawler_operator.domain.gates.budget import Budget
from trawler_operator.domain.gates.route import GateId, GateKind, own_gates
from trawler_operator.domain.pauses import CLOCK_TOLERANCE, Pause, backoff, spread

BOT_CHECK_REASONS = frozenset({Reason.BOT_CHECK, Reason.CAPTCHA, Reason.ADDRESS_BLOCKED})
"""The site distrusts the address itself, so other cookies would be burnt, too."""
MAX_ASKED_PAUSE = timedelta(days=1)
"""Longest pause that a site's Retry-After, which may say anything, can ask for."""
IDLE_FOR = timedelta(days=8)
"""How long a gate that nothing happens at is remembered.

An open gate is forgotten then: `activeDeadlineSeconds` ends every Job at seven days, so no Job is left that carries an
epoch of the time when the gate was closed. A closed gate is forgotten if nobody probed it for as long: its
Subscriptions are gone.
"""
FIRST_UNCLEAR_PAUSE = timedelta(minutes=1)
"""Pause after a probe with an unclear ending; later ones grow up to the gate's first pause. Without it, one video of
the queue after the other would ask an unwell site behind a closed gate.
"""
_TAKES_NOTHING_MORE = frozenset({Reason.NO_SPACE, Reason.READ_ONLY})
"""Trouble of a volume that can still be read."""
UNREACHED_TO_CLOSE = 3
"""Endings in a row that did not reach the site and close its gate: as many as a single video has tries."""
MAX_TEXT = 300
NO_BUDGET_USED = Budget({})
SOONEST_PROBE = timedelta(minutes=1)
"""Least time from the beginning of a pause to a probe that somebody asks for: repeated requests must not ask a site
faster than that.
"""
BY_HAND = "PausedByHand"
_NOT_STARTING = NEVER_STARTED | {ConditionReason.JOB_REJECTED, ConditionReason.LEDGER_NOT_WRITABLE}
"""Trouble that is over once a launch starts again, as its report shows."""
_BEFORE_THE_SITE = frozenset(
    {
        Reason.REQUEST_MISSING,
        Reason.REQUEST_INVALID,
        Reason.VOLUME_MARKER_MISSING,
        Reason.VOLUME_MARKER_MISMATCH,
        Reason.BELOW_MIN_FREE,
    }
)
"""Trouble that is over once a launch finds the right volume: its report bears a volume id. The floor of free space is
checked right after that.
"""


@dataclass(frozen=True, slots=True)
class GatePolicy:
    """Chart values.

    Args:
        egress: pauses of Egress and Cookies gates.
        volume: pauses of Volume gates.
        subscription: pauses of Subscription gates.
        probe_timeout: how long the ending of a probe is waited for.
    """

    egress: Pause
    volume: Pause
    subscription: Pause
    probe_timeout: Annotated[timedelta, Field(alias="probeTimeoutSeconds"), seconds(10, 604_800)]

    def pause(self, gate: GateId) -> Pause:
        """The pauses of a gate."""
        match gate.kind:
            case GateKind.VOLUME:
                return self.volume
            case GateKind.SUBSCRIPTION:
                return self.subscription
            case _:
                return self.egress


@dataclass(frozen=True, slots=True)
class Closing:
    """Since when, until when and why a gate is closed.

    Args:
        since: when it closed.
        paused_at: when the present pause began: a long one, or a short one after an unclear probe.
        until: when the present pause ends.
        step: number of the pause, from 1.
        reason: reason of the ending that closed the gate or lengthened its pause.
        message: that ending's text for people.
        by: `namespace/name` of the Subscription whose ending closed the gate.
        unclear: number of probes with an unclear ending since then.
    """

    since: datetime
    paused_at: datetime
    until: datetime
    step: int
    reason: str
    message: str
    by: str
    unclear: int = 0


@dataclass(frozen=True, slots=True)
class Probe:
    """The one launch or listing that may pass a closed gate.

    Args:
        holder: `namespace/name` of the Subscription.
        task: `launch_task(...)` or LISTING.
        since: when it was claimed.
        until: when its ending is no longer waited for.
    """

    holder: str
    task: str
    since: datetime
    until: datetime

    def is_awaited(self, now: datetime) -> bool:
        """Whether its ending may still come."""
        return self.since <= now + CLOCK_TOLERANCE and now < self.until


LISTING = "listing"


def launch_task(video: str, launch: int) -> str:
    """The task of a launch, by which a probe names it."""
    return f"{video}#{launch}"


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate as it is. A gate that nothing is known of is open.

    Args:
        id: which gate.
        epoch: epoch of its last move. It is never less than the clock's Unix seconds, so that a gate that was
            forgotten, or removed by hand, does not repeat an epoch that a Job still carries.
        changed: when it last moved, or counted an ending.
        closing: None while it is open.
        probe: None while nobody probes.
        budget: for Egress gates, the budget of the address.
        unreached: for Egress gates, the endings in a row (`ending_name`) that did not reach the site. A closed gate
            keeps those before it closed.
    """

    id: GateId
    epoch: int = 0
    changed: datetime | None = None
    closing: Closing | None = None
    probe: Probe | None = None
    budget: Budget = NO_BUDGET_USED
    unreached: tuple[str, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether it holds anything back."""
        return self.closing is not None

    def is_pausing(self, now: datetime) -> bool:
        """Whether it is closed and lets not even a probe pass."""
        closing = self.closing
        return closing is not None and closing.paused_at <= now + CLOCK_TOLERANCE and now < closing.until

    def passable_at(self, now: datetime) -> datetime:
        """From when on a launch may pass, as a probe if the gate is closed; `now` at the earliest."""
        if self.closing is None:
            return now
        if self.is_pausing(now):
            return self.closing.until
        if self.probe is not None and self.probe.is_awaited(now):
            return self.probe.until
        return now

    def readable_at(self, now: datetime) -> datetime:
        """From when on the volume may be read; `now` at the earliest."""
        if self.closing is not None and self.closing.reason in _TAKES_NOTHING_MORE:
            return now
        return self.passable_at(now)

    def is_forgettable(self, now: datetime) -> bool:
        """Whether nothing depends on it any more: no start counts, and for IDLE_FOR it was open, or closed unprobed."""
        since = self.closing.until if self.closing else self.changed
        return self.budget.is_idle(now) and (since is None or abs(now - since) > IDLE_FOR)


@dataclass(frozen=True, slots=True)
class Finding:
    """What an ending says of the gates that its launch or listing passed.

    Args:
        reason: CamelCase word.
        message: text for people.
        is_limit: the site asked to stop.
        is_volume_trouble: the volume failed.
        is_own_trouble: the Subscription's other downloads would meet the same trouble, and nobody else's would.
        is_published: the video is on the volume.
        has_report: the downloader itself says how it ended, so it was started.
        proves_site: the site answered as it does to anyone.
        proves_volume: the volume worked.
        is_unclear: most likely the site was asked, and its answer shows neither trouble nor that all is well.
        not_before: the site wants no request before that time.
    """

    reason: str = ""
    message: str = ""
    is_limit: bool = False
    is_volume_trouble: bool = False
    is_own_trouble: bool = False
    is_published: bool = False
    has_report: bool = False
    proves_site: bool = False
    proves_volume: bool = False
    is_unclear: bool = False
    not_before: datetime | None = None

    def is_trouble_for(self, gate: Gate) -> bool:
        """Whether it closes the gate, or keeps it closed for longer."""
        match gate.id.kind:
            case GateKind.VOLUME:
                return self.is_volume_trouble
            case GateKind.SUBSCRIPTION:
                return self.is_own_trouble
            case kind:
                is_aimed = (self.reason in BOT_CHECK_REASONS) == (kind is GateKind.EGRESS)
                return self.is_limit and (is_aimed or gate.is_closed)

    def proves_well(self, gate: Gate) -> bool:
        """Whether it opens the gate."""
        match gate.id.kind:
            case GateKind.VOLUME:
                return self.proves_volume
            case GateKind.SUBSCRIPTION:
                closed_by = gate.closing.reason if gate.closing else ""
                started = self.has_report and closed_by in _NOT_STARTING
                return self.is_published or started or (self.proves_volume and closed_by in _BEFORE_THE_SITE)
            case _:
                return self.proves_site

    @property
    def missed_site(self) -> bool:
        """Whether the site was asked and not reached."""
        return self.reason in UNREACHED_REASONS

    @property
    def reached_site(self) -> bool:
        """Whether the site gave any answer."""
        return self.proves_site or self.is_limit or self.reason in ANSWERED_REASONS


def close(gate: Gate, finding: Finding, by: str, policy: GatePolicy, now: datetime) -> Gate:
    """The gate after trouble: closed, or closed for longer."""
    step = gate.closing.step + 1 if gate.closing else 1
    epoch = _next_epoch(gate, now)
    until = _pause_end(gate.id, policy.pause(gate.id), step, epoch, now)
    if finding.not_before is not None:
        until = max(until, min(finding.not_before, now + MAX_ASKED_PAUSE))
    closing = Closing(
        since=gate.closing.since if gate.closing else now,
        paused_at=now,
        until=until,
        step=step,
        reason=finding.reason,
        message=cut_characters(finding.message, MAX_TEXT),
        by=gate.closing.by if gate.closing else by,
    )
    return replace(gate, epoch=epoch, changed=now, closing=closing, probe=None)


def reopen(gate: Gate, now: datetime) -> Gate:
    """The gate after an ending that proves it well."""
    return replace(gate, epoch=_next_epoch(gate, now), changed=now, closing=None, probe=None, unreached=())


def ending_name(holder: str, task: str) -> str:
    """The name under which an Egress gate counts an ending. All listings of a Subscription have the same."""
    return f"{holder} {task}"


def count(gate: Gate, finding: Finding, holder: str, task: str, policy: GatePolicy, now: datetime) -> Gate:
    """An open Egress gate after an ending. A repeated ending counts once.

    The third ending in a row that did not reach the site closes the gate. Any answer of the site resets the count.
    """
    if finding.reached_site and gate.unreached:
        return replace(gate, unreached=())
    name = ending_name(holder, task)
    if not finding.missed_site or name in gate.unreached:
        return gate
    counted = replace(gate, changed=now, unreached=(*gate.unreached, name))
    if len(counted.unreached) < UNREACHED_TO_CLOSE:
        return counted
    return close(counted, finding, holder, policy, now)


def hand_over(gate: Gate, holder: str, task: str) -> Gate:
    """The gate without this probe; unchanged if another probe holds it."""
    if gate.probe is None or (gate.probe.holder, gate.probe.task) != (holder, task):
        return gate
    return replace(gate, probe=None)


def put_off(gate: Gate, holder: str, task: str, policy: GatePolicy, now: datetime) -> Gate:
    """The gate after an unclear ending of this probe.

    The gate is unchanged if another probe holds it, or if the ending was settled before.
    """
    freed = hand_over(gate, holder, task)
    if freed is gate or gate.closing is None:
        return freed
    first, step = policy.pause(gate.id).first, gate.closing.unclear + 1
    until = _pause_end(gate.id, Pause(min(FIRST_UNCLEAR_PAUSE, first), first), step, gate.epoch + step, now)
    return replace(freed, closing=replace(gate.closing, paused_at=now, until=until, unclear=step))


def bring_forward(gate: Gate, now: datetime) -> Gate:
    """A closed gate whose next probe may go at once, as somebody asked; unchanged if a probe may go anyway."""
    closing = gate.closing
    if closing is None or gate.id.kind is GateKind.HAND:
        return gate
    until = min(closing.until, max(now, closing.paused_at + SOONEST_PROBE))
    return gate if until == closing.until else replace(gate, closing=replace(closing, until=until))


def paused_by_hand(subscription: str, until: datetime, now: datetime) -> Gate:
    """The Hand gate of a Subscription, `namespace/name`, while a person wants it closed."""
    _, identity = own_gates(subscription)
    closing = Closing(since=now, paused_at=now, until=until, step=1, reason=BY_HAND, message="", by=subscription)
    return Gate(identity, closing=closing)


def _pause_end(gate: GateId, pause: Pause, step: int, seed: int, now: datetime) -> datetime:
    return now + spread(backoff(pause.first, pause.longest, step), gate.name, seed)


def _next_epoch(gate: Gate, now: datetime) -> int:
    return max(gate.epoch + 1, int(now.timestamp()))
