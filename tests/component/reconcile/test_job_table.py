"""The tables of docs/outcomes.md about Jobs, row by row: what Kubernetes shows, and what the operator makes of it.

Every row is literal: the ledger's entry with reason, class, state and tries; the condition that changes; and when the
next launch begins. Which row holds is decided in `domain.jobs.outcome` and `domain.jobs.start_trouble`, whose own
tests have the odd cases; here it is the reconciler that meets them, in a cluster and on a clock in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builders import NOON
from component.aftermath import (
    A_DAY,
    A_MINUTE,
    A_QUARTER,
    AN_HOUR,
    GATE,
    NEVER,
    NONE,
    PAUSE,
    VOLUME_GATE,
    Again,
    Course,
    Situation,
    of_a_launch,
)
from component.cluster import Object
from component.job_controller import (
    delete_pod,
    evict_pod,
    exceed_deadline,
    lose_pod,
    start_pod,
)
from component.situations import (
    STOPPED,
    ended,
    ended_well_and_was_removed,
    failed,
    frozen,
    initializing,
    lost_to_its_node,
    not_taken_up,
    scheduled,
    stopped_at_its_deadline,
    unschedulable,
    waits,
)
from component.world import World
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.reasons import ConditionReason, EndReason

PAGE = Path(__file__).parents[3] / "docs" / "outcomes.md"
AT_ONCE = (10, 12)
"""The first pause after an ending that says nothing, with the fifth that it may be longer."""
NOT_STARTING = "Ready=False DownloadNotStarting"
START, SCHEDULING, ENDING = 300, 1800, 300
"""Seconds that the chart's values bear with a launch."""
GRACE = 30
"""Seconds that a pod has to end."""
SHOWN = 120
"""Seconds after which it is said what holds a launch up."""
BORNE = {
    "startSeconds": START,
    "schedulingSeconds": SCHEDULING,
    "endingSeconds` after its grace period": GRACE + ENDING,
}
"""The chart's values, in the page's words."""


@dataclass(frozen=True)
class Row:
    """What Kubernetes shows, and all that follows.

    Args:
        name: the situation.
        shows: what brings it about.
        reason: of the entry.
        outcome: its class.
        state: of the entry.
        failures: tries that it cost.
        condition: that changes when it ends.
        again: seconds until the next launch.
        spec: of the Subscription.
        says: part of the entry's message.
    """

    name: str
    shows: Situation
    reason: str
    outcome: str
    state: str
    failures: int
    condition: str
    again: Again
    spec: dict[str, Any] = field(default_factory=dict)
    says: str = ""


@dataclass(frozen=True)
class HeldUp:
    """A launch that does not start or does not end.

    Args:
        row: how it ends.
        shown_after: seconds until the status says so.
        ended_after: seconds until patience is over.
        quota: what one of the namespace refuses.
    """

    row: Row
    shown_after: float
    ended_after: float
    quota: str | None = None


PREEMPTED = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "preempting"}
DRAINED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "evicting"}

