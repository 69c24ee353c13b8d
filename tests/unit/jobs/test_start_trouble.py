"""Launches that do not start or do not end: what holds them up, and until when that is borne."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from builders import NOON
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.jobs.start_trouble import (
    SHOWN_AFTER,
    Patience,
    Trouble,
    find_other_owner,
    find_stuck_deletion,
    find_trouble,
    first_look,
    look_again,
)

START, SCHEDULING, ENDING = timedelta(seconds=300), timedelta(seconds=1800), timedelta(seconds=600)
PATIENCE = Patience(start=START, scheduling=SCHEDULING, ending=ENDING)
AT = "2026-11-21T12:00:00Z"
EARLIER = "2026-11-21T11:00:00Z"
SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": AT}
BOXED = {"type": "PodReadyToStartContainers", "status": "True"}


def job(spec: dict[str, Any] | None = None, created: str | None = EARLIER, **status: Any) -> dict[str, Any]:
    metadata = {"namespace": "media", "name": "j"} | ({} if created is None else {"creationTimestamp": created})
    return {"metadata": metadata, "spec": spec or {}, "status": status}


def pod(*conditions: dict[str, Any], waits: tuple[str, str] | None = None, **status: Any) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "download", "state": {}}
    if waits:
        container["state"] = {"waiting": {"reason": waits[0], "message": waits[1]}}
    return {
        "metadata": {"name": "p", "creationTimestamp": EARLIER},
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Pending",
            "startTime": AT,
            "conditions": list(conditions),
            "containerStatuses": [container],
            **status,
        },
    }


def with_sidecar(*, started: bool) -> dict[str, Any]:
    """A pod that waits for its own container, with a sidecar of Kubernetes' own kind."""
    status = {"name": "proxy", "started": started, "state": {"running": {}}}
    waiting = pod(SCHEDULED, BOXED, waits=("PodInitializing", ""), initContainerStatuses=[status])
    waiting["spec"]["initContainers"] = [{"name": "proxy", "restartPolicy": "Always"}]
    return waiting


def beside_one_that_cannot_start(download: str) -> dict[str, Any]:
    """A pod that is Pending for an injected container's sake."""
    statuses = [
        {"name": "proxy", "state": {"waiting": {"reason": "ImagePullBackOff"}}},
        {"name": "download", "state": {download: {"startedAt": AT}}},
    ]
    return pod(SCHEDULED, BOXED, containerStatuses=statuses)


def leaving(phase: str = "Running") -> dict[str, Any]:
    return {"metadata": {"name": "p", "deletionTimestamp": AT}, "status": {"phase": phase}}


@dataclass(frozen=True)
class Row:
    name: str
    pod: dict[str, Any] | None
    outcome: OutcomeClass
    reason: str
    borne: timedelta
    says: str


