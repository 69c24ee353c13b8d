"""Reading, writing, versions and selection of objects."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.stage import Stage, config_map, job, shard, subscribe
from trawler_operator.api import labels
from trawler_operator.reconcile.ports import AlreadyExistsError, ConflictError, Manifest, NotFoundError


async def test_what_is_missing_reads_as_none(stage: Stage) -> None:
    """Every read of one object."""
    space = stage.namespace
    assert await stage.api.get_subscription((space, "nobody")) is None
    assert await stage.api.get_job(space, "nobody") is None
    assert await stage.api.get_config_map(space, "nobody") is None
    assert await stage.api.get_claim(space, "nobody") is None
    assert await stage.api.find_pod(space, "nobody") is None


async def test_what_is_missing_lists_as_nothing(stage: Stage) -> None:
    """Every list."""
    assert await stage.api.list_jobs(stage.namespace, "nobody") == []
    assert await stage.api.list_all_jobs() == []
    assert await stage.api.list_shard_heads(stage.namespace, "nobody") == []


async def test_a_write_to_what_is_missing_is_not_found(stage: Stage) -> None:
    """Of a ConfigMap, of a status."""
    with pytest.raises(NotFoundError):
        await stage.api.patch_config_map(stage.namespace, "nobody", {"data": {"a": "b"}})
    with pytest.raises(NotFoundError):
        await stage.api.patch_subscription_status((stage.namespace, "nobody"), "1", {"failedChecks": 1})


async def test_deleting_what_is_missing_is_fine(stage: Stage) -> None:
    """The Job may be gone by the time."""
    await stage.api.delete_job(stage.namespace, "nobody", "0a1b2c3d-0000-4000-8000-000000000000")


async def test_a_taken_name_already_exists(stage: Stage) -> None:
    """That is not a conflict of versions: what is there has to be looked at."""
    await stage.api.create_config_map(stage.namespace, config_map(stage, "mine"))
    await stage.api.create_job(stage.namespace, job(stage))
    with pytest.raises(AlreadyExistsError):
        await stage.api.create_config_map(stage.namespace, config_map(stage, "mine", {"other": "data"}))
    with pytest.raises(AlreadyExistsError):
        await stage.api.create_job(stage.namespace, job(stage))


async def test_creation_stamps_the_object(stage: Stage) -> None:
    """The server gives identity, version and time, whatever the client says."""
    body = await stage.api.create_config_map(stage.namespace, config_map(stage, "mine", {"a": "b"}, uid="made-up"))
    assert body["metadata"]["uid"] not in {"", "made-up"}
    assert body["metadata"]["resourceVersion"]
    assert body["metadata"]["creationTimestamp"]
    assert body == await stage.api.get_config_map(stage.namespace, "mine")


@pytest.mark.parametrize(
    ("data", "patch", "after"),
    [
        pytest.param({"a": "1"}, {"b": "2"}, {"a": "1", "b": "2"}, id="adds a key"),
        pytest.param({"a": "1"}, {"a": "2"}, {"a": "2"}, id="replaces a value"),
        pytest.param({"a": "1", "b": "2"}, {"a": None}, {"b": "2"}, id="null deletes"),
        pytest.param({"a": "1"}, {"b": None}, {"a": "1"}, id="null of what is missing"),
        pytest.param({"a": "1"}, {"a": None}, None, id="the last key takes data with it"),
        pytest.param(None, {"a": "1"}, {"a": "1"}, id="there was no data"),
        pytest.param({"a": "1"}, {"a": ""}, {"a": ""}, id="an empty text is a value"),
        pytest.param({"a": "1"}, {"a": "東京 🎞"}, {"a": "東京 🎞"}, id="any text"),
    ],
)
async def test_merge_patch_of_data(
    stage: Stage, data: dict[str, str] | None, patch: dict[str, Any], after: dict[str, str] | None
) -> None:
    """Key by key."""
    await stage.api.create_config_map(stage.namespace, config_map(stage, "mine", data))
    answer = await stage.api.patch_config_map(stage.namespace, "mine", {"data": patch})
    assert after == answer.get("data")
    assert answer == await stage.api.get_config_map(stage.namespace, "mine")


async def test_merge_patch_of_metadata(stage: Stage) -> None:
    """Annotations and labels merge as data do; what became empty is not there at all."""
    made = config_map(stage, "mine", {"a": "b"}, annotations={"x": "1", "y": "2"}, labels={"l": "1"})
    await stage.api.create_config_map(stage.namespace, made)
    metadata = {"annotations": {"x": None, "z": "3"}, "labels": {"l": None}}
    answer = await stage.api.patch_config_map(stage.namespace, "mine", {"metadata": metadata})
    assert answer["metadata"]["annotations"] == {"y": "2", "z": "3"}
    assert "labels" not in answer["metadata"]
    assert answer["data"] == {"a": "b"}


async def test_a_stale_version_conflicts(stage: Stage) -> None:
    """The precondition of every write of the ledger."""
    first = await stage.api.create_config_map(stage.namespace, config_map(stage, "mine", {"a": "1"}))
    await stage.patch("ConfigMap", "mine", {"data": {"a": "2"}})
    stale = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "data": {"a": "3"}}
    with pytest.raises(ConflictError):
        await stage.api.patch_config_map(stage.namespace, "mine", stale)
    present = await stage.api.get_config_map(stage.namespace, "mine")
    assert present is not None
    assert present["data"] == {"a": "2"}
    fresh = {"metadata": {"resourceVersion": present["metadata"]["resourceVersion"]}, "data": {"a": "3"}}
    assert (await stage.api.patch_config_map(stage.namespace, "mine", fresh))["data"] == {"a": "3"}


async def test_a_patch_without_a_version_has_no_precondition(stage: Stage) -> None:
    """It lands on whatever is there."""
    await stage.api.create_config_map(stage.namespace, config_map(stage, "mine", {"a": "1"}))
    await stage.patch("ConfigMap", "mine", {"data": {"b": "2"}})
    assert (await stage.api.patch_config_map(stage.namespace, "mine", {"data": {"a": "3"}}))["data"] == {
        "a": "3",
        "b": "2",
    }


async def test_versions_tell_changes_and_nothing_else(stage: Stage) -> None:
    """A patch that changes nothing leaves the version: a shard is not read again for it."""
    first = await stage.api.create_config_map(stage.namespace, config_map(stage, "mine", {"a": "1"}))
    same = await stage.api.patch_config_map(stage.namespace, "mine", {"data": {"a": "1", "b": None}})
    changed = await stage.api.patch_config_map(stage.namespace, "mine", {"data": {"a": "2"}})
    back = await stage.api.patch_config_map(stage.namespace, "mine", {"data": {"a": "1"}})
    versions = [body["metadata"]["resourceVersion"] for body in (first, same, changed, back)]
    assert versions[0] == versions[1]
    assert len({*versions[1:]}) == 3


async def test_heads_of_shards(stage: Stage) -> None:
    """Metadata alone, of this Subscription's ledger alone, with the versions that whole reads would show."""
    await stage.api.create_config_map(stage.namespace, shard(stage, "one", "numberline", {"a": "1"}))
    await stage.api.create_config_map(stage.namespace, shard(stage, "other", "fugues", {"a": "1"}))
    stranger = config_map(stage, "stranger", labels={labels.SUBSCRIPTION_LABEL: "numberline"})
    await stage.api.create_config_map(stage.namespace, stranger)
    (head,) = await stage.api.list_shard_heads(stage.namespace, "numberline")
    whole = await stage.api.get_config_map(stage.namespace, "one")
    assert whole is not None
    assert "data" not in head
    assert head["metadata"]["name"] == "one"
    assert head["metadata"]["resourceVersion"] == whole["metadata"]["resourceVersion"]


