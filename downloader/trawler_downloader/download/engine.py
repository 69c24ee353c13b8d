"""yt-dlp behind the program's Engine: describes a video, downloads it, makes what stands beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import yt_dlp
from yt_dlp import version
from yt_dlp.downloader.external import FFmpegFD
from yt_dlp.networking.exceptions import HTTPError

from trawler_downloader.access.confine import confine
from trawler_downloader.access.cookies import may_help, tells_of_refused_cookies
from trawler_downloader.access.guard import ConnectGuard
from trawler_downloader.contract.download import DownloadRequest, MediaType, Sidecar
from trawler_downloader.contract.listing import CookiesMode
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.info import (
    announced_start,
    copies_of,
    facts_of,
    info_json,
    is_web,
    refuse_unfinished,
    stream_sizes,
    thumbnail_urls,
)
from trawler_downloader.download.media import as_jpeg, remuxed, require_tools, verify
from trawler_downloader.download.options import container_of, in_folder, parameters
from trawler_downloader.download.progress import ProgressReporter
from trawler_downloader.download.site_access import SiteAccess
from trawler_downloader.download.stall import Watch
from trawler_downloader.library.manifest import Role, StagedFile, VideoFacts
from trawler_downloader.outcomes import classify

LOG = logging.getLogger(__name__)

ENGINE_VERSION: str = version.__version__
MAX_PICTURE_BYTES = 20 * 2**20
MAX_WARNINGS = 50


class _Downloader(yt_dlp.YoutubeDL):  # type: ignore[misc]
    """YoutubeDL that tells of each answer of the site, and keeps those that ask for fewer requests."""

    def __init__(
        self,
        chosen: dict[str, Any],
        moved: Callable[[], None],
        refusals: list[HTTPError],
        cookies: CookieJar | None,
        *,
        auto_init: bool,
    ) -> None:
        self._moved = moved
        self._refusals = refusals
        super().__init__(chosen, auto_init=auto_init)
        if cookies is not None:
            # In the place of what a file would be loaded into, and written back from.
            self.cookiejar = cookies

    def urlopen(self, req: object) -> object:
        """Every request comes through here."""
        try:
            answer = super().urlopen(req)
        except HTTPError as error:
            if error.status == HTTPStatus.TOO_MANY_REQUESTS:
                self._refusals.append(error)
            raise
        self._moved()
        return answer


class YtDlp:
    """One video. See `launch.Engine` for what the methods promise."""

    def __init__(self, request: DownloadRequest, progress: ProgressReporter, watch: Watch, access: SiteAccess) -> None:
        self._request = request
        self._progress = progress
        self._watch = watch
        self._access = access
        self._refusals: list[HTTPError] = []
        self._log = _Log(self._warned)
        self._cookies: CookieJar | None = None
        """Shared by all steps from the first that needs it on."""
        self._parameters = parameters(request, access.proxy()) | {
            "logger": self._log,
            "progress_hooks": [watch.downloading, progress.downloading],
            "postprocessor_hooks": [watch.processing, progress.processing],
        }
        self._info: dict[str, Any] = {}
        self._facts: VideoFacts | None = None
        self.version: str = ENGINE_VERSION

    def describe(self) -> VideoFacts:
        """What the site tells. Where that takes a sign-in, it is asked once more with the cookies."""
        if self._request.cookies is CookiesMode.ALWAYS:
            self._cookies = self._access.cookies()
        try:
            info = self._asked()
        except LaunchError as refusal:
            if self._request.cookies is not CookiesMode.WHEN_NEEDED or not may_help(refusal.reason):
                raise
            LOG.info("%s: once more, with cookies", refusal.reason)
            self._cookies = self._access.cookies()
            info = self._asked()
        if not isinstance(info, dict):
            raise LaunchError(Reason.NOTHING_EXTRACTED, "yt-dlp found nothing at the URL")
        if info.get("_type", "video") != "video":
            raise LaunchError(Reason.NOT_A_VIDEO, f"{self._request.video.url} is a list, not a single video")
        refuse_unfinished(info)
        self._info = info
        self._facts = facts_of(info, self._request, datetime.now(UTC).date())
        return self._facts

    def announced_bytes(self) -> int | None:
        """Of the streams that were chosen, as far as the site tells their sizes."""
        known = [size for size in stream_sizes(self._info) if size is not None]
        return sum(known) if known else None

    def copies(self) -> int:
        """Two, unless what is downloaded is the finished file already."""
        return copies_of(self._info, self._request.media)

    def fetch(self, folder: Path) -> Path:
        """Downloads the described video."""
        self._progress.expect(stream_sizes(self._info))
        with self._watch.keeping_free(self._request.min_free_bytes):
            with self._judging(), self._open(in_folder(self._parameters, folder)) as engine:
                info = engine.process_ie_result(self._info, download=True)
            media = _downloaded(info, folder)
            if self._request.media.type is not MediaType.VIDEO:
                return media
            with self._watch.over("ffmpeg changes the container"):
                return remuxed(media, container_of(self._request.media))

    def verify(self, media: Path) -> None:
        """Checks the downloaded file against what the site told."""
        assert self._facts is not None
        with self._watch.over("ffprobe looks at the file"):
            verify(media, self._facts, self._request.media)

    def sidecars(self, folder: Path, wanted: Collection[Sidecar]) -> tuple[StagedFile, ...]:
        """Thumbnail, description and info.json; what cannot be had is left out, it never costs the video."""
        assert self._facts is not None
        made: list[StagedFile] = []
        if Sidecar.DESCRIPTION in wanted:
            made.append(_write(folder, Role.DESCRIPTION, self._facts.description.encode()))
        if Sidecar.INFO_JSON in wanted:
            made.append(_write(folder, Role.INFO_JSON, info_json(self._info)))
        if Sidecar.THUMBNAIL in wanted:
            with self._watch.over("the thumbnail is fetched"):
                picture = self._thumbnail(folder)
            if picture is not None:
                made.append(picture)
            else:
                LOG.warning("no thumbnail could be fetched")
        return tuple(made)

    def _thumbnail(self, folder: Path) -> StagedFile | None:
        raw, target = folder / "picture", folder / Role.THUMBNAIL.value
        # A picture needs yt-dlp's network, not its extractors: without them it is ready 40 ms sooner (measured).
        with self._open(self._parameters, auto_init=False) as engine:
            for url in thumbnail_urls(self._info):
                try:
                    with engine.urlopen(url) as answer:
                        content = answer.read(MAX_PICTURE_BYTES + 1)
                except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the video
                    LOG.info("thumbnail %s: %s", url, error)
                    continue
                if not content or len(content) > MAX_PICTURE_BYTES:
                    continue
                raw.write_bytes(content)
                usable = as_jpeg(raw, target)
                raw.unlink()
                if usable:
                    return StagedFile(role=Role.THUMBNAIL, name=target.name, bytes=target.stat().st_size)
        target.unlink(missing_ok=True)
        return None

    def _asked(self) -> Any:  # noqa: ANN401 - what extractors return
        try:
            return self._extract(self._parameters)
        except LaunchError as refusal:
            if refusal.outcome is OutcomeClass.NOT_YET:
                refusal.retry_at = self._announced_start() or refusal.retry_at
            raise

    def _extract(self, chosen: dict[str, Any], *, process: bool = True) -> Any:  # noqa: ANN401 - what extractors return
        with self._judging(), self._open(chosen) as engine:
            return engine.extract_info(self._request.video.url, download=False, process=process)

    def _open(self, chosen: dict[str, Any], *, auto_init: bool = True) -> _Downloader:
        return _Downloader(chosen, self._watch.progressed, self._refusals, self._cookies, auto_init=auto_init)

    def _warned(self, message: str) -> None:
        if self._cookies is not None and tells_of_refused_cookies(message):
            self._access.use.refused = True

    def _announced_start(self) -> int | None:
        """Unix seconds, where the site tells them: in words it rounds them up to whole hours or days."""
        try:
            info = self._extract(self._parameters | {"ignore_no_formats_error": True}, process=False)
        except LaunchError:
            return None
        return announced_start(info) if isinstance(info, dict) else None

    @contextmanager
    def _judging(self) -> Iterator[None]:
        self._log.warnings.clear()
        self._refusals.clear()
        try:
            with self._watch.over("yt-dlp is at work"):
                yield
        except LaunchError:
            raise
        except Exception as error:
            found = classify(
                error,
                self._log.warnings,
                refusals=self._refusals,
                proxied=self._request.proxy is not None,
                now=datetime.now(UTC).timestamp(),
            )
            raise LaunchError(found.reason, found.message, found.retry_at) from error


class _Log:
    """yt-dlp's messages: into our log, warnings also kept, because some errors leave their cause there."""

    def __init__(self, warned: Callable[[str], None]) -> None:
        self.warnings: list[str] = []
        self._warned = warned

    def debug(self, message: str) -> None:
        """Debugging and ordinary messages alike."""
        LOG.debug("%s", message)

    def warning(self, message: str) -> None:
        """A warning."""
        self._warned(message)
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(message)
        LOG.warning("%s", message)

    def error(self, message: str) -> None:
        """Errors arrive as exceptions too."""
        LOG.info("%s", message)


