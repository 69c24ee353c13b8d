"""The configuration: all that is wrong with it is said at once, each with its place and what is allowed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from config_file import chart_defaults
from trawler_operator.__main__ import EXIT_WRONG_CONFIG, main
from trawler_operator.api.field_types import PROXY_RULE
from trawler_operator.config import CONFIG_ENV, NAMESPACE_ENV, POD_NAME_ENV, Config, InvalidConfigError, load_config

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """As the chart writes it without any value."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(chart_defaults()))
    return file


def load(file: Path) -> Config:
    return load_config({CONFIG_ENV: str(file), NAMESPACE_ENV: "trawler"})[0]


def problems(file: Path) -> list[str]:
    """What is said of it, without the file's name, which each line begins with."""
    with pytest.raises(InvalidConfigError) as raised:
        load(file)
    lines = raised.value.problems
    assert [line for line in lines if not line.startswith(f"{file}: ")] == []
    return [line.removeprefix(f"{file}: ") for line in lines]


def test_groups_are_what_the_domain_takes(file: Path) -> None:
    """Times are spans, quantities text, lists tuples."""
    config = load(file)

    assert config.gates.egress.first == timedelta(minutes=15)
    assert config.admission.egress.spacing == timedelta(seconds=5)
    assert config.defaults.resources.limits == {"memory": "2Gi"}
    assert config.watch.namespaces == ("media",)


