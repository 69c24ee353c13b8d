"""What a Subscription's JSON means, and what is refused with which words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bad_specs import BAD_SPECS, BadSpec
from builders import NOON, URL, subscription, subscription_body
from trawler_downloader.contract.download import Layout, MediaType, Sidecar
from trawler_operator.api.crd import subscription_crd
from trawler_operator.api.spec import LedgerPolicy, Schedule
from trawler_operator.api.status import SubscriptionStatus, parse_status
from trawler_operator.api.subscription import InvalidSpecError, parse_identity, parse_subscription

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


def test_a_url_is_all_that_a_spec_needs() -> None:
    """Everything else has the documented default."""
    spec = subscription().spec

    assert spec.url == URL
    assert not spec.suspend
    assert spec.schedule == Schedule()
    assert spec.select.newest == 52
    assert spec.select.kinds is None
    assert spec.media.type is MediaType.VIDEO
    assert spec.media.sidecars == (Sidecar.THUMBNAIL, Sidecar.DESCRIPTION, Sidecar.NFO)
    assert spec.library.layout is Layout.SHOW
    assert spec.library.claim_name is None
    assert spec.retry.max_attempts == 3
    assert spec.job.parallelism == 1
    assert spec.ledger_policy is LedgerPolicy.RETAIN


def test_metadata_is_read_from_the_body() -> None:
    """Names, generation, times and annotations."""
    parsed = parse_subscription(subscription_body(annotations={"trawler.dev/check": "1"}))

    assert (parsed.namespace, parsed.name, parsed.uid, parsed.generation) == ("media", "numberline", "0a1b2c3d", 1)
    assert parsed.creation_timestamp == datetime(2026, 11, 1, 8, tzinfo=UTC)
    assert parsed.annotations == {"trawler.dev/check": "1"}
    assert parsed.status == SubscriptionStatus()


@pytest.mark.parametrize("bad", BAD_SPECS, ids=lambda bad: bad.name)
def test_a_bad_spec_is_refused_naming_the_field(bad: BadSpec) -> None:
    """The error says which field, and never repeats a password."""
    with pytest.raises(InvalidSpecError) as refused:
        parse_subscription(subscription_body(bad.spec))

    assert refused.value.field == bad.field
    assert bad.says in refused.value.message
    assert "secret" not in str(refused.value)


def test_a_name_that_fits_no_label_is_refused() -> None:
    """63 characters are the most that a label takes."""
    assert parse_subscription(subscription_body(name="a" * 63)).name == "a" * 63
    with pytest.raises(InvalidSpecError, match="must have at most 63 characters"):
        parse_subscription(subscription_body(name="a" * 64))


def test_a_body_without_a_spec_is_refused_like_an_empty_one() -> None:
    """An object of before the schema."""
    body = subscription_body()
    del body["spec"]

    with pytest.raises(InvalidSpecError, match=r"spec\.url: is required"):
        parse_subscription(body)


@pytest.mark.parametrize(
    ("name", "cron", "zone"),
    [
        ("several hours", "5 4,12,18,23 * * *", "Europe/Paris"),
        ("names of days", "0 4 * * MON-FRI", None),
        ("leap days", "0 0 29 2 *", "UTC"),
        ("last Friday", "0 0 * * 5L", "America/New_York"),
    ],
)
def test_crons_that_come_are_accepted(name: str, cron: str, zone: str | None) -> None:
    """Everything that Debian's cron understands."""
    schedule = {"cron": cron} | ({"timeZone": zone} if zone else {})

    assert subscription({"schedule": schedule}).spec.schedule == Schedule(cron=cron, time_zone=zone)


@given(st.text(alphabet="0123456789*/,-#LWMONFEB ", min_size=9, max_size=40))
def test_no_cron_text_breaks_the_parser(text: str) -> None:
    """Whatever is written, it is accepted or refused, with the field's name."""
    try:
        subscription({"schedule": {"cron": text}})
    except InvalidSpecError as error:
        assert error.field == "spec.schedule.cron"  # noqa: PT017 - both endings are right


@pytest.mark.parametrize("path", ["", "tim", "science/maths", "Été 2024", ".hidden", "a...b"])
def test_paths_that_stay_under_the_root_are_accepted(path: str) -> None:
    """The root itself, sections, and names in any script."""
    assert subscription({"library": {"path": path}}).spec.library.path == path


def test_quantities_may_be_numbers() -> None:
    """As in a pod: `cpu: 1`."""
    resources = subscription({"job": {"resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}}).spec.job.resources

    assert resources is not None
    assert resources.limits == {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_are_valid(example: Path) -> None:
    """What the README tells people to apply."""
    body = yaml.safe_load(example.read_text())
    body["metadata"] |= {"namespace": "media", "uid": "1", "creationTimestamp": "2026-11-01T08:00:00Z"}

    assert parse_subscription(body).name == body["metadata"]["name"]


def test_the_longest_example_names_every_field() -> None:
    """As it says of itself: what else can be set is looked for nowhere else."""
    [example] = [path for path in EXAMPLES if path.name == "tuned.yaml"]
    text = example.read_text()
    schema = subscription_crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]

    assert [name for name in _fields(schema) if f"{name}:" not in text] == []


def _fields(schema: Mapping[str, Any]) -> Iterator[str]:
    """Names of the properties, and of those below them; a toleration is described by Kubernetes."""
    for name, part in schema.get("properties", {}).items():
        yield name
        yield from _fields(part)


def test_there_are_examples() -> None:
    """An empty list of examples would pass every test of them."""
    assert len(EXAMPLES) >= 4


def test_a_status_survives_being_written_and_read() -> None:
    """Times in whole seconds of UTC, nothing absent."""
    status = SubscriptionStatus(observed_generation=2, last_check_time=NOON, failed_checks=1)

    assert status.to_dict()["lastCheckTime"] == "2026-11-21T12:00:00Z"
    assert parse_status(status.to_dict()) == status


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("none", None),
        ("not an object", "broken"),
        ("a field of a wrong type", {"lastCheckTime": "yesterday"}),
    ],
)
def test_a_status_that_cannot_be_read_is_taken_for_empty(name: str, status: object) -> None:
    """It holds nothing that the next pass would not find out again."""
    assert parse_status(status) == SubscriptionStatus()


def test_a_status_of_a_newer_version_is_read_as_far_as_it_is_known() -> None:
    """After a downgrade."""
    assert parse_status({"failedChecks": 2, "gates": []}) == SubscriptionStatus(failed_checks=2)


def test_an_identity_needs_no_valid_spec() -> None:
    """Else nobody could be told that the spec is wrong."""
    identity = parse_identity(subscription_body({"url": 5}, {"failedChecks": 1}, annotations=None))

    assert (identity.name, identity.status.failed_checks, identity.annotations) == ("numberline", 1, {})