# fmt: off
ENDED = (
    # Job Complete, its pod gone or its report unreadable.
    Row("complete, and its pod is gone", ended_well_and_was_removed,
        "ResultLost", "Terminated", "Pending", 0, NONE, AT_ONCE),
    Row("complete, and its report is cut off", ended(0, '{"v":1,"outcome":"Publ'),
        "ResultLost", "Terminated", "Pending", 0, NONE, AT_ONCE),
    Row("complete without a report", ended(0), "ResultLost", "Terminated", "Pending", 0, NONE, AT_ONCE),
    # Container OOMKilled.
    Row("out of memory", ended(137, reason="OOMKilled"),
        "OutOfMemory", "Transient", "Failed", 1, NONE, A_MINUTE, says="spec.job.resources.limits.memory"),
    # Job failed, DeadlineExceeded.
    Row("beyond its deadline, its pod removed", lambda world, job: exceed_deadline(world.cluster, job),
        "DeadlineExceeded", "Transient", "Failed", 1, NONE, A_MINUTE, says="spec.job.activeDeadlineSeconds"),
    Row("beyond its deadline, and its pod says that it was told to stop",
        lambda world, job: exceed_deadline(world.cluster, job, STOPPED.to_json()),
        "DeadlineExceeded", "Transient", "Failed", 1, NONE, A_MINUTE),
    Row("told to stop at its deadline, and ended before the Job's condition said why", stopped_at_its_deadline,
        "DeadlineExceeded", "Transient", "Failed", 1, NONE, A_MINUTE),
    # Pod evicted, preempted or drained.
    Row("evicted by a drain, its pod gone", lambda world, job: evict_pod(world.cluster, job),
        "Disrupted", "Terminated", "Pending", 0, NONE, AT_ONCE),
    Row("drained, its pod still there", failed(143, conditions=[DRAINED]),
        "Disrupted", "Terminated", "Pending", 0, NONE, AT_ONCE, says="EvictionByEvictionAPI: evicting"),
    Row("preempted before it started", failed(conditions=[PREEMPTED]),
        "Disrupted", "Terminated", "Pending", 0, NONE, AT_ONCE, says="PreemptionByScheduler: preempting"),
    Row("evicted by its node for want of disk", failed(137, reason="Evicted", message="The node was low on resource"),
        "Disrupted", "Terminated", "Pending", 0, NONE, AT_ONCE, says="The node was low on resource"),
    # Pod's node lost, or container in an unknown state.
    Row("node lost", failed(reason="NodeLost", message="Node node-1 which was running pod x is unresponsive"),
        "NodeLost", "Terminated", "Pending", 0, NONE, AT_ONCE, says="unresponsive"),
    Row("container in an unknown state", lost_to_its_node,
        "NodeLost", "Terminated", "Pending", 0, NONE, AT_ONCE, says="could not be located"),
    # Container could not be started.
    Row("start error", ended(128, 'exec: "python": not found', "StartError"),
        "ContainerNotStarted", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says='exec: "python": not found'),
    Row("an injected init container failed",
        failed(initContainerStatuses=[{"name": "iptables", "state": {"terminated": {"exitCode": 2}}}]),
        "ContainerNotStarted", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="init container iptables"),
    Row("container cannot run", ended(127, "no such device", "ContainerCannotRun"),
        "ContainerNotStarted", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="no such device"),
    # Pod refused by its node.
    Row("too little CPU on its node", failed(reason="OutOfcpu", message="Node didn't have enough resource: cpu"),
        "PodRefused", "Terminated", "Pending", 0, NONE, AT_ONCE, says="OutOfcpu: Node didn't have enough resource"),
    Row("not what its node takes", failed(reason="NodeAffinity"),
        "PodRefused", "Terminated", "Pending", 0, NONE, AT_ONCE, says="NodeAffinity"),
    # Exit code 137 or 143, otherwise.
    Row("killed", ended(137), "Killed", "Terminated", "Pending", 0, NONE, AT_ONCE, says="137"),
    Row("told to stop, without a report", ended(143), "Killed", "Terminated", "Pending", 0, NONE, AT_ONCE, says="143"),
    Row("deleted by hand, its pod gone", lambda world, job: delete_pod(world.cluster, job),
        "Killed", "Terminated", "Pending", 0, NONE, AT_ONCE, says="143"),
    # Exit code 0, and the Job failed all the same.
    Row("ended well beside a container that failed", failed(0, phase="Failed"),
        "ResultLost", "Terminated", "Pending", 0, NONE, AT_ONCE),
    # Exit code of a class.
    Row("code of Terminal", ended(40), "Exited", "Terminal", "DeadLetter", 0, NONE, NEVER, says="40"),
    Row("code of NotYet", ended(41), "Exited", "NotYet", "Waiting", 0, NONE, AN_HOUR),
    Row("code of NeedsAccess", ended(42), "Exited", "NeedsAccess", "Waiting", 0, NONE, A_DAY),
    Row("code of RateLimited", ended(43), "Exited", "RateLimited", "Pending", 0, GATE, A_QUARTER),
    Row("code of Transient", ended(44), "Exited", "Transient", "Failed", 1, NONE, A_MINUTE),
    Row("code of Environment", ended(45), "Exited", "Environment", "Pending", 0, PAUSE, A_MINUTE),
    Row("code of Configuration", ended(46), "Exited", "Configuration", "DeadLetter", 0, NONE, NEVER),
    # Any other exit code.
    Row("code of nobody's", ended(1), "Exited", "Transient", "Failed", 1, NONE, A_MINUTE, says="code 1 "),
    # Job failed, and neither pod nor condition says why.
    Row("pod deleted by force", lambda world, job: lose_pod(world.cluster, job),
        "LaunchVanished", "Transient", "Failed", 1, NONE, A_MINUTE, says="BackoffLimitExceeded"),
    # Below that table.
    Row("what retry.fatalErrors names", ended(1), spec={"retry": {"fatalErrors": ["EXIT CODE 1"]}},
        reason="FatalError", outcome="Transient", state="DeadLetter", failures=0, condition=NONE, again=NEVER,
        says="Exited: ended with exit code 1"),
)