def test_the_pod_has_a_name_of_its_own_outside_a_cluster(file: Path) -> None:
    """Two processes on one machine are two."""
    environment = {CONFIG_ENV: str(file), NAMESPACE_ENV: "trawler"}

    assert load_config({**environment, POD_NAME_ENV: "trawler-5c7d9"})[1].name == "trawler-5c7d9"
    assert load_config(environment)[1].name != ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            lambda c: c["admission"].update(maxRunningJobs="many"),
            "admission.maxRunningJobs: Input should be a valid integer, unable to parse string as an integer",
            id="a word for a number",
        ),
        pytest.param(
            lambda c: c["gates"]["egress"].update(firstPauseSeconds=0),
            "gates.egress.firstPauseSeconds: Input should be greater than or equal to 1",
            id="a number out of bounds",
        ),
        pytest.param(
            lambda c: c["gates"]["volume"].update(longestPauseSeconds=30),
            "gates.volume.longestPauseSeconds: must not be less than firstPauseSeconds (60)",
            id="a longest pause shorter than the first",
        ),
        pytest.param(
            lambda c: c["operator"].update(maxConcurrentListings=4),
            "operator.maxConcurrentListings: must be smaller than maxConcurrentReconciles (4)",
            id="nobody left for ended Jobs",
        ),
        pytest.param(
            lambda c: c["operator"].update(logLevel="loud"),
            "operator.logLevel: Input should be 'debug', 'info', 'warning' or 'error'",
            id="a word that is not one of those allowed",
        ),
        pytest.param(
            lambda c: c["watch"].update(namespaces=["media", "team-*"]),
            "watch.namespaces[1]: 'team-*' is not the name of a namespace; patterns are not supported",
            id="a pattern for a namespace",
        ),
        pytest.param(
            lambda c: c["access"].update(allowedCIDRs=["10.0.0.0/8", "nas"]),
            "access.allowedCIDRs: 'nas' is no network; write it as 192.168.1.20/32",
            id="a name for a network",
        ),
        pytest.param(
            lambda c: c["access"].update(allowedProxies=["http://a:1", "b:2"]),
            "access.allowedProxies[1]: " + PROXY_RULE,
            id="a proxy without a scheme",
        ),
        pytest.param(
            lambda c: c["defaults"].update(proxy="http://a:99999"),
            "defaults.proxy: " + PROXY_RULE,
            id="a port that there is not",
        ),
        pytest.param(
            lambda c: c["defaults"]["jobResources"].update(limit={}),
            "defaults.jobResources.limit: is not a setting",
            id="an unknown key in a group of the API's",
        ),
        pytest.param(
            lambda c: c["gates"].update(max_pause=1),
            "gates.max_pause: is not a setting",
            id="an unknown key in a group",
        ),
        pytest.param(lambda c: c.update(gate={}), "gate: is not a setting", id="an unknown group"),
        pytest.param(lambda c: c.update({5: {}}), "[5]: is not a setting", id="a key that is no word"),
        pytest.param(lambda c: c["jobs"].pop("history"), "jobs.history: is missing", id="a group that is missing"),
        pytest.param(
            lambda c: c["checks"].pop("auditIntervalSeconds"),
            "checks.auditIntervalSeconds: is missing",
            id="a key that is missing",
        ),
        pytest.param(lambda c: c.update(jobs=3), "jobs: must be a group of settings", id="a number for a group"),
        pytest.param(
            lambda c: c["jobs"].update(history=None), "jobs.history: must be a group of settings", id="an empty group"
        ),
        pytest.param(
            lambda c: c["defaults"].update(image=""),
            "defaults.image: String should have at least 1 character",
            id="no image",
        ),
        pytest.param(
            lambda c: c["defaults"].update(runAsUser=0),
            "defaults.runAsUser: Input should be greater than or equal to 1",
            id="root",
        ),
        pytest.param(
            lambda c: c.update(listerAddress="lister.sock"),
            "listerAddress: must be unix:///path/of/socket or http://host:port",
            id="a bare path for an address",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_the_rule(file: Path, change: Change, said: str) -> None:
    """One line."""
    content = copy.deepcopy(chart_defaults())
    change(content)
    file.write_text(yaml.safe_dump(content))

    assert problems(file) == [said]


def test_names_of_objects_are_checked(file: Path) -> None:
    """Empty means none; but nothing can bear a name with a space."""
    content = chart_defaults()
    content["defaults"] |= {"claimName": "", "caBundleConfigMap": "a b"}
    file.write_text(yaml.safe_dump(content))

    [said] = problems(file)
    assert said.startswith("defaults.caBundleConfigMap: String should match pattern")


def test_all_that_is_wrong_is_said_at_once(file: Path) -> None:
    """Nobody mends one line to be told of the next."""
    content = chart_defaults()
    content["operator"] |= {"logFormat": "xml", "maxConcurrentListings": 9}
    content["gates"]["egress"] |= {"longestPauseSeconds": 1, "pause": 1}
    del content["checks"]
    file.write_text(yaml.safe_dump(content))

    with pytest.raises(InvalidConfigError) as raised:
        load_config({CONFIG_ENV: str(file)})

    assert [line.removeprefix(f"{file}: ").split(":")[0] for line in raised.value.problems] == [
        "TRAWLER_NAMESPACE is not set",
        "operator.logFormat",
        "operator.maxConcurrentListings",
        "checks",
        "gates.egress.longestPauseSeconds",
        "gates.egress.pause",
    ]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda c: c["defaults"].update(proxy="http://me:secret@proxy:3128"), id="in its place"),
        pytest.param(lambda c: c["access"].update(allowedProxies=["http://me:secret@proxy:3128"]), id="among others"),
        pytest.param(lambda c: c["access"].update(allowedProxies=["http://me:secret"]), id="where a port belongs"),
        pytest.param(lambda c: c["defaults"].update(proxi="http://me:secret@proxy:3128"), id="under a misspelt key"),
        pytest.param(lambda c: c.update(defaults="http://me:secret@proxy:3128"), id="instead of a group"),
        pytest.param(lambda c: c["defaults"].update(proxy=["http://me:secret@proxy:3128"]), id="in a list"),
        pytest.param(lambda c: c["defaults"].update(proxy="http://me:secret@proxy" + "y" * 600), id="too long"),
    ],
)
def test_a_proxy_is_never_printed(file: Path, change: Change) -> None:
    """A password in the wrong place is not copied into a log."""
    content = chart_defaults()
    change(content)
    file.write_text(yaml.safe_dump(content))

    [said] = problems(file)
    assert said.startswith(("defaults", "access"))
    assert "secret" not in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "the whole: must be a group of settings", id="empty"),
        pytest.param(b"defaults: {proxy: http://me:secret@a\n", "is not YAML: line 2: expected ", id="half of YAML"),
        pytest.param(b"proxy: !secret me:secret\n", "is not YAML: line 1: could not determine a ", id="an unknown tag"),
        pytest.param(b"\xff\xfe\xff", "is not YAML in UTF-8", id="not text"),
        pytest.param(b"a: \x07", "is not YAML in UTF-8", id="a control character"),
        pytest.param(b"a: 2026-99-99", "is not YAML in UTF-8", id="a day that no calendar has"),
    ],
)
def test_a_file_that_is_none_is_named(file: Path, content: bytes, said: str) -> None:
    """Without what stands around the place."""
    file.write_bytes(content)

    [line] = problems(file)
    assert line.startswith(said)
    assert "me:secret" not in line


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    """And so is the variable that names another."""
    assert problems(tmp_path / "gone.yaml") == [
        "cannot be read: No such file or directory (TRAWLER_CONFIG names another file)"
    ]


def test_the_program_ends_at_once(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and a line for each thing that is wrong."""
    file.write_text(yaml.safe_dump(chart_defaults() | {"httpPort": -1, "jobs": {}}))
    monkeypatch.setenv(CONFIG_ENV, str(file))
    monkeypatch.setenv(NAMESPACE_ENV, "trawler")

    assert main() == EXIT_WRONG_CONFIG
    assert capsys.readouterr().err.splitlines() == [
        f"trawler-operator: {file}: jobs.history: is missing",
        f"trawler-operator: {file}: jobs.timeouts: is missing",
        f"trawler-operator: {file}: httpPort: Input should be greater than or equal to 0",
    ]
