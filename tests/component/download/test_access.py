"""Where downloads may go, and with which secrets: Jobs with the real yt-dlp, deno and ffmpeg, servers on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from component.download_job import VIDEO, Ended, Job, job_on
from component.lister_harness import ROOT
from component.processes import watched
from component.web import INSIDE, OPEN, REBINDING, Page, Web, http_proxy, socks_proxy, two_webs
from standin.media import MediaStore
from trawler_downloader.contract.download import DownloadRequest, MediaWish, Sidecar, VideoRef
from trawler_downloader.contract.listing import CookiesMode
from trawler_downloader.contract.outcomes import OutcomeClass

pytestmark = pytest.mark.image

CANARY = "c4n4ry-s3cr3t"
COOKIES = f".youtube.com\tTRUE\t/\tTRUE\t0\tMEMBER\t{CANARY}\n"
SIGNED_IN = "".join(
    f".youtube.com\tTRUE\t/\tTRUE\t1893456000\t{name}\t{CANARY}\n" for name in ("LOGIN_INFO", "SAPISID", "SID")
)


@pytest.fixture
def job(standin, tmp_path) -> Job:
    (tmp_path / "proxy").mkdir()
    secrets = {
        "TRAWLER_COOKIES_FILE": str(tmp_path / "cookies.txt"),
        "TRAWLER_PROXY_CREDENTIALS": str(tmp_path / "proxy"),
    }
    return job_on(standin, tmp_path, **secrets)


@pytest.fixture
def webs() -> Iterator[tuple[Web, Web]]:
    with two_webs() as both:
        yield both


def assert_tells_no_secret(job: Job, ended: Ended) -> None:
    """Not in what it says, and in no file that it leaves."""
    told = ended.log + ended.told.to_json() + "".join(line.to_json() for line in ended.progress)
    assert CANARY not in told
    secrets = {job.folder / "cookies.txt", job.folder / "proxy"}
    left = [path for path in job.folder.rglob("*") if path.is_file() and not {path, *path.parents} & secrets]
    assert [path for path in left if CANARY.encode() in path.read_bytes()] == []


# Cookies.


def with_cookies(job: Job, mode: CookiesMode = CookiesMode.WHEN_NEEDED, **fields: Any) -> DownloadRequest:
    return job.request(cookies=mode, cookies_secret="my-cookies", **fields)


def refuse_strangers(job: Job, state: str) -> None:
    job.site.site.faults.add(
        {"kind": state, "match": {"video": VIDEO["id"]}, "unless_cookie": f"MEMBER={CANARY}"}, job.site.site.catalogue
    )


@pytest.mark.parametrize("state", ["age", "members_only", "private"])
def test_what_asks_for_a_sign_in_is_tried_once_more_with_cookies(job, state):
    """In the same launch; no file and no line holds any of them, info.json included."""
    (job.folder / "cookies.txt").write_text(COOKIES)
    refuse_strangers(job, state)
    ended = job.run(with_cookies(job, media=MediaWish(sidecars=tuple(Sidecar))))
    assert (ended.told.reason, ended.told.cookies_used, ended.told.cookies_invalid) == ("Published", True, False)
    assert_tells_no_secret(job, ended)


def test_cookies_are_always_sent_where_that_is_asked_for(job):
    (job.folder / "cookies.txt").write_text(COOKIES)
    refuse_strangers(job, "age")
    ended = job.run(with_cookies(job, CookiesMode.ALWAYS))
    assert (ended.told.reason, ended.told.cookies_used) == ("Published", True)
    assert "once more" not in ended.log


def test_cookies_that_are_not_needed_are_not_even_read(job):
    (job.folder / "cookies.txt").write_text("broken")
    ended = job.run(with_cookies(job))
    assert (ended.told.reason, ended.told.cookies_used) == ("Published", False)


def test_cookies_open_no_other_country(job):
    (job.folder / "cookies.txt").write_text(COOKIES)
    refuse_strangers(job, "geo")
    ended = job.run(with_cookies(job))
    assert (ended.told.reason, ended.told.cookies_used) == ("GeoRestricted", False)


@pytest.mark.parametrize("mode", list(CookiesMode))
@pytest.mark.parametrize(
    ("content", "reason", "said"),
    [
        pytest.param(None, "CookiesMissing", "Secret my-cookies of namespace tv, or its key cookies.txt", id="missing"),
        pytest.param(f"{COOKIES}MEMBER={CANARY}", "CookiesMalformed", "line 2 has 1 fields", id="malformed"),
    ],
)
def test_cookies_that_cannot_be_used_are_told_and_not_repeated(job, mode, content, reason, said):
    if content is not None:
        (job.folder / "cookies.txt").write_text(content)
    refuse_strangers(job, "age")
    ended = job.run(with_cookies(job, mode))
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.NEEDS_ACCESS, reason)
    assert said in ended.told.message
    assert_tells_no_secret(job, ended)


def test_a_session_that_the_site_ended_is_told(job):
    """By yt-dlp's own extractor, which looks after each request whether it is still signed in."""
    (job.folder / "cookies.txt").write_text(SIGNED_IN)
    job.site.fault("sign_out", endpoint="watch")
    ended = job.run(with_cookies(job, CookiesMode.ALWAYS))
    assert (ended.told.cookies_used, ended.told.cookies_invalid) == (True, True), ended.log
    assert_tells_no_secret(job, ended)


