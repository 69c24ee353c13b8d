"""The lister's settings."""

from pathlib import Path

import pytest

from trawler_downloader.lister.settings import Settings, parse_settings


def test_a_socket_is_all_that_is_needed() -> None:
    """Everything else has a default."""
    assert Settings(socket=Path("/run/x.sock"), listen=None) == parse_settings(["--socket", "/run/x.sock"], {})


def test_the_environment_sets_what_the_command_line_does_not() -> None:
    """Both are read, the command line wins, and an empty variable counts as absent."""
    environ = {
        "TRAWLER_LISTER_LISTEN": "[::1]:8090",
        "TRAWLER_LISTER_MAX_WORKERS": "5",
        "TRAWLER_LISTER_QUEUE_SECONDS": "",
    }
    expected = Settings(socket=None, listen=("::1", 8090), max_workers=3)
    assert expected == parse_settings(["--max-workers", "3"], environ)


@pytest.mark.parametrize(
    ("argv", "environ", "named"),
    [
        pytest.param([], {}, "TRAWLER_LISTER_SOCKET", id="no address"),
        pytest.param(["--socket", "/a", "--listen", "b:1"], {}, "--listen", id="two addresses"),
        pytest.param(["--listen", "8080"], {}, "TRAWLER_LISTER_LISTEN", id="no host"),
        pytest.param(["--listen", "h:99999"], {}, "TRAWLER_LISTER_LISTEN", id="no such port"),
        pytest.param(["--socket", "/" + "x" * 107], {}, "TRAWLER_LISTER_SOCKET", id="a path that no socket can have"),
        pytest.param(
            ["--socket", "/a"], {"TRAWLER_LISTER_MAX_WORKERS": "many"}, "TRAWLER_LISTER_MAX_WORKERS", id="no number"
        ),
        pytest.param(["--socket", "/a", "--max-workers", "0"], {}, "--max-workers", id="too small"),
    ],
)
def test_a_wrong_setting_ends_the_program_and_is_named(
    argv: list[str], environ: dict[str, str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever runs it reads which setting to change."""
    with pytest.raises(SystemExit) as ended:
        parse_settings(argv, environ)
    assert ended.value.code == 2
    assert named in capsys.readouterr().err
