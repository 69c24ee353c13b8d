"""When a lost ledger is made anew, by which Job, and which of its answers are taken."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import CONTROLLER, NOON, beside_users_of, ledger_entry, restricted_pod, subscription
from trawler_downloader.contract.download import REQUEST_ENV, SubscriptionRef
from trawler_downloader.contract.inventory import (
    Chunk,
    ChunkTrailerLine,
    HeaderLine,
    InventoryRequest,
    UnusableChunkError,
)
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api import labels
from trawler_operator.api.reasons import EndReason, message
from trawler_operator.api.spec import Resources
from trawler_operator.domain.history.inventory import (
    EMPTY_VOLUME,
    Progress,
    build_inventory_job,
    check_chunk,
    describe_failure,
    find_progress,
    mark_after,
    retry_at,
    sort_jobs,
)
from trawler_operator.domain.jobs.digests import download_digest
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.ledger.ledger import Changes, Ledger, Shard

DEFAULTS = JobDefaults(image="trawler-downloader:1", claim_name="library")
DIGEST = download_digest(subscription().spec, DEFAULTS)
FRESH = Progress(claim="library")
LATE = message(EndReason.DEADLINE_EXCEEDED)
HALFWAY = Progress(claim="library", volume_id="v-1", after="3f/youtube.a")


def ledger(annotations: dict[str, str] | None) -> Ledger:
    made = Ledger()
    if annotations is not None:
        made.load(Shard(0, "1", {}, annotations))
    return made


def chunk(next_after: str | None = None, *, name: str = "numberline", after: str = "", volume_id: str | None = "v-1"):
    return Chunk(
        header=HeaderLine(subscription=SubscriptionRef(namespace="media", name=name), after=after, volume_id=volume_id),
        records=(),
        trailer=ChunkTrailerLine(count=0, sha256="", next_after=next_after),
    )


def job(progress: Progress = FRESH, attempt: int = 1, **metadata: Any) -> dict[str, Any]:
    made = build_inventory_job(subscription(), progress, attempt, DEFAULTS)
    made["metadata"] |= metadata
    return made


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        pytest.param(None, FRESH, id="no shard: the volume is asked"),
        pytest.param({}, None, id="a ledger that is older than inventories is whole"),
        pytest.param({labels.INVENTORY_ANNOTATION: "v-1"}, None, id="made from a volume"),
        pytest.param({labels.INVENTORY_ANNOTATION: EMPTY_VOLUME}, None, id="the volume had nothing"),
        pytest.param({labels.INVENTORY_ANNOTATION: HALFWAY.to_text()}, HALFWAY, id="halfway"),
        pytest.param({labels.INVENTORY_ANNOTATION: "{mangled"}, FRESH, id="mangled by hand: from the beginning"),
        pytest.param(
            {labels.INVENTORY_ANNOTATION: Progress(claim="old", after="3f/x").to_text()}, FRESH, id="another claim"
        ),
    ],
)
def test_when_history_is_missing(annotations: dict[str, str] | None, expected: Progress | None):
    assert find_progress(ledger(annotations), "library") == expected


def test_the_mark_is_read_back_as_it_was_written():
    """The ledger in memory agrees with the annotation, before and after."""
    made = ledger(None)
    (write,) = made.plan_writes(Changes(inventory=HALFWAY.to_text()))
    made.applied(write, "1")
    assert find_progress(made, "library") == HALFWAY
    (write,) = made.plan_writes(Changes({"youtube.a": ledger_entry(LedgerState.SUCCEEDED)}, inventory="v-1"))
    assert (write.annotations, set(write.data)) == ({labels.INVENTORY_ANNOTATION: "v-1"}, {"youtube.a"})
    made.applied(write, "2")
    assert find_progress(made, "library") is None
    (write,) = made.plan_writes(Changes({"youtube.b": ledger_entry()}))
    made.applied(write, "3")
    assert made.inventory == "v-1"
    made.drop(0)
    assert find_progress(made, "library") == FRESH


def test_the_job_of_a_plain_subscription():
    """Whole: what a cluster is asked for. The volume is mounted read-only."""
    made = build_inventory_job(subscription(annotations={labels.CHECK_ANNOTATION: "now"}), HALFWAY, 1, DEFAULTS)
    container = made["spec"]["template"]["spec"]["containers"][0]
    request = InventoryRequest.model_validate_json(container["env"][0].pop("value"))
    assert request == InventoryRequest(
        subscription=SubscriptionRef(namespace="media", name="numberline"), after="3f/youtube.a", volume_id="v-1"
    )
    inventory_labels = {
        "app.kubernetes.io/managed-by": "trawler",
        "app.kubernetes.io/component": "inventory",
        "trawler.dev/subscription": "numberline",
        "trawler.dev/claim": "library",
    }
    rules = made["spec"].pop("podFailurePolicy")["rules"]
    assert rules[1]["onExitCodes"]["containerName"] == "download"
    assert made == {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": "numberline-inventory-5277876c916f9a1f",
            "namespace": "media",
            "labels": inventory_labels,
            "annotations": {"trawler.dev/launch": "1", "trawler.dev/spec": DIGEST, "trawler.dev/check": "now"},
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
                "metadata": {"labels": inventory_labels},
                "spec": restricted_pod(
                    {
                        "command": ["python", "-m", "trawler_downloader.inventory"],
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


def test_a_volume_that_is_on_one_node_at_a_time():
    """It is read where it is written to."""
    made = build_inventory_job(subscription(), FRESH, 1, DEFAULTS, one_node=True)
    plain = build_inventory_job(subscription(), FRESH, 1, DEFAULTS)
    plain["spec"]["template"]["spec"]["affinity"] = beside_users_of("library")
    assert made == plain


def test_its_pod_bears_what_the_pods_of_downloads_bear():
    """A sidecar that is kept out of downloads is kept out of it as well; the Job's own labels stay as they are."""
    spec = {"job": {"podAnnotations": {"sidecar.istio.io/inject": "false"}, "podLabels": {"team": "archive"}}}
    plain = build_inventory_job(subscription(), FRESH, 1, DEFAULTS)
    made = build_inventory_job(subscription(spec), FRESH, 1, DEFAULTS)
    plain["spec"]["template"]["metadata"]["labels"]["team"] = "archive"
    plain["spec"]["template"]["metadata"]["annotations"] = {"sidecar.istio.io/inject": "false"}
    plain["metadata"]["annotations"][labels.SPEC_ANNOTATION] = download_digest(subscription(spec).spec, DEFAULTS)
    assert made == plain


