"""From staged files to final names: the only place where a file of the library gets its name.

Order, and what a death in between leaves: staged files are synced (nothing seen yet), the manifest names every final
path (the next launch finishes from it), sidecars are renamed, the media file last (a media server never sees a video
without its metadata, and no media file has its final name before it is complete), the manifest is marked committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from trawler_downloader.contract.download import Sidecar, StepTimes, VideoRef
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.files import Files
from trawler_downloader.download.reservations import Placement, landed_media, siblings
from trawler_downloader.library.manifest import (
    SUFFIXES,
    LandedFile,
    Manifest,
    ManifestError,
    Role,
    StagedFile,
    StagingRecord,
    VideoFacts,
    decode_manifest,
    encode,
)
from trawler_downloader.library.names import fold
from trawler_downloader.library.nfo import episode_nfo, movie_nfo, show_nfo
from trawler_downloader.library.state import ClaimPaths


class Publisher:
    """Publishes one video of one Subscription."""

    def __init__(self, files: Files, paths: ClaimPaths, video: VideoRef, now: Callable[[], float]) -> None:
        """Arguments: operations, the claim, the video, and the clock (Unix seconds)."""
        self._files = files
        self._paths = paths
        self._video = video
        self._manifest = paths.manifest(video.key)
        self._now = now

    def settle(self) -> Manifest | None:
        """What an earlier launch left: the manifest of the landed video, finished now if need be; or None.

        Raises:
            LaunchError: Environment, the manifest is unreadable.
        """
        try:
            manifest = decode_manifest(self._manifest.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ManifestError as error:
            raise LaunchError(
                Reason.MANIFEST_UNREADABLE, f"{self._manifest}: {error}. Restore it, or remove it to download again"
            ) from error
        if manifest.key != self._manifest.stem:
            raise LaunchError(
                Reason.MANIFEST_UNREADABLE,
                f"{self._manifest} is about {manifest.key}: the volume takes names that differ in case only for one",
            )
        landed = self._final(manifest.media).is_file()
        if manifest.committed:
            return manifest if landed else None
        if landed or all(self._accounted_for(manifest, file) for file in manifest.files):
            return self._finish(manifest)
        self._files.remove(self._manifest)
        return None

    def adopt(self, record_facts: VideoFacts, placement: Placement, launch: int, engine: str) -> Manifest | None:
        """A committed manifest over the file that another Subscription landed in this place; None: there is none."""
        media = landed_media(self._paths.root, placement.stem)
        if media is None:
            return None
        landed = [LandedFile(role=Role.MEDIA, path=str(media), bytes=(self._paths.root / media).stat().st_size)]
        landed += self._sidecars_of(placement.stem)
        manifest = _manifest(record_facts, placement, self._video, launch, engine, tuple(landed))
        self._write(manifest.model_copy(update={"committed": True}))
        return manifest

    def land_beside(self, manifest: Manifest, file: StagedFile, staging: Path) -> None:
        """Gives a staged file its final name beside a landed video, by one rename.

        Raises:
            LaunchError: Environment, the video's folder leads out of the claim.
        """
        stem = PurePosixPath(manifest.media.path).with_suffix("")
        target = self._paths.root / stem.with_name(stem.name + SUFFIXES[file.role])
        self._stay_inside(target.parent)
        self._files.sync_file(staging / file.name)
        self._files.move(staging / file.name, target)
        self._files.sync_folder(target.parent)

    def note_sidecar(self, manifest: Manifest, role: Role, launch: int) -> Manifest:
        """The manifest of a landed video with the sidecar of that role, where one stands beside the video.

        Others that stand there are none of ours: media servers write some, and people.
        """
        stem = PurePosixPath(manifest.media.path).with_suffix("")
        found = tuple(file for file in self._sidecars_of(stem) if file.role is role)
        if not found:
            return manifest
        noted = manifest.model_copy(update={"files": (*manifest.files, *found), "launch": launch})
        self._write(noted)
        return noted

    def publish(self, record: StagingRecord, staging: Path, placement: Placement, launch: int) -> Manifest:
        """Gives the staged files their final names.

        Raises:
            LaunchError: Environment, the library's folder leads out of the claim.
        """
        target = self._paths.root / placement.stem.parent
        self._stay_inside(target)
        staged = (*record.files, *self._write_nfo(record, staging, placement))
        for file in staged:
            self._files.sync_file(staging / file.name)
        self._files.sync_folder(staging)
        self._files.make_folder(target)
        self._stay_inside(target)
        self._files.sync_folder(target.parent)
        manifest = _manifest(
            record.facts,
            placement,
            self._video,
            launch,
            record.engine,
            tuple(
                LandedFile(role=file.role, path=str(_final_path(file, placement)), bytes=file.bytes, staged=file.name)
                for file in staged
            ),
        ).model_copy(update={"staging": staging.name, "times": record.times})
        self._write(manifest)
        return self._finish(manifest)

    def _sidecars_of(self, stem: PurePosixPath) -> list[LandedFile]:
        """The files that stand beside a media file and bear its stem, each with what it is for."""
        return [
            LandedFile(role=role, path=str(path.relative_to(self._paths.root)), bytes=path.stat().st_size)
            for path in siblings(self._paths.root, stem)
            for role, suffix in SUFFIXES.items()
            if fold(path.name) == fold(stem.name + suffix)
        ]

    def _finish(self, manifest: Manifest) -> Manifest:
        """Renames what is still staged, the media file last, and commits."""
        staging = self._paths.stagings / (manifest.staging or "")
        media_path = manifest.media.path
        for file in sorted(manifest.files, key=lambda file: file.role is Role.MEDIA):
            if file.staged is None:
                continue
            source, target = staging / file.staged, self._final(file)
            if file.role is Role.MEDIA:
                there = landed_media(self._paths.root, PurePosixPath(file.path).with_suffix(""))
                if there is not None:  # the same video by another Subscription, in whichever container
                    media_path = str(there)
                    continue
            if not source.exists() or (file.role in {Role.MEDIA, Role.SHOW_NFO} and target.exists()):
                continue  # the show's file by another video
            self._files.move(source, target)
        for folder in sorted({self._final(file).parent for file in manifest.files}):
            self._files.sync_folder(folder)
        media = {"path": media_path, "bytes": (self._paths.root / media_path).stat().st_size}
        finished = manifest.model_copy(
            update={
                "committed": True,
                "staging": None,
                "files": tuple(
                    file.model_copy(update=media) if file.role is Role.MEDIA else file for file in manifest.files
                ),
                "times": manifest.times.model_copy(update={"published": self._now()}),
            }
        )
        self._write(finished)
        if manifest.staging is not None:
            self._files.remove_tree(staging)
        return finished

    def _accounted_for(self, manifest: Manifest, file: LandedFile) -> bool:
        candidates = [self._final(file)]
        if file.staged is not None and manifest.staging is not None:
            candidates.append(self._paths.stagings / manifest.staging / file.staged)
        # Media servers write their own words into metadata files: only the media file must be as it was.
        sizes = [path.stat().st_size for path in candidates if path.is_file()]
        return file.bytes in sizes if file.role is Role.MEDIA else bool(sizes)

    def _write_nfo(self, record: StagingRecord, staging: Path, placement: Placement) -> list[StagedFile]:
        """The metadata files that need the episode's number."""
        if Sidecar.NFO not in record.media.sidecars:
            return []
        facts = record.facts
        documents: dict[Role, bytes] = {}
        if placement.number is None:
            documents[Role.NFO] = movie_nfo(facts)
        else:
            show = placement.folder.name
            documents[Role.SHOW_NFO] = show_nfo(title=show, studio=facts.channel)
            documents[Role.NFO] = episode_nfo(facts, show, placement.number)
        for role, document in documents.items():
            self._files.write(staging / role.value, document)
        return [StagedFile(role=role, name=role.value, bytes=len(text)) for role, text in documents.items()]

    def _write(self, manifest: Manifest) -> None:
        self._files.make_folder(self._manifest.parent)
        self._files.replace(self._manifest, encode(manifest))

    def _final(self, file: LandedFile) -> Path:
        return self._paths.root / file.path

    def _stay_inside(self, target: Path) -> None:
        root = os.path.realpath(self._paths.root)
        where = os.path.realpath(target)
        if os.path.commonpath([root, where]) != root:
            raise LaunchError(
                Reason.OUTSIDE_LIBRARY, f"spec.library leads to {target}, and that to {where}, outside the claim"
            )


def _final_path(file: StagedFile, placement: Placement) -> PurePosixPath:
    if file.role is Role.SHOW_NFO:
        return placement.folder / "tvshow.nfo"
    suffix = PurePosixPath(file.name).suffix.lower() if file.role is Role.MEDIA else SUFFIXES[file.role]
    return placement.stem.with_name(placement.stem.name + suffix)


def _manifest(  # the fields that both ways to a manifest share
    facts: VideoFacts, placement: Placement, video: VideoRef, launch: int, engine: str, files: tuple[LandedFile, ...]
) -> Manifest:
    number = placement.number
    return Manifest(
        key=video.key,
        extractor=facts.extractor,
        id=facts.id,
        url=facts.url,
        kind=video.kind,
        source=video.source,
        title=facts.title,
        published=facts.published,
        duration_seconds=None if facts.duration_seconds is None else round(facts.duration_seconds),
        launch=launch,
        season=None if number is None else number.season,
        episode=None if number is None else number.episode,
        files=files,
        engine=engine,
        times=StepTimes(),
    )
