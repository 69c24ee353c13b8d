"""Jobs over a volume: what is asked of the cluster, which try is under way, and when the next one comes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import CONTROLLER, NOON, beside_users_of, restricted_pod, subscription
from trawler_downloader.contract.download import REQUEST_ENV, SubscriptionRef
from trawler_downloader.contract.inventory import InventoryRequest, RecordLine
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.volume_job import Chunk, ChunkTrailerLine, HeaderLine, UnusableChunkError
from trawler_operator.api.reasons import EndReason, message
from trawler_operator.api.spec import Resources
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.volume_jobs.order import VolumeJobKind, VolumeJobOrder, build_volume_job, check_answer
from trawler_operator.domain.volume_jobs.tries import describe_failure, retry_at, sort_jobs

DEFAULTS = JobDefaults(image="trawler-downloader:1", claim_name="library")
LATE = message(EndReason.DEADLINE_EXCEEDED)
COUNTING = VolumeJobKind(name="counting", command=("count",), record=RecordLine)


def order(asks: Subscription | None = None, after: str = "", **fields: Any) -> VolumeJobOrder[RecordLine]:
    asks = asks or subscription()
    given: dict[str, Any] = {
        "kind": COUNTING,
        "request": InventoryRequest(subscription=SubscriptionRef(namespace="media", name="numberline"), after=after),
        "subscription": asks,
        "claim": "library",
        "title": asks.name,
        "identity": (asks.uid,),
        "labels": {"component": "counting", "whose": "numberline"},
    }
    return VolumeJobOrder(**{**given, **fields})


FIRST, SECOND = order(), order(after="3f/youtube.a")


def job(part: VolumeJobOrder[RecordLine] = FIRST, attempt: int = 1, **metadata: Any) -> dict[str, Any]:
    made = build_volume_job(part, attempt, DEFAULTS)
    made["metadata"] |= metadata
    return made


def mount(made: dict[str, Any]) -> dict[str, Any]:
    return dict(made["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0])


def test_the_job_of_a_kind_that_reads():
    """Whole: what a cluster is asked for. The volume is mounted read-only."""
    made = job(replace(SECOND, asked_by={"why": "because"}))
    container = made["spec"]["template"]["spec"]["containers"][0]
    assert InventoryRequest.model_validate_json(container["env"][0].pop("value")) == SECOND.request
    labels = {**SECOND.labels, "trawler.dev/claim": "library"}
    rules = made["spec"].pop("podFailurePolicy")["rules"]
    assert rules[1]["onExitCodes"]["containerName"] == "download"
    assert made == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": SECOND.job_name(1),
            "namespace": "media",
            "labels": labels,
            "annotations": {"trawler.dev/launch": "1", "why": "because"},
            "ownerReferences": [CONTROLLER],
        },
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
            "activeDeadlineSeconds": 600,
            "podReplacementPolicy": "Failed",
            "ttlSecondsAfterFinished": 86400,
            "template": {
                "metadata": {"labels": labels},
                "spec": restricted_pod(
                    {
                        "command": ["count"],
                        "env": [{"name": REQUEST_ENV}],
                        "resources": {
                            "requests": {"cpu": "100m", "memory": "256Mi"},
                            "limits": {"memory": "2Gi"},
                        },
                        "volumeMounts": [
                            {
                                "name": "library",
                                "mountPath": "/library",
                                "mountPropagation": "HostToContainer",
                                "readOnly": True,
                            }
                        ],
                    },
                    [{"name": "library", "persistentVolumeClaim": {"claimName": "library"}}],
                ),
            },
        },
    }


def test_a_kind_that_writes_gets_a_volume_that_can_be_written_to():
    writing = replace(FIRST, kind=replace(COUNTING, writes=True))
    assert mount(job(writing)) == {"name": "library", "mountPath": "/library", "mountPropagation": "HostToContainer"}


def test_a_job_is_where_its_claim_is():
    elsewhere = order(subscription(namespace="family"))
    assert (elsewhere.namespace, job(elsewhere)["metadata"]["namespace"]) == ("family", "family")


def test_a_volume_that_is_on_one_node_at_a_time():
    """It is worked on where it is attached."""
    plain = job()
    plain["spec"]["template"]["spec"]["affinity"] = beside_users_of("library")
    assert job(replace(FIRST, one_node=True)) == plain


def test_its_pod_bears_what_the_pods_of_downloads_bear():
    """A sidecar that is kept out of downloads is kept out of it as well; the Job's own labels stay as they are."""
    spec = {"job": {"podAnnotations": {"sidecar.istio.io/inject": "false"}, "podLabels": {"team": "archive"}}}
    plain, made = job(), job(order(subscription(spec)))
    plain["spec"]["template"]["metadata"]["labels"]["team"] = "archive"
    plain["spec"]["template"]["metadata"]["annotations"] = {"sidecar.istio.io/inject": "false"}
    assert made == plain


def test_work_that_belongs_to_nobody_outlives_whoever_asked():
    assert "ownerReferences" not in job(replace(FIRST, owned=False))["metadata"]


def test_it_asks_for_what_downloads_ask_for():
    """What a namespace's quota and LimitRange demand, a person has said once, for all Jobs of the Subscription."""
    limits = {"cpu": "1", "memory": "512Mi"}
    by_operator = JobDefaults(image="trawler-downloader:1", claim_name="library", resources=Resources(limits=limits))
    by_spec = subscription({"job": {"resources": {"requests": limits, "limits": limits}}})
    for made, expected in (
        (build_volume_job(FIRST, 1, by_operator), {"limits": limits}),
        (build_volume_job(order(by_spec), 1, by_operator), {"requests": limits, "limits": limits}),
    ):
        assert made["spec"]["template"]["spec"]["containers"][0]["resources"] == expected


