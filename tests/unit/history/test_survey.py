"""Whether a survey may say that a Subscription has no history, and who shares one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from builders import NOON, subscription
from trawler_downloader.contract.survey import HistoryLine, SurveyRequest
from trawler_downloader.contract.volume_job import Chunk, ChunkTrailerLine, HeaderLine
from trawler_operator.domain.history.survey import SURVEY, Survey, may_be_new, order_survey, survey_id
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.domain.ledger.shards import Shard
from trawler_operator.domain.volume_jobs.order import build_volume_job

DEFAULTS = JobDefaults(image="trawler-downloader:1", claim_name="library")
CREATED = subscription(creationTimestamp=NOON.isoformat())


def chunk(*names: str, next_after: str | None = None, volume_id: str | None = "v-1") -> Chunk[HistoryLine]:
    return Chunk(
        HeaderLine(scope="media", after="", volume_id=volume_id),
        tuple(HistoryLine(name=name) for name in names),
        ChunkTrailerLine(count=len(names), sha256="", next_after=next_after),
    )


@pytest.mark.parametrize(
    ("status", "shards", "expected"),
    [
        pytest.param({}, 0, True, id="nothing is known of it"),
        pytest.param({"observedGeneration": 1}, 0, True, id="it was looked at, and not checked"),
        pytest.param({}, 1, False, id="it has a ledger"),
        pytest.param({"lastCheckTime": "2026-11-21T11:00:00Z"}, 0, False, id="it was checked: its ledger is lost"),
        pytest.param({"counts": {"skipped": 1}}, 0, False, id="it had videos: its ledger is lost"),
    ],
)
def test_who_may_be_new(status: dict[str, Any], shards: int, *, expected: bool):
    ledger = Ledger()
    for number in range(shards):
        ledger.load(Shard(number, "1", {}, {}))
    assert may_be_new(subscription(status=status), ledger) is expected


@pytest.mark.parametrize(
    ("seconds", "asked", "expected"),
    [
        pytest.param(1, set(), True, id="it began after the Subscription was created"),
        pytest.param(0, set(), False, id="in the same second: which was first?"),
        pytest.param(-1, set(), False, id="it began before: another one of the name may have downloaded since"),
        pytest.param(0, {"0a1b2c3d"}, True, id="the Subscription had asked before"),
    ],
)
def test_for_whom_a_survey_counts(seconds: int, asked: set[str], *, expected: bool):
    survey = Survey(NOON + timedelta(seconds=seconds), asked)
    assert survey.counts_for(CREATED) is expected


def test_parts_are_put_together():
    survey = Survey(NOON, frozenset())
    assert survey.after == ""
    survey = survey.plus(chunk("a", "b", next_after="b"))
    assert (survey.names, survey.after) == ({"a", "b"}, "b")
    survey = survey.plus(chunk("c"))
    assert (survey.names, survey.after, survey.volume_id) == ({"a", "b", "c"}, None, "v-1")


@pytest.mark.parametrize(
    ("spec", "shared"),
    [
        pytest.param({}, True, id="the same settings"),
        pytest.param({"select": {"newest": 3}}, True, id="what does not concern pods"),
        pytest.param({"job": {"runAsUser": 1000}}, False, id="another user"),
        pytest.param({"job": {"runAsGroup": 1000}}, False, id="another group"),
        pytest.param({"job": {"fsGroup": 1000}}, False, id="another group of files"),
        pytest.param({"job": {"supplementalGroups": [1000]}}, False, id="more groups"),
        pytest.param({"job": {"nodeSelector": {"disk": "nas"}}}, False, id="other nodes"),
        pytest.param({"job": {"tolerations": [{"operator": "Exists"}]}}, False, id="more nodes"),
        pytest.param({"job": {"resources": {"limits": {"memory": "1Gi"}}}}, False, id="another quota's demand"),
        pytest.param({"job": {"podLabels": {"team": "archive"}}}, False, id="other labels"),
        pytest.param({"job": {"podAnnotations": {"inject": "false"}}}, False, id="other annotations"),
    ],
)
def test_who_shares_a_survey(spec: dict[str, Any], *, shared: bool):
    other = survey_id(subscription(spec, name="other", uid="2"), "library", DEFAULTS)
    assert (other == survey_id(subscription(), "library", DEFAULTS)) is shared


def test_other_claims_and_namespaces_have_surveys_of_their_own():
    surveys = {
        survey_id(subscription(), "library", DEFAULTS),
        survey_id(subscription(), "attic", DEFAULTS),
        survey_id(subscription(namespace="family"), "library", DEFAULTS),
    }
    assert len(surveys) == 3


def test_the_job_of_a_survey():
    """It belongs to no Subscription, whoever asks, and goes by itself."""
    survey = survey_id(subscription(), "library", DEFAULTS)
    names = set()
    for asks in (subscription(), subscription(name="other", uid="2")):
        made = build_volume_job(order_survey(asks, "library", survey, None, at_once=False), 1, DEFAULTS)
        names.add(made["metadata"]["name"])
        assert "ownerReferences" not in made["metadata"]
        assert made["metadata"]["labels"] == {
            "app.kubernetes.io/managed-by": "trawler",
            "app.kubernetes.io/component": "survey",
            "trawler.dev/survey": survey[1],
            "trawler.dev/claim": "library",
        }
        assert made["spec"]["ttlSecondsAfterFinished"] == 86400
    assert len(names) == 1
    assert names.pop().startswith("library-survey-")
    assert SURVEY.writes is False


def test_the_next_part_is_ordered():
    survey = survey_id(subscription(), "library", DEFAULTS)
    so_far = Survey(NOON, frozenset()).plus(chunk("a", next_after="a"))
    order = order_survey(subscription(), "library", survey, so_far, at_once=True, one_node=True)
    assert order.request == SurveyRequest(namespace="media", after="a", volume_id="v-1")
    assert order.at_once
    assert order.one_node