HELD_UP = (
    HeldUp(Row("no pod, for a quota", lambda world, job: start_pod(world.cluster, job),
               "PodNotCreated", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="kubectl -n media get"),
           SHOWN, START, quota="pods"),
    HeldUp(Row("no node takes the pod", unschedulable,
               "Unschedulable", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="0/1 nodes are available"),
           SHOWN, SCHEDULING),
    HeldUp(Row("image that is not found", waits("ErrImagePull", "not found"),
               "ImagePullFailed", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="ErrImagePull: not found"),
           SHOWN, START),
    HeldUp(Row("image that is not asked for any more", waits("ImagePullBackOff"),
               "ImagePullFailed", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="ImagePullBackOff"),
           SHOWN, START),
    HeldUp(Row("image of no valid name", waits("InvalidImageName"),
               "ImagePullFailed", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="InvalidImageName"),
           SHOWN, START),
    HeldUp(Row("image that is still being pulled", waits("ContainerCreating"),
               "ImagePullFailed", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="still being pulled"),
           SHOWN, SCHEDULING),
    HeldUp(Row("object that the container refers to missing", waits("CreateContainerConfigError", "secret not found"),
               "ContainerNotStarted", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="secret not found"),
           SHOWN, START),
    HeldUp(Row("container that cannot be made", waits("CreateContainerError", "context deadline exceeded"),
               "ContainerNotStarted", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="CreateContainerError"),
           SHOWN, START),
    HeldUp(Row("injected init container that does not end", initializing,
               "ContainerNotStarted", "Environment", "Pending", 0, NOT_STARTING, A_MINUTE, says="init container proxy"),
           SHOWN, SCHEDULING),
    HeldUp(Row("volumes that are not mounted", scheduled,
               "MountFailed", "Environment", "Pending", 0, VOLUME_GATE, A_MINUTE, says="volumes of pod"),
           SHOWN, START),
    HeldUp(Row("node that does not take the pod up", not_taken_up,
               "NodeLost", "Terminated", "Pending", 0, NONE, AT_ONCE, says="does not take it up"),
           SHOWN, START),
    HeldUp(Row("told to stop and still there", frozen(),
               "NotTerminating", "Terminated", "Pending", 0, NONE, AT_ONCE, says="should have ended by"),
           GRACE + SHOWN, GRACE + ENDING),
    HeldUp(Row("told to stop by its deadline, and still there", frozen(beyond_deadline=True),
               "DeadlineExceeded", "Transient", "Failed", 1, NONE, A_MINUTE, says="spec.job.activeDeadlineSeconds"),
           GRACE + SHOWN, GRACE + ENDING),
)
# fmt: on


