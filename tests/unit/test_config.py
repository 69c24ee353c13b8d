"""Settings: a wrong one is named at once, with what is allowed."""

from __future__ import annotations

import pytest

from trawler_operator.__main__ import EXIT_WRONG_SETTING, main
from trawler_operator.config import InvalidSettingError, load_settings


@pytest.fixture(autouse=True)
def _minimal_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAWLER_NAMESPACE", "trawler")
    monkeypatch.setenv("TRAWLER_DOWNLOADER_IMAGE", "downloader:1")


def test_defaults() -> None:
    """The two that have no default are enough."""
    settings = load_settings()
    assert (
        settings.watch_namespaces,
        settings.max_running_jobs,
        settings.egress_spacing_seconds,
        settings.default_job_resources,
    ) == ((), 2, 5, None)


def test_lists_and_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commas separate names, resources are JSON, empty means not set."""
    monkeypatch.setenv("TRAWLER_WATCH_NAMESPACES", "media, kids,")
    monkeypatch.setenv("TRAWLER_DEFAULT_JOB_RESOURCES", '{"limits": {"memory": "2Gi"}}')
    monkeypatch.setenv("TRAWLER_DEFAULT_CLAIM_NAME", "")
    settings = load_settings()
    assert settings.watch_namespaces == ("media", "kids")
    assert settings.default_job_resources is not None
    assert settings.default_job_resources.limits == {"memory": "2Gi"}
    assert settings.default_claim_name is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRAWLER_MAX_RUNNING_JOBS", "many", "TRAWLER_MAX_RUNNING_JOBS: .*integer"),
        ("TRAWLER_MAX_RUNNING_JOBS", "0", "TRAWLER_MAX_RUNNING_JOBS: .*greater than or equal to 1"),
        ("TRAWLER_LOG_LEVEL", "LOUD", "TRAWLER_LOG_LEVEL: .*'DEBUG', 'INFO'"),
        ("TRAWLER_LISTER_ADDRESS", "lister.sock", "TRAWLER_LISTER_ADDRESS: must be unix:"),
        ("TRAWLER_WATCH_NAMESPACES", "team-*", "TRAWLER_WATCH_NAMESPACES: .*patterns"),
        ("TRAWLER_DEFAULT_JOB_RESOURCES", "{", "TRAWLER_DEFAULT_JOB_RESOURCES: is not JSON"),
        ("TRAWLER_DEFAULT_JOB_RESOURCES", '{"limit": {}}', "TRAWLER_DEFAULT_JOB_RESOURCES.limit: "),
        ("TRAWLER_MAX_CONCURRENT_LISTINGS", "4", "TRAWLER_MAX_CONCURRENT_LISTINGS .* must be smaller"),
        ("TRAWLER_GATES_EGRESS_FIRST_PAUSE_SECONDS", "30000", "FIRST_PAUSE_SECONDS .30000. must not be more than"),
        ("TRAWLER_EGRESS_LISTINGS_PER_SECOND", "0.0001", "LISTINGS_PER_SECOND: must be 0 .no pace., or 0.001"),
        ("TRAWLER_EGRESS_LISTINGS_PER_SECOND", "-1", "LISTINGS_PER_SECOND: .*greater than or equal to 0"),
        ("TRAWLER_GATES_CONFIG_MAP", "My Gates", "TRAWLER_GATES_CONFIG_MAP: "),
        ("TRAWLER_DEFAULT_RUN_AS_USER", "0", "TRAWLER_DEFAULT_RUN_AS_USER: "),
        ("TRAWLER_ALLOWED_CIDRS", "10.0.0.0/8,nas", "TRAWLER_ALLOWED_CIDRS: 'nas' is no network"),
        ("TRAWLER_READ_SECRETS", "perhaps", "TRAWLER_READ_SECRETS: .*boolean"),
        ("TRAWLER_DOWNLOADER_IMAGE", "", "TRAWLER_DOWNLOADER_IMAGE: "),
    ],
)
def test_wrong_values(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    """The variable and the rule are in the message."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingError, match=said):
        load_settings()


def test_proxy_with_a_password_is_refused_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret in the wrong place is not copied into a log."""
    monkeypatch.setenv("TRAWLER_DEFAULT_PROXY", "http://me:secret@proxy:3128")
    with pytest.raises(InvalidSettingError) as raised:
        load_settings()
    assert "TRAWLER_DEFAULT_PROXY" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_program_ends_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and one line."""
    monkeypatch.delenv("TRAWLER_NAMESPACE")
    assert main() == EXIT_WRONG_SETTING
    assert capsys.readouterr().err == "trawler-operator: TRAWLER_NAMESPACE is not set\n"
