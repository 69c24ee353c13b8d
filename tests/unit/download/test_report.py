"""Settings, results and progress lines of the downloader."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from trawler_downloader.contract.download import MAX_RESULT_BYTES, DownloadRequest, DownloadResult
from trawler_downloader.contract.outcomes import EXIT_CODES, OutcomeClass
from trawler_downloader.contract.progress import Phase
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.check import mismatches, pins
from trawler_downloader.download.errors import LaunchError, TerminatedError
from trawler_downloader.download.progress import ProgressReporter
from trawler_downloader.download.report import fitted, report, result_of
from trawler_downloader.download.settings import request_of, settings_of
from trawler_downloader.download.trust import trust_file

REQUEST = {
    "subscription": {"namespace": "tv", "name": "one"},
    "video": {"key": "youtube.a", "id": "a", "url": "https://x.test/a"},
    "launch": 1,
}


def test_a_pod_needs_only_its_uid():
    settings = settings_of({"TRAWLER_POD_UID": "0b6c-uid"})
    assert (settings.library, settings.termination_log) == (Path("/library"), Path("/dev/termination-log"))
    assert (settings.ca_file, settings.cookies_file, settings.proxy_credentials, settings.pod) == (
        Path("/etc/trawler/ca/ca.crt"),
        Path("/etc/trawler/cookies/cookies.txt"),
        Path("/etc/trawler/proxy"),
        "0b6c-uid",
    )


def test_without_a_uid_the_host_names_the_pod():
    assert settings_of({}).pod


def test_a_uid_is_no_way_out_of_the_staging_folder():
    assert settings_of({"TRAWLER_POD_UID": "../../x"}).pod == "------x"


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        pytest.param({}, "TRAWLER_REQUEST holds no request", id="nothing"),
        pytest.param({"TRAWLER_REQUEST": "{"}, "the whole: Invalid JSON", id="no JSON"),
        pytest.param({"TRAWLER_REQUEST": json.dumps(REQUEST | {"launch": 0})}, "launch: ", id="a wrong value"),
        pytest.param({"TRAWLER_REQUEST": json.dumps(REQUEST | {"umask": "9"})}, "umask: ", id="a wrong umask"),
        pytest.param({"TRAWLER_REQUEST": json.dumps(REQUEST | {"more": 1})}, "more: ", id="an unknown field"),
        pytest.param({"TRAWLER_REQUEST": json.dumps(REQUEST | {"video": {}})}, "video.key: ", id="a missing field"),
    ],
)
def test_a_bad_request_names_its_field_and_blames_the_releases(environment, named):
    with pytest.raises(LaunchError, match=named) as raised:
        request_of(environment, DownloadRequest)
    assert raised.value.outcome is OutcomeClass.ENVIRONMENT
    assert "use images of one release" in raised.value.message


def test_a_good_request_is_read():
    assert request_of({"TRAWLER_REQUEST": json.dumps(REQUEST)}, DownloadRequest).video.key == "youtube.a"


LONG = DownloadResult(
    outcome=OutcomeClass.PUBLISHED,
    reason="Published",
    message="é" * 5000,
    title="🐟" * 2000,
    path="p" * 1000,
    engine="2026.10.26",
    volume_id="v",
)


def test_a_result_fits_and_keeps_what_programs_read():
    text = fitted(LONG)
    assert len(text.encode()) <= MAX_RESULT_BYTES
    told = DownloadResult.model_validate_json(text)
    assert (told.path, told.engine, told.volume_id) == (LONG.path, LONG.engine, LONG.volume_id)
    assert told.message
    assert told.title


def test_a_result_that_fits_is_not_cut():
    small = LONG.model_copy(update={"message": "m", "title": "t"})
    assert DownloadResult.model_validate_json(fitted(small)) == small


def test_of_a_very_long_path_the_message_and_the_title_make_room():
    told = DownloadResult.model_validate_json(fitted(LONG.model_copy(update={"path": "p" * 3300})))
    assert (told.message, told.title, told.path) == ("", None, "p" * 3300)


@pytest.mark.parametrize("reason", list(Reason))
def test_the_exit_code_tells_the_class(reason, tmp_path):
    log = tmp_path / "log"
    error = LaunchError(reason, "why", retry_at=7)
    assert report(result_of(error, "1"), log) == EXIT_CODES[reason.outcome]
    told = DownloadResult.model_validate_json(log.read_text())
    assert (told.outcome, told.reason, told.message, told.retry_at) == (reason.outcome, reason, "why", 7)


def test_a_pod_that_was_told_to_stop_says_so():
    told = result_of(TerminatedError(), "1")
    assert (told.outcome, told.reason, told.message) == (
        OutcomeClass.TERMINATED,
        "Terminated",
        "the pod was told to stop",
    )


def test_a_termination_log_that_cannot_be_written_changes_nothing(tmp_path):
    assert report(LONG, tmp_path / "missing/log") == 0


class Lines:
    """A reporter with a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.out = io.StringIO()
        self.reporter = ProgressReporter(self.out, lambda: self.now)

    @property
    def told(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]