def test_it_asks_for_what_downloads_ask_for():
    """What a namespace's quota and LimitRange demand, a person has said once, for all Jobs of the Subscription."""
    limits = {"cpu": "1", "memory": "512Mi"}
    by_operator = JobDefaults(image="trawler-downloader:1", claim_name="library", resources=Resources(limits=limits))
    by_spec = subscription({"job": {"resources": {"requests": limits, "limits": limits}}})
    for made, expected in (
        (build_inventory_job(subscription(), FRESH, 1, by_operator), {"limits": limits}),
        (build_inventory_job(by_spec, FRESH, 1, by_operator), {"requests": limits, "limits": limits}),
    ):
        assert made["spec"]["template"]["spec"]["containers"][0]["resources"] == expected


@pytest.mark.parametrize(("attempt", "records"), [(1, 2000), (2, 1000), (3, 500), (5, 125), (6, 100), (40, 100)])
def test_further_tries_ask_for_less(attempt: int, records: int):
    """A log that was rotated away, or a volume too slow for so many."""
    env = job(attempt=attempt)["spec"]["template"]["spec"]["containers"][0]["env"]
    assert InventoryRequest.model_validate_json(env[0]["value"]).limit == records


def test_every_chunk_and_try_has_a_name_of_its_own():
    names = {job(progress, attempt)["metadata"]["name"] for progress in (FRESH, HALFWAY) for attempt in (1, 2)}
    other = build_inventory_job(subscription(uid="later"), FRESH, 1, DEFAULTS)["metadata"]["name"]
    assert len(names | {other}) == 5


