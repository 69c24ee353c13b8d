"""What the chart tells the two programs is what they understand."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from chart.rendering import CHART, container, environment, render, scenario, scenario_names
from trawler_downloader.lister.settings import parse_settings
from trawler_operator.adapters.clock import SystemClock
from trawler_operator.config import PREFIX, Settings, load_settings
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.main import build_policy

SCHEMA = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]


def load(monkeypatch: pytest.MonkeyPatch, values: Any) -> Settings:
    """The operator's settings in a pod that these values make."""
    for name, value in environment(render(values)).items():
        monkeypatch.setenv(name, value)
    # A running pod's own, by the downward API.
    monkeypatch.setenv(f"{PREFIX}NAMESPACE", "media")
    monkeypatch.setenv(f"{PREFIX}IDENTITY", "trawler-5c7d9")
    return load_settings()


@pytest.mark.parametrize("name", scenario_names())
def test_the_operator_starts_with_what_the_chart_sets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No scenario makes a pod that ends at once."""
    settings = load(monkeypatch, scenario(name))

    assert settings.downloader_image == container(render(scenario(name)), "lister")["image"]


def test_every_setting_can_be_reached_from_the_values() -> None:
    """The chart sets all settings, and none that the operator does not know."""
    told = {entry["name"] for entry in container(render({}), "operator")["env"]}

    assert {PREFIX + name.upper() for name in Settings.model_fields} == told


def test_defaults_are_the_same_with_and_without_the_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what only an installation knows, a default stands in both places alike."""
    own = {"namespace", "identity", "watch_namespaces", "downloader_image", "default_job_resources"}
    expected = {name: field.default for name, field in Settings.model_fields.items() if name not in own}

    assert expected == load(monkeypatch, {}).model_dump(exclude=own)


def test_jobs_get_the_same_resources_with_and_without_the_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default of a later stage than the settings: it stands in the values, and where the operator is told none."""
    with_chart = build_policy(load(monkeypatch, {}), SystemClock()).defaults

    assert with_chart.resources == JobDefaults(image="i").resources


def bounds(path: str) -> list[tuple[str, int]]:
    """Smallest and largest number that the schema takes for a value."""
    section, _, key = path.partition(".")
    node = SCHEMA[section]["properties"][key]
    return [(path, node["minimum"]), (path, node["maximum"])]


@pytest.mark.parametrize(
    ("path", "number"),
    [
        *bounds("operator.leaseDurationSeconds"),
        *bounds("operator.maxConcurrentReconciles"),
        *bounds("operator.listingDeadlineSeconds"),
        *bounds("operator.auditIntervalSeconds"),
        *bounds("operator.successfulJobsHistoryLimit"),
        *bounds("operator.failedJobsHistoryLimit"),
        *bounds("operator.startTimeoutSeconds"),
        *bounds("operator.schedulingTimeoutSeconds"),
        *bounds("operator.endingTimeoutSeconds"),
        *bounds("admission.maxRunningJobs"),
        *bounds("admission.maxRunningJobsPerSubscription"),
        *bounds("egress.maxParallel"),
        *bounds("egress.maxPerHour"),
        *bounds("egress.spacingSeconds"),
        *bounds("egress.listingsPerSecond"),
        ("egress.listingsPerSecond", 0.001),
        ("egress.listingsPerSecond", 0.2),
        *bounds("gates.probeTimeoutSeconds"),
    ],
)
def test_the_operator_takes_what_the_schema_takes(path: str, number: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that helm accepts is not refused later, by a pod that ends at once."""
    section, _, key = path.partition(".")
    values = {section: {key: number}}
    if path == "operator.maxConcurrentReconciles":
        values["operator"]["maxConcurrentListings"] = 1

    assert number in load(monkeypatch, values).model_dump().values()


@pytest.mark.parametrize("seconds", [1, 604_800])
@pytest.mark.parametrize("gate", ["egress", "volume"])
def test_the_operator_takes_the_pauses_that_the_schema_takes(
    gate: str, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shortest and the longest pause of each kind of gate."""
    values = {"gates": {gate: {"firstPauseSeconds": seconds, "longestPauseSeconds": seconds}}}
    settings = load(monkeypatch, values).model_dump()

    assert seconds == settings[f"gates_{gate}_first_pause_seconds"] == settings[f"gates_{gate}_longest_pause_seconds"]


def test_the_lister_starts_with_what_the_chart_sets() -> None:
    """As many workers as the operator asks for at once, on the socket where the operator looks."""
    manifests = render({"operator": {"maxConcurrentListings": 3}, "lister": {"workerMemoryMiB": 512}})
    settings = parse_settings(container(manifests, "lister")["args"], {})

    assert environment(manifests)["TRAWLER_LISTER_ADDRESS"] == f"unix://{settings.socket}"
    assert (settings.max_workers, settings.worker_memory_mib) == (3, 512)
