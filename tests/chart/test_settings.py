"""What the chart tells the two programs is what they understand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic.alias_generators import to_camel

from chart.rendering import CHART, config_file, configured, container, render, scenario, scenario_names
from trawler_downloader.lister.settings import parse_settings
from trawler_operator.config import CONFIG_ENV, NAMESPACE_ENV, POD_NAME_ENV, Config, OwnPod, load_config
from trawler_operator.domain.jobs.cleanup import HistoryLimits
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.jobs.start_trouble import Patience

SCHEMA = yaml.safe_load((CHART / "values.schema.json").read_text())


def load(folder: Path, values: Any) -> Config:
    """The operator's configuration in a pod that these values make."""
    manifests = render(values)
    file = folder / "config.yaml"
    file.write_text(config_file(manifests))
    told = {entry["name"]: "as-the-kubelet-says" for entry in container(manifests, "operator")["env"]}
    config, pod = load_config({**told, CONFIG_ENV: str(file)})
    assert told.keys() == {NAMESPACE_ENV, POD_NAME_ENV}
    assert pod == OwnPod("as-the-kubelet-says", "as-the-kubelet-says")
    return config


@pytest.mark.parametrize("name", scenario_names())
def test_the_operator_starts_with_what_the_chart_sets(name: str, tmp_path: Path) -> None:
    """No scenario makes a pod that ends at once."""
    config = load(tmp_path, scenario(name))

    assert config.defaults.image == container(render(scenario(name)), "lister")["image"]


def test_defaults_are_the_same_with_and_without_the_chart(tmp_path: Path) -> None:
    """Where the code has a default of its own, the chart's value has the same."""
    config = load(tmp_path, {})

    assert JobDefaults(config.defaults.image, "IfNotPresent") == config.defaults
    assert (HistoryLimits(), Patience()) == (config.jobs.history, config.jobs.timeouts)


def numbers(schema: Any, path: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    """Smallest and largest number that the schema takes, for each value that the operator reads."""
    if reference := schema.get("$ref"):
        schema = SCHEMA["$defs"][reference.rpartition("/")[2]]
    if schema.get("type") == "integer":
        return [(".".join(path), schema["minimum"]), (".".join(path), schema["maximum"])]
    return [row for key, part in schema.get("properties", {}).items() for row in numbers(part, (*path, key))]


READ = [key for key in SCHEMA["properties"] if key in {to_camel(name) for name in Config.model_fields}]


def nested(path: str, number: int) -> Any:
    """Values with one number in them, and what has to change with it."""
    values: Any = number
    for key in reversed(path.split(".")):
        values = {key: values}
    if path == "operator.maxConcurrentReconciles":
        values["operator"]["maxConcurrentListings"] = 1
    if path == "operator.maxConcurrentListings":
        values["operator"]["maxConcurrentReconciles"] = 64
    if path.endswith("PauseSeconds"):
        values["gates"][path.split(".")[1]] = {"firstPauseSeconds": number, "longestPauseSeconds": number}
    return values


@pytest.mark.parametrize(
    ("path", "number"), [row for key in READ for row in numbers(SCHEMA["properties"][key], (key,))]
)
def test_the_operator_takes_what_the_schema_takes(path: str, number: int, tmp_path: Path) -> None:
    """A value that helm accepts is not refused later, by a pod that ends at once."""
    values = nested(path, number)
    load(tmp_path, values)

    assert configured(render(values), path) == number


def test_the_lister_starts_with_what_the_chart_sets() -> None:
    """As many workers as the operator asks for at once, on the socket where the operator looks."""
    manifests = render({"operator": {"maxConcurrentListings": 3}, "lister": {"workerMemoryMiB": 512}})
    settings = parse_settings(container(manifests, "lister")["args"], {})

    assert configured(manifests, "listerAddress") == f"unix://{settings.socket}"
    assert (settings.max_workers, settings.worker_memory_mib) == (3, 512)