def test_the_present_try_is_told_from_what_is_left_over():
    """The highest number of this chunk counts; Jobs of an earlier Subscription are not ours."""
    first, second, chunk_before = job(), job(attempt=2), job(HALFWAY)
    foreign = job(ownerReferences=[{"uid": "another"}])
    renamed = job(annotations={}, name="numberline-inventory-0")
    for jobs in ([first, second], [second, first]):
        sorted_out = sort_jobs([*jobs, chunk_before, foreign, renamed], subscription(), FRESH)
        assert (sorted_out.attempt, sorted_out.present) == (2, second)
        assert sorted(j["metadata"]["name"] for j in sorted_out.stale) == sorted(
            j["metadata"]["name"] for j in (first, chunk_before, renamed)
        )
    assert sort_jobs([], subscription(), FRESH).present is None


def test_a_try_that_is_being_deleted_keeps_its_number():
    """Its name is free once its pod is gone, which may take for ever."""
    leaving = {"deletionTimestamp": "2026-11-21T12:00:00Z"}
    first, dying, chunk_before = job(), job(attempt=3, **leaving), job(HALFWAY, **leaving)
    for jobs in ([first, dying], [dying, first]):
        sorted_out = sort_jobs([*jobs, chunk_before], subscription(), FRESH)
        assert (sorted_out.attempt, sorted_out.present, sorted_out.stale) == (3, None, (first,))


@pytest.mark.parametrize(
    ("attempt", "now", "expected"),
    [
        pytest.param(1, {}, NOON + timedelta(minutes=1), id="the first pause"),
        pytest.param(3, {}, NOON + timedelta(minutes=4), id="doubling"),
        pytest.param(30, {}, NOON + timedelta(hours=1), id="up to an hour"),
        pytest.param(3, {"spec": {"job": {"runAsUser": 7}}}, None, id="at once after a change of the spec"),
        pytest.param(3, {"annotations": {labels.CHECK_ANNOTATION: "x"}}, None, id="at once when a check is asked for"),
    ],
)
def test_when_it_is_tried_again(attempt: int, now: dict[str, Any], expected: datetime | None):
    assert retry_at(job(attempt=attempt), attempt, NOON, subscription(**now), DEFAULTS) == expected


def test_a_job_that_does_not_say_when_it_ended_is_tried_again_at_once():
    assert retry_at(job(), 1, None, subscription(), DEFAULTS) is None


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


DOWNLOADED = {"counts": {"downloaded": 3}, "library": {"claimName": "library", "path": "", "layout": "Show"}}


@pytest.mark.parametrize(
    ("seen", "progress", "status", "why"),
    [
        pytest.param(chunk(name="other"), FRESH, {}, "another Job", id="of another Subscription"),
        pytest.param(chunk(after="00/x"), FRESH, {}, "another Job", id="of another part"),
        pytest.param(chunk(after=HALFWAY.after, volume_id="v-2"), HALFWAY, {}, "of volume v-2", id="another volume"),
        pytest.param(chunk(volume_id=None), FRESH, DOWNLOADED, "is the NAS mounted", id="an empty mount point"),
    ],
)
def test_a_chunk_that_cannot_be_believed(seen: Chunk, progress: Progress, status: dict[str, Any], why: str):
    with pytest.raises(UnusableChunkError, match=why):
        check_chunk(seen, subscription(status=status), progress)


@pytest.mark.parametrize(
    ("seen", "progress", "status"),
    [
        pytest.param(chunk(), FRESH, DOWNLOADED, id="the volume bears its marker"),
        pytest.param(chunk(volume_id=None), FRESH, {}, id="a new Subscription on a new volume"),
        pytest.param(chunk(after=HALFWAY.after), HALFWAY, DOWNLOADED, id="the next part"),
        pytest.param(chunk(volume_id=None), Progress(claim="new"), DOWNLOADED, id="a new claim"),
        pytest.param(chunk(volume_id=None), FRESH, {"counts": {"downloaded": 3}}, id="nobody knows where they stood"),
    ],
)
def test_a_chunk_that_is_taken(seen: Chunk, progress: Progress, status: dict[str, Any]):
    check_chunk(seen, subscription(status=status), progress)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(chunk(), "v-1", id="the last one"),
        pytest.param(chunk(volume_id=None), EMPTY_VOLUME, id="of a volume that nobody used"),
        pytest.param(chunk("3f/youtube.a"), HALFWAY.to_text(), id="not the last one"),
    ],
)
def test_the_mark_after_a_chunk(seen: Chunk, expected: str):
    assert mark_after(FRESH, seen) == expected