# A proxy's login.


def with_login(job: Job, scheme: str, port: int, password: str) -> DownloadRequest:
    (job.folder / "proxy" / "username").write_text("m@e\n")
    (job.folder / "proxy" / "password").write_text(f"{password}\n")
    return job.request(proxy=f"{scheme}://127.0.0.1:{port}", proxy_credentials=True, proxy_secret="my-vpn")


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_video_lands_through_a_proxy_with_a_login(job, scheme):
    """Whatever stands in the password."""
    password = f"p@ss:w/rd?{CANARY}"
    behind = int(job.site.proxy.rpartition(":")[2]) if scheme == "http" else job.site.tls_port
    with (http_proxy if scheme == "http" else socks_proxy)("m@e", password, behind) as proxy:
        ended = job.run(with_login(job, scheme, proxy.port, password))
        assert (ended.told.reason, proxy.refused) == ("Published", 0), ended.log
        assert proxy.served > 0
    assert_tells_no_secret(job, ended)


def test_a_wrong_password_is_said_and_not_repeated(job):
    with http_proxy("m@e", "right", int(job.site.proxy.rpartition(":")[2])) as proxy:
        ended = job.run(with_login(job, "http", proxy.port, CANARY))
    assert ended.told.reason == "ProxyLoginRefused", ended.log
    assert_tells_no_secret(job, ended)


def test_a_login_that_is_missing_goes_around_no_proxy(job):
    request = job.request(proxy="http://127.0.0.1:9", proxy_credentials=True, proxy_secret="my-vpn")
    ended = job.run(request)
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.ENVIRONMENT, "ProxyCredentialsMissing")
    assert "Secret my-vpn of namespace tv" in ended.told.message


# What anybody on the node may read.