def _nothing(world: World, job: Object) -> None:
    raise AssertionError(f"Job {job['metadata']['name']} was taken")


REFUSED = Row(
    "Job that a quota refuses",
    _nothing,
    reason="JobRejected",
    outcome="Environment",
    state="Pending",
    failures=0,
    condition="Ready=False JobRejected",
    again=A_MINUTE,
    says="exceeded quota: nothing",
)


def _prove(row: Row, course: Course) -> None:
    """All that the row says holds."""
    entry = course.entry
    assert (entry.reason, entry.outcome, entry.failures) == (row.reason, row.outcome, row.failures)
    assert row.says in str(entry.message)
    assert course.after.is_as_told(row.state, row.condition, row.again), course.after


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ENDED])
async def test_a_job_that_ends_without_a_report(row: Row) -> None:
    """Settled by the pass that its end brings about."""
    course = await of_a_launch(row.shows, NOON, row.spec)
    assert (course.shown, course.ended_after) == (None, 0)
    _prove(row, course)


@pytest.mark.parametrize("held_up", [pytest.param(held_up, id=held_up.row.name) for held_up in HELD_UP])
async def test_a_job_that_does_not_start_or_does_not_end(held_up: HeldUp) -> None:
    """Said after a while, ended when patience is over, and tried again with another Job."""
    course = await of_a_launch(held_up.row.shows, NOON, quota=held_up.quota)
    assert (course.shown, course.ended_after) == ((held_up.shown_after, NOT_STARTING), held_up.ended_after)
    _prove(held_up.row, course)


async def test_a_job_that_the_api_server_refuses() -> None:
    """There is none to look at: the claim is given back at once."""
    course = await of_a_launch(REFUSED.shows, NOON, quota="count/jobs.batch")
    assert (course.shown, course.ended_after) == (None, 0)
    _prove(REFUSED, course)


def _rows_of(heading: str) -> list[list[str]]:
    """The cells of the page's table under a heading, row by row."""
    table = PAGE.read_text(encoding="utf-8").partition(f"### {heading}\n")[2].partition("\n#")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert lines, heading
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]


def test_every_ending_of_the_page_is_here() -> None:
    """Each of its reasons, with its class."""
    told = {(reason, outcome) for _, reason, outcome, *_ in _rows_of("When a Job ends without a report")}
    assert told - {("Exited", "that class")} <= {(row.reason, row.outcome) for row in ENDED}


def test_every_class_that_an_exit_code_stands_for_is_here() -> None:
    """Published needs a report, which says where the file stands; and who was told to stop may have been killed."""
    classes = {row.outcome for row in ENDED if row.reason == "Exited"}
    assert classes == set(OutcomeClass) - {OutcomeClass.PUBLISHED, OutcomeClass.TERMINATED}


def test_everything_that_the_page_says_to_hold_a_launch_up_is_here() -> None:
    """Each of its reasons, with its class and for how long it is borne."""
    told: set[tuple[str, str, float]] = set()
    borne = 0
    for _, reason, outcome, value, *_ in _rows_of("When a Job does not start, or does not end"):
        if value != "the same":
            borne = BORNE[value]
        told.add((reason, outcome, borne))
    assert told == {(each.row.reason, each.row.outcome, each.ended_after) for each in HELD_UP}


def test_every_reason_of_the_operator_is_here() -> None:
    """Those that the page tells of beside its tables as well."""
    assert f"`{REFUSED.reason}` (class `{REFUSED.outcome}`)" in PAGE.read_text(encoding="utf-8")
    rows = (*ENDED, *(each.row for each in HELD_UP), REFUSED)
    assert {row.reason for row in rows} == {*EndReason, ConditionReason.JOB_REJECTED}