@pytest.mark.parametrize(("attempt", "records"), [(1, 2000), (2, 1000), (3, 500), (5, 125), (6, 100), (40, 100)])
def test_further_tries_ask_for_less(attempt: int, records: int):
    """A log that was rotated away, or a volume too slow for so many."""
    env = job(attempt=attempt)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert InventoryRequest.model_validate_json(env[0]["value"]).limit == records


def test_a_part_that_was_ordered_small_stays_small():
    small = replace(FIRST, request=FIRST.request.model_copy(update={"limit": 7}))
    env = job(small)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert InventoryRequest.model_validate_json(env[0]["value"]).limit == 7


def test_every_part_try_kind_and_owner_has_a_name_of_its_own():
    names = {part.job_name(attempt) for part in (FIRST, SECOND) for attempt in (1, 2)}
    others = {
        order(subscription(uid="later")).job_name(1),
        replace(FIRST, kind=replace(COUNTING, name="moving")).job_name(1),
    }
    assert len(names | others) == 6


def test_a_name_says_whose_job_it_is():
    assert FIRST.job_name(1).startswith("numberline-counting-")
    assert len(replace(FIRST, title="x" * 253).job_name(1)) == 63


def test_the_present_try_is_told_from_what_is_left_over():
    """The highest number of this chunk counts; Jobs of an earlier Subscription are not ours."""
    first, second, chunk_before = job(), job(attempt=2), job(SECOND)
    foreign = job(ownerReferences=[{"uid": "another"}])
    renamed = job(annotations={}, name="numberline-counting-0")
    for jobs in ([first, second], [second, first]):
        sorted_out = sort_jobs([*jobs, chunk_before, foreign, renamed], FIRST)
        assert (sorted_out.attempt, sorted_out.present) == (2, second)
        assert sorted(j["metadata"]["name"] for j in sorted_out.stale) == sorted(
            j["metadata"]["name"] for j in (first, chunk_before, renamed)
        )
    assert sort_jobs([], FIRST).present is None


def test_a_try_that_is_being_deleted_keeps_its_number():
    """Its name is free once its pod is gone, which may take for ever."""
    leaving = {"deletionTimestamp": "2026-11-21T12:00:00Z"}
    first, dying, chunk_before = job(), job(attempt=3, **leaving), job(SECOND, **leaving)
    for jobs in ([first, dying], [dying, first]):
        sorted_out = sort_jobs([*jobs, chunk_before], FIRST)
        assert (sorted_out.attempt, sorted_out.present, sorted_out.stale) == (3, None, (first,))


@pytest.mark.parametrize(
    ("attempt", "now", "expected"),
    [
        pytest.param(1, FIRST, NOON + timedelta(minutes=1), id="the first pause"),
        pytest.param(3, FIRST, NOON + timedelta(minutes=4), id="doubling"),
        pytest.param(30, FIRST, NOON + timedelta(hours=1), id="up to an hour"),
        pytest.param(3, replace(FIRST, asked_by={"why": "x"}), None, id="at once when it is asked for anew"),
        pytest.param(3, replace(FIRST, at_once=True), None, id="at once when that is ordered"),
    ],
)
def test_when_it_is_tried_again(attempt: int, now: VolumeJobOrder[RecordLine], expected: datetime | None):
    assert retry_at(job(attempt=attempt), attempt, NOON, now) == expected


def test_a_job_that_does_not_say_when_it_ended_is_tried_again_at_once():
    assert retry_at(job(), 1, None, FIRST) is None


@pytest.mark.parametrize(
    ("reason", "said", "text"),
    [
        pytest.param("StaleVolume", "the volume is away", "StaleVolume: the volume is away", id="its own words"),
        pytest.param(
            EndReason.DEADLINE_EXCEEDED,
            LATE,
            "DeadlineExceeded: its Job did not end within 600 s",
            id="a deadline that no spec names",
        ),
        pytest.param(
            EndReason.DEADLINE_EXCEEDED,
            f"{LATE}; pod a should have ended",
            "DeadlineExceeded: its Job did not end within 600 s; pod a should have ended",
            id="and a pod that does not end",
        ),
    ],
)
def test_why_a_job_failed(reason: str, said: str, text: str):
    assert describe_failure(ObservedOutcome(OutcomeClass.ENVIRONMENT, reason, said)) == text


def answer(scope: str = "media/numberline", after: str = "", volume_id: str | None = "v-1") -> Chunk[RecordLine]:
    header = HeaderLine(scope=scope, after=after, volume_id=volume_id)
    return Chunk(header, (), ChunkTrailerLine(count=0, sha256=""))


ON_VOLUME = replace(FIRST, request=FIRST.request.model_copy(update={"volume_id": "v-1"}))


@pytest.mark.parametrize(
    ("seen", "ordered", "why"),
    [
        pytest.param(answer("media/other"), FIRST, "another Job", id="of another Subscription"),
        pytest.param(answer(after="00/x"), FIRST, "another Job", id="of another part"),
        pytest.param(answer(volume_id="v-2"), ON_VOLUME, "of volume v-2", id="of another volume"),
        pytest.param(answer(volume_id=None), ON_VOLUME, "of volume None", id="of no volume any more"),
    ],
)
def test_an_answer_to_another_order(seen: Chunk[RecordLine], ordered: VolumeJobOrder[RecordLine], why: str):
    with pytest.raises(UnusableChunkError, match=why):
        check_answer(seen, ordered)


@pytest.mark.parametrize("ordered", [FIRST, ON_VOLUME], ids=["of any volume", "of that volume"])
def test_an_answer_to_this_order(ordered: VolumeJobOrder[RecordLine]):
    check_answer(answer(), ordered)