def test_no_secret_is_among_the_arguments_of_a_process(job):
    """Nor in an environment: looked at while a slow download uses cookies and a proxy's password, deno and ffmpeg."""
    (job.folder / "cookies.txt").write_text(COOKIES)
    refuse_strangers(job, "members_only")
    slow = {"kind": "slow", "bytes_per_second": 200_000, "match": {"endpoint": "media"}}
    job.site.site.faults.add(slow, job.site.site.catalogue)
    delay(job, "ffmpeg", "ffprobe")
    with http_proxy("m@e", CANARY, int(job.site.proxy.rpartition(":")[2])) as proxy:
        login = with_login(job, "http", proxy.port, CANARY)
        request = login.model_copy(update={"cookies": CookiesMode.ALWAYS, "cookies_secret": "my-cookies"})
        process = job.start(request)
        with watched(process.pid) as seen:
            out, log = process.communicate(timeout=50)
        ended = job.ended(process.returncode, out, log)
        assert (ended.told.reason, ended.told.cookies_used, proxy.refused) == ("Published", True, 0), ended.log
        assert proxy.served > 0
    programs = ("trawler_downloader.download", "deno", "ffmpeg", "ffprobe")
    assert [program for program in programs if not seen.mentions(f"{program}\0")] == []
    assert seen.mentions("TRAWLER_REQUEST=")
    assert not seen.mentions(CANARY)


def delay(job: Job, *tools: str) -> None:
    """These begin a moment later, so that whoever looks at processes sees them, with all their arguments."""
    folder = job.folder / "tools"
    folder.mkdir()
    path = os.environ["PATH"]
    for tool in tools:
        script = folder / tool
        script.write_text(f'#!/bin/sh\nsleep 0.3\nexec {shutil.which(tool)} "$@"\n')
        script.chmod(0o755)
    job.environment = {**job.environment, "PATH": f"{folder}:{path}"}


# The connect guard.


def film_of(job: Job) -> bytes:
    """A small film, as the stand-in serves it."""
    store: MediaStore = job.site.site.media
    return store.stream(job.site.site.catalogue.video(VIDEO["id"]), 18).read_bytes()


def fetched(job: Job, url: str, *allowed: str) -> Ended:
    video = VideoRef(key="generic.film", extractor="Generic", id="film", url=url)
    return job.run(job.request(video=video, proxy=None, allow_generic=True, allowed_cidrs=allowed))


def assert_refused(ended: Ended, inside: Web) -> None:
    assert (ended.told.outcome, ended.told.reason) == (OutcomeClass.TRANSIENT, "AddressRefused"), ended.log
    assert INSIDE in ended.told.message
    assert "access.allowedCIDRs" in ended.told.message
    assert inside.asked == []


def test_a_film_at_an_address_that_is_allowed_lands(job, webs):
    webs[0].pages["/film.mp4"] = Page(film_of(job), "video/mp4")
    ended = fetched(job, webs[0].url("/film.mp4"), f"{OPEN}/32")
    assert ended.told.reason == "Published", ended.log


def test_a_film_that_redirects_inwards_is_refused(job, webs):
    out, inside = webs
    inside.pages["/film.mp4"] = Page(film_of(job), "video/mp4")
    out.pages["/film.mp4"] = Page(location=inside.url("/film.mp4"))
    assert_refused(fetched(job, out.url("/film.mp4"), f"{OPEN}/32"), inside)
    assert job.tree() == []


def test_a_stream_with_a_segment_inside_is_refused(job, webs):
    """The page and the playlist are where they may be; what they name is not."""
    out, inside = webs
    inside.pages["/1.ts"] = Page(b"credentials", "video/mp2t")
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{inside.url('/1.ts')}\n#EXT-X-ENDLIST\n"
    out.pages["/film.m3u8"] = Page(playlist.encode(), "application/vnd.apple.mpegurl")
    assert_refused(fetched(job, out.url("/film.m3u8"), f"{OPEN}/32"), inside)
    assert job.tree() == []


def test_a_name_that_leads_inside_the_second_time_is_refused(job, webs):
    out, inside = webs
    (job.folder / "sitecustomize.py").write_text(REBINDING)
    job.environment = {**job.environment, "PYTHONPATH": f"{job.folder}:{ROOT / 'downloader'}"}
    film = Page(film_of(job), "video/mp4")
    out.pages["/film.mp4"] = inside.pages["/film.mp4"] = film
    ended = fetched(job, out.url("/film.mp4", "rebind.test"), f"{OPEN}/32")
    assert_refused(ended, inside)
    assert f"rebind.test ({INSIDE})" in ended.told.message
    assert out.asked != []