async def test_selection_of_jobs(stage: Stage) -> None:
    """By all the labels that download Jobs bear; a missing one hides a Job from lists, not from a direct read."""
    mine, bare = job(stage, video="youtube.mine"), job(stage, video="youtube.bare")
    del bare["metadata"]["labels"][labels.MANAGED_BY_LABEL]
    for manifest in (mine, bare):
        await stage.api.create_job(stage.namespace, manifest)
    names = [body["metadata"]["name"] for body in await stage.api.list_jobs(stage.namespace, "numberline")]
    assert names == [mine["metadata"]["name"]]
    assert [body["metadata"]["name"] for body in await stage.api.list_all_jobs()] == names
    assert await stage.api.list_jobs(stage.namespace, "fugues") == []
    assert await stage.api.get_job(stage.namespace, bare["metadata"]["name"]) is not None


async def write_status(stage: Stage, status: dict[str, Any], name: str = "numberline") -> Manifest:
    """Write it over whatever version is there, as the operator does after a conflict; the Subscription afterwards."""
    key = (stage.namespace, name)
    for _ in range(10):
        body = await stage.api.get_subscription(key)
        assert body is not None
        try:
            await stage.api.patch_subscription_status(key, body["metadata"]["resourceVersion"], status)
        except ConflictError:
            continue
        after = await stage.api.get_subscription(key)
        assert after is not None
        return after
    raise AssertionError("somebody else writes this status over and over")


