"""When a lost ledger is made anew, what is asked of the volume, and which of its answers are taken."""

from __future__ import annotations

from typing import Any

import pytest

from builders import ledger_entry, subscription
from trawler_downloader.contract.download import SubscriptionRef
from trawler_downloader.contract.inventory import InventoryRequest, RecordLine
from trawler_downloader.contract.outcomes import LedgerState
from trawler_downloader.contract.volume_job import Chunk, ChunkTrailerLine, HeaderLine, UnusableChunkError
from trawler_operator.api import labels
from trawler_operator.domain.history.inventory import (
    EMPTY_VOLUME,
    INVENTORY,
    Progress,
    check_mounted,
    find_progress,
    mark_after,
    order_inventory,
)
from trawler_operator.domain.jobs.digests import download_digest
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.ledger.shards import Shard

DEFAULTS = JobDefaults(image="trawler-downloader:1", claim_name="library")
FRESH = Progress(claim="library")
HALFWAY = Progress(claim="library", volume_id="v-1", after="3f/youtube.a")


def ledger(annotations: dict[str, str] | None) -> Ledger:
    made = Ledger()
    if annotations is not None:
        made.load(Shard(0, "1", {}, annotations))
    return made


def chunk(next_after: str | None = None, *, volume_id: str | None = "v-1") -> Chunk[RecordLine]:
    return Chunk(
        HeaderLine(scope="media/numberline", after="", volume_id=volume_id),
        (),
        ChunkTrailerLine(count=0, sha256="", next_after=next_after),
    )


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


def test_the_next_chunk_is_ordered():
    """In the Subscription's name; another spec or a wish for a check makes a failed one come back at once."""
    asked = subscription(annotations={labels.CHECK_ANNOTATION: "now"})
    order = order_inventory(asked, HALFWAY, DEFAULTS)
    assert order.request == InventoryRequest(
        subscription=SubscriptionRef(namespace="media", name="numberline"), after="3f/youtube.a", volume_id="v-1"
    )
    assert (order.kind, order.claim, order.owned, INVENTORY.writes) == (INVENTORY, "library", True, False)
    assert order.labels == labels.inventory_labels("numberline")
    digest = download_digest(asked.spec, DEFAULTS)
    assert order.asked_by == {labels.SPEC_ANNOTATION: digest, labels.CHECK_ANNOTATION: "now"}
    assert order.job_name(1) == "numberline-inventory-5277876c916f9a1f"
    assert order_inventory(subscription(uid="later"), HALFWAY, DEFAULTS).job_name(1) != order.job_name(1)


@pytest.mark.parametrize("one_node", [False, True])
def test_a_volume_that_is_on_one_node_at_a_time_is_read_there(*, one_node: bool):
    assert order_inventory(subscription(), FRESH, DEFAULTS, one_node=one_node).one_node is one_node


@pytest.mark.parametrize(
    ("spec", "anew"),
    [
        pytest.param({"job": {"runAsUser": 7}}, True, id="what the Job is made from"),
        pytest.param({"retry": {"maxAttempts": 9}}, False, id="what does not concern it"),
    ],
)
def test_which_changes_of_the_spec_ask_for_a_try(spec: dict[str, Any], *, anew: bool):
    """Without a pause; a new generation alone does not."""
    before, after = subscription(), subscription(spec, generation=2)
    asked_by = [order_inventory(asks, FRESH, DEFAULTS).asked_by for asks in (before, after)]
    assert (asked_by[0] != asked_by[1]) is anew


DOWNLOADED = {"counts": {"downloaded": 3}, "library": {"claimName": "library", "path": "", "layout": "Show"}}


def test_an_empty_mount_point_is_not_believed():
    with pytest.raises(UnusableChunkError, match="is the NAS mounted"):
        check_mounted(chunk(volume_id=None), subscription(status=DOWNLOADED), "library")


@pytest.mark.parametrize(
    ("seen", "claim", "status"),
    [
        pytest.param(chunk(), "library", DOWNLOADED, id="the volume bears its marker"),
        pytest.param(chunk(volume_id=None), "library", {}, id="a new Subscription on a new volume"),
        pytest.param(chunk(volume_id=None), "new", DOWNLOADED, id="a new claim"),
        pytest.param(
            chunk(volume_id=None), "library", {"counts": {"downloaded": 3}}, id="nobody knows where they stood"
        ),
    ],
)
def test_a_volume_that_is_believed(seen: Chunk[RecordLine], claim: str, status: dict[str, Any]):
    check_mounted(seen, subscription(status=status), claim)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(chunk(), "v-1", id="the last one"),
        pytest.param(chunk(volume_id=None), EMPTY_VOLUME, id="of a volume that nobody used"),
        pytest.param(chunk("3f/youtube.a"), HALFWAY.to_text(), id="not the last one"),
    ],
)
def test_the_mark_after_a_chunk(seen: Chunk[RecordLine], expected: str):
    assert mark_after(FRESH, seen) == expected