@contextmanager
def open_engine(
    request: DownloadRequest, progress: ProgressReporter, watch: Watch, access: SiteAccess
) -> Iterator[YtDlp]:
    """An engine for this request.

    Raises:
        LaunchError: Configuration, the URL is no web address; Environment, a tool is missing.
    """
    if not is_web(request.video.url):
        raise LaunchError(Reason.UNSUPPORTED_URL, f"{request.video.url!r} is neither http nor https")
    require_tools()
    # The one way left for ffmpeg to reach the network: an HLS stream that the native downloader cannot read is handed
    # to it, past every option.
    FFmpegFD.real_download = _refuse_ffmpeg
    confine()
    ConnectGuard(request.allowed_cidrs, request.proxy, proxy_trusted=request.proxy_trusted).install()
    yield YtDlp(request, progress, watch, access)


def _refuse_ffmpeg(_self: object, _filename: str, _info: Mapping[str, Any]) -> bool:
    raise LaunchError(
        Reason.UNSUPPORTED_STREAM, "only ffmpeg could fetch this kind of stream, and it may not use the network"
    )


def _downloaded(info: Mapping[str, Any], folder: Path) -> Path:
    """The finished file. yt-dlp ends without an error and without a file in several cases."""
    names = [download.get("filepath") for download in info.get("requested_downloads") or ()]
    files = [Path(name) for name in names if name and Path(name).is_file()]
    if len(files) != 1 or not files[0].is_relative_to(folder) or files[0].stat().st_size == 0:
        raise LaunchError(Reason.NOTHING_DOWNLOADED, "yt-dlp ended without an error and without a file")
    return files[0]


def _write(folder: Path, role: Role, content: bytes) -> StagedFile:
    (folder / role.value).write_bytes(content)
    return StagedFile(role=role, name=role.value, bytes=len(content))