async def test_a_status_touches_nothing_else(stage: Stage) -> None:
    """Neither spec nor generation; and what it does not name stays."""
    before = await subscribe(stage)
    await write_status(stage, {"source": {"id": "UC1", "title": "One"}})
    after = await write_status(stage, {"failedChecks": 2, "source": {"title": "Two"}})
    assert (after["status"]["failedChecks"], after["status"]["source"]) == (2, {"id": "UC1", "title": "Two"})
    assert after["spec"] == before["spec"]
    assert after["metadata"]["generation"] == before["metadata"]["generation"] == 1
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]


async def test_null_deletes_in_a_status(stage: Stage) -> None:
    """As in any merge patch; a list is replaced as a whole."""
    await subscribe(stage)
    first = {"source": {"id": "UC1", "title": "One"}}
    assert (await write_status(stage, first))["status"]["source"] == first["source"]
    after = await write_status(stage, {"source": {"title": None}})
    assert after["status"]["source"] == {"id": "UC1"}


async def test_a_stale_status_conflicts(stage: Stage) -> None:
    """Any change counts: a Subscription of that name made anew would inherit the old one's status otherwise."""
    body = await subscribe(stage)
    await stage.patch("Subscription", "numberline", {"metadata": {"labels": {"a": "b"}}})
    key = (stage.namespace, "numberline")
    with pytest.raises(ConflictError):
        await stage.api.patch_subscription_status(key, body["metadata"]["resourceVersion"], {"failedChecks": 7})
    after = await stage.api.get_subscription(key)
    assert after is not None
    assert after.get("status", {}).get("failedChecks") != 7


async def test_the_generation_counts_specs(stage: Stage) -> None:
    """Neither metadata nor a status written past its subresource count."""
    await subscribe(stage)
    generations = []
    for patch in (
        {"metadata": {"annotations": {labels.CHECK_ANNOTATION: "1"}}},
        {"status": {"failedChecks": 9}},
        {"spec": {"suspend": True}},
        {"spec": {"select": {"newest": 3}}},
        {"spec": {"select": {"newest": None}}, "metadata": {"generation": 70}},
    ):
        body = await stage.patch("Subscription", "numberline", patch)
        generations.append(body["metadata"]["generation"])
        assert body.get("status", {}).get("failedChecks") != 9
    assert generations == [1, 1, 1, 2, 3]
