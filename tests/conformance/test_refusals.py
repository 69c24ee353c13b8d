"""What the API server refuses, and as what."""

from __future__ import annotations

import pytest

from conformance.stage import Stage, config_map, job, quota, subscribe
from trawler_operator.reconcile.ports import Manifest, RejectedError

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly")  # aiohttp's advice; ours are smaller
OVER_A_MEBIBYTE = "x" * (1 << 20) + "x"


async def test_a_quota_of_jobs(stage: Stage) -> None:
    """403: repeating it is of no use until somebody acts; no Job is there."""
    await stage.create("ResourceQuota", quota(stage, **{"count/jobs.batch": 0}))
    await stage.quiet()
    manifest = job(stage)
    with pytest.raises(RejectedError, match="quota"):
        await stage.api.create_job(stage.namespace, manifest)
    assert await stage.api.get_job(stage.namespace, manifest["metadata"]["name"]) is None


async def test_a_quota_of_config_maps(stage: Stage) -> None:
    """A new shard is refused, an old one still grows."""
    await stage.api.create_config_map(stage.namespace, config_map(stage, "old"))
    await stage.create("ResourceQuota", quota(stage, **{"count/configmaps": 1}))
    await stage.quiet()
    with pytest.raises(RejectedError, match="quota"):
        await stage.api.create_config_map(stage.namespace, config_map(stage, "new"))
    patched = await stage.api.patch_config_map(stage.namespace, "old", {"data": {"a": "b"}})
    assert patched["data"] == {"a": "b"}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"data": {"a": OVER_A_MEBIBYTE}}, id="more than 1 MiB of data"),
        pytest.param({"data": {"a": "x" * 600_000, "b": "x" * 600_000}}, id="more than 1 MiB together"),
        pytest.param({"data": {"a b": "1"}}, id="a key with a space"),
        pytest.param({"data": {"é": "1"}}, id="a key that is not ASCII"),
        pytest.param({"data": {"a" * 254: "1"}}, id="a key of 254 characters"),
        pytest.param({"data": {"a": 1}}, id="a value that is no text"),
        pytest.param({"metadata": {"annotations": {"a": "x" * 262_144}}}, id="annotations of more than 256 KiB"),
    ],
)
async def test_a_config_map_that_breaks_a_rule(stage: Stage, fields: Manifest) -> None:
    """400, 413 or 422, by creation and by patch; what was there stays."""
    made = config_map(stage, "mine")
    wrong = {**made, **fields, "metadata": {**made["metadata"], **fields.get("metadata", {})}}
    with pytest.raises(RejectedError):
        await stage.api.create_config_map(stage.namespace, wrong)
    before = await stage.api.create_config_map(stage.namespace, made)
    with pytest.raises(RejectedError):
        await stage.api.patch_config_map(stage.namespace, "mine", fields)
    assert before == await stage.api.get_config_map(stage.namespace, "mine")


async def test_a_config_map_of_just_a_mebibyte(stage: Stage) -> None:
    """The limit itself is allowed."""
    await stage.api.create_config_map(stage.namespace, config_map(stage, "mine", {"a": OVER_A_MEBIBYTE[1:]}))


async def test_a_job_that_breaks_a_rule(stage: Stage) -> None:
    """422."""
    manifest = job(stage)
    manifest["spec"]["backoffLimit"] = -1
    with pytest.raises(RejectedError, match="backoffLimit"):
        await stage.api.create_job(stage.namespace, manifest)


async def test_a_name_that_breaks_a_rule(stage: Stage) -> None:
    """422."""
    with pytest.raises(RejectedError):
        await stage.api.create_config_map(stage.namespace, config_map(stage, "Not_a_name"))


async def test_a_subscription_that_is_there_takes_no_second_one(stage: Stage) -> None:
    """Applying it again changes nothing."""
    before = await subscribe(stage)
    body = await stage.patch("Subscription", "numberline", {"spec": before["spec"]})
    assert body["metadata"]["generation"] == before["metadata"]["generation"]