ROWS = (
    Row("no pod", None, OutcomeClass.ENVIRONMENT, "PodNotCreated", START, "kubectl -n media get events"),
    Row(
        "no node fits",
        pod({"type": "PodScheduled", "status": "False", "lastTransitionTime": AT, "message": "0/1 nodes"}),
        OutcomeClass.ENVIRONMENT,
        "Unschedulable",
        SCHEDULING,
        "no node takes pod p: 0/1 nodes;",
    ),
    Row(
        "image not found",
        pod(SCHEDULED, BOXED, waits=("ImagePullBackOff", "no such image")),
        OutcomeClass.ENVIRONMENT,
        "ImagePullFailed",
        START,
        "ImagePullBackOff: no such image",
    ),
    Row(
        "image pulled slowly",
        pod(SCHEDULED, BOXED, waits=("ContainerCreating", "")),
        OutcomeClass.ENVIRONMENT,
        "ImagePullFailed",
        SCHEDULING,
        "still being pulled",
    ),
    Row(
        "what the container refers to is not there",
        pod(SCHEDULED, BOXED, waits=("CreateContainerConfigError", 'secret "x" not found')),
        OutcomeClass.ENVIRONMENT,
        "ContainerNotStarted",
        START,
        'pod p: CreateContainerConfigError: secret "x" not found',
    ),
    Row(
        "an injected init container waits",
        pod(
            SCHEDULED,
            initContainerStatuses=[{"name": "proxy", "state": {"waiting": {"reason": "ErrImagePull"}}}],
        ),
        OutcomeClass.ENVIRONMENT,
        "ImagePullFailed",
        START,
        "the image does not come to init container proxy of pod p: ErrImagePull",
    ),
    Row(
        "an injected init container cannot be made",
        pod(
            SCHEDULED,
            initContainerStatuses=[{"name": "proxy", "state": {"waiting": {"reason": "CreateContainerError"}}}],
        ),
        OutcomeClass.ENVIRONMENT,
        "ContainerNotStarted",
        START,
        "init container proxy of pod p: CreateContainerError",
    ),
    Row(
        "an injected init container does not end",
        pod(
            SCHEDULED,
            BOXED,
            waits=("PodInitializing", ""),
            initContainerStatuses=[
                {"name": "rules", "state": {"terminated": {"exitCode": 0}}},
                {"name": "proxy", "started": True, "state": {"running": {}}},
            ],
        ),
        OutcomeClass.ENVIRONMENT,
        "ContainerNotStarted",
        SCHEDULING,
        "init container proxy of pod p has not ended",
    ),
    Row(
        "an injected sidecar runs and does not get ready",
        with_sidecar(started=False),
        OutcomeClass.ENVIRONMENT,
        "ContainerNotStarted",
        SCHEDULING,
        "init container proxy of pod p has not ended",
    ),
    Row(
        "an image that is pulled slowly beside an injected sidecar",
        with_sidecar(started=True),
        OutcomeClass.ENVIRONMENT,
        "ImagePullFailed",
        SCHEDULING,
        "to pod p: it is still being pulled",
    ),
    Row(
        "an image that is pulled slowly beside an injected container whose image cannot be pulled",
        pod(
            SCHEDULED,
            BOXED,
            containerStatuses=[
                {"name": "proxy", "state": {"waiting": {"reason": "ErrImagePull"}}},
                {"name": "download", "state": {"waiting": {"reason": "ContainerCreating"}}},
            ],
        ),
        OutcomeClass.ENVIRONMENT,
        "ImagePullFailed",
        SCHEDULING,
        "to pod p: it is still being pulled",
    ),
    Row(
        "volume does not mount",
        pod(SCHEDULED, {**BOXED, "status": "False"}, waits=("ContainerCreating", "")),
        OutcomeClass.ENVIRONMENT,
        "MountFailed",
        START,
        "the volumes of pod p are not mounted on node-1",
    ),
    Row(
        "volume does not mount, no condition tells",
        pod(SCHEDULED),
        OutcomeClass.ENVIRONMENT,
        "MountFailed",
        START,
        "not mounted",
    ),
    Row(
        "node away since the pod was given to it",
        pod(SCHEDULED, startTime=None, containerStatuses=None),
        OutcomeClass.TERMINATED,
        "NodeLost",
        START,
        "given to node-1",
    ),
    Row("told to stop and does not", leaving(), OutcomeClass.TERMINATED, "NotTerminating", ENDING, f"ended by {AT}"),
    Row(
        "told to stop before it started",
        leaving("Pending"),
        OutcomeClass.TERMINATED,
        "NotTerminating",
        ENDING,
        "pod p",
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_find_trouble(row: Row) -> None:
    """One row per line of the documented table; counted from when that very step began."""
    trouble = find_trouble(job(created=AT), row.pod, PATIENCE)

    assert trouble is not None
    assert (trouble.outcome, trouble.reason, trouble.ends_at) == (row.outcome, row.reason, NOON + row.borne)
    assert row.says in trouble.message
    assert trouble.shown_at == NOON + (SHOWN_AFTER if row.borne == ENDING else timedelta())


def test_before_anything_is_known_of_its_scheduling() -> None:
    """A pod that no scheduler has looked at counts from its creation."""
    trouble = find_trouble(job(), pod(), PATIENCE)

    assert trouble is not None
    assert (trouble.reason, trouble.ends_at) == ("Unschedulable", NOON - timedelta(hours=1) + SCHEDULING)


@pytest.mark.parametrize(
    ("there", "found"),
    [
        pytest.param(job(), pod(phase="Running"), id="runs"),
        pytest.param(job(), pod(phase="Succeeded"), id="ended well"),
        pytest.param(job(), leaving("Failed"), id="ended, being deleted"),
        pytest.param(job(), beside_one_that_cannot_start("running"), id="runs beside one that cannot start"),
        pytest.param(job(), beside_one_that_cannot_start("terminated"), id="ended beside one that cannot start"),
        pytest.param(job(active=1), None, id="its pod vanished just now"),
        pytest.param(job(terminating=1), None, id="its pod vanished while it ended"),
        pytest.param(job(created=None), None, id="no time is known"),
    ],
)
def test_no_trouble(there: dict[str, Any], found: dict[str, Any] | None) -> None:
    """The Job's own status lags behind its pod's."""
    assert find_trouble(there, found, PATIENCE) is None


def test_frozen_beyond_its_deadline() -> None:
    """A download that the deadline ended costs a try, even if its pod never goes."""
    target = {"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}
    trouble = find_trouble(job(conditions=[target]), leaving(), PATIENCE)

    assert trouble is not None
    assert (trouble.outcome, trouble.reason) == (OutcomeClass.TRANSIENT, "DeadlineExceeded")
    assert "spec.job.activeDeadlineSeconds" in trouble.message
    assert f"ended by {AT}" in trouble.message


@pytest.mark.parametrize(
    ("patience", "said"),
    [
        pytest.param(PATIENCE, SHOWN_AFTER, id="what is told to stop most likely does"),
        pytest.param(Patience(ending=timedelta(seconds=30)), timedelta(seconds=30), id="no later than it is given up"),
    ],
)
def test_what_is_told_to_stop_is_not_said_to_stay(patience: Patience, said: timedelta) -> None:
    """For a while after its grace period, which a deletion's timestamp is the end of."""
    trouble = find_trouble(job(), leaving(), patience)

    assert trouble is not None
    assert (trouble.shown_at, trouble.ends_at) == (NOON + said, NOON + patience.ending)


def test_stuck_deletion() -> None:
    """A Job that somebody deletes while its pod cannot end keeps its name for ever."""
    going = {"metadata": {"name": "j", "deletionTimestamp": AT}}
    trouble = find_stuck_deletion(going, PATIENCE)

    assert trouble is not None
    assert (trouble.reason, trouble.ends_at) == ("NotTerminating", NOON + ENDING)
    assert "Job j" in trouble.message
    assert find_stuck_deletion(job(), PATIENCE) is None


SUBSCRIPTION = {"apiVersion": "trawler.dev/v1alpha1", "kind": "Subscription", "name": "a", "uid": "sub-0"}
OTHER = {"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "cron-1"}


@pytest.mark.parametrize(
    ("there", "said", "again"),
    [
        pytest.param(None, None, 3, id="gone just now"),
        pytest.param({"ownerReferences": [SUBSCRIPTION]}, None, 3, id="a deleted Subscription's"),
        pytest.param({"deletionTimestamp": AT, "ownerReferences": [OTHER]}, None, 3, id="being deleted"),
        pytest.param({}, None, 3, id="nobody's, which is ours to adopt"),
        pytest.param({"ownerReferences": [OTHER]}, "CronJob nightly", 30, id="somebody else's"),
    ],
)
def test_a_job_that_bears_a_needed_name(there: dict[str, Any] | None, said: str | None, again: int) -> None:
    """What leaves is looked at soon; what stays for ever is looked at rarely, and named with what to do."""
    bearer = None if there is None else {"metadata": {"name": "j", **there}}
    text = None if bearer is None else find_other_owner(bearer)

    assert look_again(bearer) == timedelta(seconds=again)
    assert (text is None) == (said is None)
    assert text is None or (said in text and "delete that Job" in text)


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        pytest.param(job(startTime=AT), NOON + SHOWN_AFTER, id="started"),
        pytest.param(job(created=AT), NOON + SHOWN_AFTER, id="no Job controller has seen it"),
        pytest.param(job(startTime=AT, ready=1), None, id="runs"),
        pytest.param(job({"suspend": True}), None, id="held back by a queue of Jobs"),
        pytest.param(job(created=None), None, id="no time is known"),
    ],
)
def test_first_look(there: dict[str, Any], expected: Any) -> None:
    """After some patience, and not at pods that are up."""
    assert first_look(there, PATIENCE) == expected


def test_first_look_of_the_impatient() -> None:
    """Shown no later than it is given up."""
    assert first_look(job(created=AT), Patience(start=timedelta(seconds=30))) == NOON + timedelta(seconds=30)


def test_giving_up() -> None:
    """The ending says what the trouble said."""
    trouble = find_trouble(job(created=AT), None, PATIENCE)
    assert isinstance(trouble, Trouble)

    assert trouble.ending(NOON) == ObservedOutcome(
        OutcomeClass.ENVIRONMENT, "PodNotCreated", trouble.message, finished_at=NOON
    )