def hook(file, done, **fields):
    return {"status": "downloading", "filename": file, "downloaded_bytes": done} | fields


def test_progress_is_over_all_streams_together():
    lines = Lines()
    lines.reporter.expect([800, 200])
    lines.reporter.downloading(hook("v", 400, speed=100.0, info_dict={"vcodec": "avc1", "acodec": "none"}))
    lines.reporter.downloading({"status": "finished", "filename": "v", "total_bytes": 800})
    lines.now = 2.0
    lines.reporter.downloading(hook("a", 100, speed=50.0, info_dict={"vcodec": "none", "acodec": "opus"}))
    assert lines.told == [
        {"v": 1, "phase": "downloading", "done": 400, "total": 1000, "speed": 100, "eta": 6, "stream": "video"},
        {"v": 1, "phase": "downloading", "done": 900, "total": 1000, "speed": 50, "eta": 2, "stream": "audio"},
    ]


def test_with_sizes_unknown_the_stream_tells_its_own():
    lines = Lines()
    lines.reporter.expect([None, 200])
    lines.reporter.downloading(hook("v", 10, total_bytes_estimate=40.5, eta=3))
    lines.now = 2.0
    lines.reporter.downloading(hook("v", 20))
    assert lines.told == [
        {"v": 1, "phase": "downloading", "done": 10, "total": 50 - 10, "eta": 3},
        {"v": 1, "phase": "downloading", "done": 20},
    ]


def test_lines_are_rare_but_every_phase_is_told():
    lines = Lines()
    for now in (0.0, 0.5, 1.9, 2.0, 3.9):
        lines.now = now
        lines.reporter.downloading(hook("v", 1))
    lines.reporter.processing({"status": "started"})
    lines.reporter.processing({"status": "finished"})
    lines.reporter.phase(Phase.VERIFYING)
    assert [line["phase"] for line in lines.told] == ["downloading", "downloading", "processing", "verifying"]


def test_pins_are_the_exact_requirements():
    requirements = ["pydantic>=2.11", "yt-dlp==2026.10.26; extra == 'engine'", 'yt-dlp-ejs==0.8.0 ; extra == "engine"']
    assert pins(requirements) == {"yt-dlp": "2026.10.26", "yt-dlp-ejs": "0.8.0"}


@pytest.mark.parametrize(
    ("installed", "imported", "expected"),
    [
        pytest.param("2026.10.26", "2026.10.26", [], id="as pinned"),
        pytest.param(
            "2026.8.19",
            "2026.8.19",
            ["yt-dlp is 2026.8.19, pinned is 2026.10.26", "yt_dlp says it is 2026.8.19, pinned is 2026.10.26"],
            id="pip took an older one",
        ),
        pytest.param("2026.10.26", "2025.1.1", ["yt_dlp says it is 2025.1.1, pinned is 2026.10.26"], id="shadowed"),
    ],
)
def test_another_yt_dlp_than_the_pinned_one_is_found(installed, imported, expected):
    assert expected == mismatches({"yt-dlp": "2026.10.26"}, lambda _name: installed, imported)


def test_a_message_with_half_a_character_can_be_told():
    """A file name on the volume that is no UTF-8, or a site's text that was cut in the middle of an emoji."""
    result = result_of(LaunchError(Reason.VOLUME_ERROR, "caf\udce9 \ud83d"), "1")
    assert DownloadResult.model_validate_json(fitted(result)).message == "caf? ?"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"nothing", id="no certificate inside"),
        pytest.param(b"caf\xe9", id="no UTF-8"),
    ],
)
def test_a_mounted_bundle_that_cannot_be_used_names_its_field(tmp_path, content):
    bundle = tmp_path / "ca.crt"
    if content is not None:
        bundle.write_bytes(content)
    with pytest.raises(LaunchError, match=r"access\.caBundleRef: its key ca\.crt") as raised:
        trust_file(bundle)
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.CONFIGURATION, "CaBundleInvalid")