# What has a network beside Python's sockets.


def run_python(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={"PYTHONPATH": str(ROOT / "downloader"), "PATH": "/usr/bin:/bin", "HOME": "/tmp"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.stdout + done.stderr


def test_deno_reaches_no_address_as_yt_dlp_starts_it(webs, tmp_path):
    """Neither by a request, nor by an import, nor by a bare connection."""
    deno = subprocess.run(["which", "deno"], capture_output=True, text=True, check=True).stdout.strip()
    options = run_python(
        "from trawler_downloader.access.confine import confine; confine()\n"
        "from yt_dlp.extractor.youtube.jsc._builtin.deno import DenoJCP; print(*DenoJCP._DENO_BASE_OPTIONS)"
    ).split()
    out = webs[0]
    out.pages["/a.js"] = Page(b"export default 1", "text/javascript")
    script = f"""
    const tried = {{
        fetch: () => fetch("{out.url("/")}"),
        import: () => import("{out.url("/a.js")}"),
        connect: () => Deno.connect({{hostname: "{OPEN}", port: {out.port}}}),
        environment: () => Deno.env.get("HOME") && Promise.resolve(),
    }};
    for (const [name, attempt] of Object.entries(tried)) {{
        try {{ await attempt(); console.log(name, "reached"); }} catch (error) {{ console.log(name, "refused"); }}
    }}
    """
    done = subprocess.run(
        [deno, "run", *options, "-"],
        input=script,
        env={"DENO_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout.split("\n")[:4] == [
        "fetch refused",
        "import refused",
        "connect refused",
        "environment refused",
    ], done.stderr
    assert out.asked == []


def test_libcurl_is_no_way_past_the_guard():
    """Where curl_cffi is installed, too."""
    handlers = run_python(
        "from trawler_downloader.access.confine import confine; confine()\n"
        "import yt_dlp\n"
        "with yt_dlp.YoutubeDL({'quiet': True}) as engine: print(sorted(engine._request_director.handlers))"
    )
    assert "Curl" not in handlers
    assert "Requests" in handlers


def test_nothing_goes_around_a_proxy_by_another_protocol():
    """A page may name a film at ftp://, which yt-dlp would fetch without asking a SOCKS proxy."""
    told = run_python(
        "from trawler_downloader.access.confine import confine; confine()\n"
        "import yt_dlp\n"
        "with yt_dlp.YoutubeDL({'quiet': True, 'proxy': 'socks5://127.0.0.1:9'}) as engine:\n"
        "    engine.urlopen('ftp://127.0.0.1:9/film.mp4')"
    )
    assert 'Unsupported url scheme: "ftp"' in told


def test_no_plugin_of_yt_dlp_is_loaded(tmp_path):
    """It would run in every launch: yt-dlp looks for them wherever Python looks for modules."""
    plugin = tmp_path / "yt_dlp_plugins/extractor/stranger.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text("print('a stranger runs')\n")
    without = f"import sys; sys.path.append({str(tmp_path)!r})\nimport yt_dlp; yt_dlp.YoutubeDL({{'quiet': True}})"
    assert "a stranger runs" in run_python(without)
    confined = f"from trawler_downloader.access.confine import confine; confine()\n{without}"
    assert run_python(confined) == ""


def test_deno_is_told_of_no_proxy_and_of_nothing_else():
    """yt-dlp would hand it the proxy, with user and password, in its environment."""
    told = run_python(
        "from trawler_downloader.access.confine import confine; confine()\n"
        "from yt_dlp.extractor.youtube.jsc._builtin.deno import DenoJCP; print(DenoJCP._get_env_options(None))"
    )
    assert told.strip() == str({"PATH": "/usr/bin:/bin", "HOME": "/tmp"})
