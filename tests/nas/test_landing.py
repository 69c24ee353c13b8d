"""The whole landing on a NAS that misbehaves: it ends well, or it says why and the next launch ends well."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from component.landing import (
    EPISODE,
    KILLED,
    MEDIA,
    WHOLE,
    CountingFiles,
    FakeEngine,
    land,
    land_and_die,
    next_launch,
    request_for,
    tree,
)
from nas.faults import Faults
from nas.mount import mounted
from trawler_downloader.contract.download import Layout, LibraryPlace
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.files import Files
from trawler_downloader.download.staging import DEAD_AFTER_SECONDS, beat
from trawler_downloader.library.state import HEARTBEAT, ClaimPaths

REQUEST = request_for()
STRIDE = 15
"""Of the operations of a launch, every such one is tried with each trouble, each trouble beginning at another one."""

NFS = Faults(replays=True, no_links=True, fixed_attributes=True)
SMB = Faults(
    no_links=True,
    fixed_attributes=True,
    renumbers=True,
    folder_sync_fails=errno.EINVAL,
    fixed_names=True,
    refused='<>:"|?*\\',
)


@pytest.fixture(name="claim")
def _claim(nas):
    """A folder on the NAS as a claim of its own."""
    nas.heal()
    claim = nas.root / "claim"
    claim.mkdir()
    yield claim
    nas.heal()
    shutil.rmtree(nas.backing / "claim")


def leftovers(claim: Path) -> list[str]:
    """What no launch should leave behind for good."""
    found = [*ClaimPaths(claim, REQUEST.subscription).stagings.iterdir(), *claim.glob(".trawler.new-*")]
    return [str(path.relative_to(claim)) for path in [*found, *claim.rglob(".*.tmp")]]


def forget(claim: Path) -> None:
    """Makes everything that a dead launch left look as if it had been left long ago."""
    stagings = ClaimPaths(claim, REQUEST.subscription).stagings
    for folder in [*(stagings.iterdir() if stagings.is_dir() else ()), *claim.glob(".trawler.new-*")]:
        for path in (folder, folder / HEARTBEAT):
            if path.exists():
                os.utime(path, (1, 1))


def assert_landed_once(claim: Path) -> None:
    assert tree(claim) == WHOLE
    assert (claim / f"{EPISODE}.mp4").read_bytes() == MEDIA
    if leftovers(claim):  # who only finishes what is there sweeps nothing: the Subscription's next download does
        land(request_for("bbbbbbbbbbb", launch=99), claim, FakeEngine(video_id="bbbbbbbbbbb"))
    assert leftovers(claim) == []


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(Faults(no_links=True), id="no hard links"),
        pytest.param(Faults(fixed_attributes=True), id="no chmod, chown and utime"),
        pytest.param(Faults(replays=True), id="answers that got lost"),
        pytest.param(Faults(replays=True, renumbers=True), id="answers that got lost and new inode numbers"),
        pytest.param(Faults(folder_sync_fails=errno.EINVAL), id="folders that cannot be synced"),
        pytest.param(Faults(folder_sync_fails=errno.ENOTSUP), id="folders that cannot be synced, in other words"),
        pytest.param(Faults(fixed_names=True), id="names without case"),
        pytest.param(Faults(no_numbers=True), id="no numbers of free space"),
        pytest.param(Faults(clock_ahead=86_400), id="a clock that is a day ahead"),
        pytest.param(Faults(clock_ahead=-86_400), id="a clock that is a day behind"),
        pytest.param(NFS, id="all that NFS does"),
        pytest.param(SMB, id="all that SMB does"),
    ],
)
def test_a_peculiar_nas_is_as_good_as_a_disk(nas, claim, faults):
    nas.behave(faults)
    assert land(REQUEST, claim).reason == "Published"
    assert_landed_once(claim)
    assert land(next_launch(REQUEST), claim).reason == "AlreadyPublished"
    assert_landed_once(claim)


class Switching(Files):
    """The NAS begins to misbehave right before the operation of that number (from 0)."""

    def __init__(self, nas, faults: Faults, before: int) -> None:
        self.nas, self.faults, self.left = nas, faults, before

    def step(self, operation, path):
        if self.left == 0:
            self.nas.behave(self.faults)
        self.left -= 1


@dataclass(frozen=True)
class Trouble:
    faults: Faults
    reason: str


TROUBLES = {
    "a full disk": Trouble(Faults(room=0), "NoSpace"),
    "a disk with room for a little": Trouble(Faults(room=700), "NoSpace"),
    "a quota": Trouble(Faults(room=0, full=errno.EDQUOT), "NoSpace"),
    "a mount that became read-only": Trouble(Faults(read_only=True), "ReadOnly"),
    "a disk that broke": Trouble(Faults(broken=True), "VolumeError"),
    "handles that the server lost": Trouble(Faults(stale_handles=True), "StaleVolume"),
    "a disk that is full at fsync": Trouble(Faults(fsync_fails=errno.ENOSPC), "NoSpace"),
    "a disk that breaks at fsync": Trouble(Faults(fsync_fails=errno.EIO), "VolumeError"),
    "a quota at close": Trouble(Faults(close_fails=errno.EDQUOT), "NoSpace"),
    "a disk that breaks at close": Trouble(Faults(close_fails=errno.EIO), "VolumeError"),
    "a full disk that loses answers": Trouble(Faults(room=0, replays=True), "NoSpace"),
}


def operations_of_a_launch(claim: Path) -> int:
    files = CountingFiles()
    land(REQUEST, claim, FakeEngine(), files)
    return len(files.operations)


@pytest.mark.parametrize("number", range(len(TROUBLES)), ids=list(TROUBLES))
def test_trouble_at_any_moment_is_told_and_the_next_launch_lands(nas, claim, number):
    """No media file has its final name before it is whole, and none ever twice."""
    trouble = list(TROUBLES.values())[number]
    operations = operations_of_a_launch(claim)
    told = set()
    for point in range(number % STRIDE, operations, STRIDE):
        for path in claim.iterdir():
            shutil.rmtree(path)
        try:
            land(REQUEST, claim, FakeEngine(), Switching(nas, trouble.faults, point))
        except LaunchError as error:
            told.add((error.outcome, error.reason))
        nas.heal()
        media = [name for name in tree(claim) if name.endswith(".mp4")]
        assert all((claim / name).read_bytes() == MEDIA for name in media), point
        forget(claim)
        assert land(next_launch(REQUEST), claim).path == f"{EPISODE}.mp4", point
        assert_landed_once(claim)
    assert told == {(OutcomeClass.ENVIRONMENT, trouble.reason)}


@pytest.mark.parametrize("faults", [pytest.param(NFS, id="NFS"), pytest.param(SMB, id="SMB")])
def test_a_launch_that_is_killed_on_a_peculiar_nas_is_finished_by_the_next(nas, claim, faults):
    operations = operations_of_a_launch(claim)
    nas.behave(faults)
    for point in range(0, operations, STRIDE):
        shutil.rmtree(claim, ignore_errors=True)
        shutil.rmtree(nas.backing / "claim", ignore_errors=True)
        (nas.backing / "claim").mkdir()
        assert land_and_die(REQUEST, claim, FakeEngine(), point) == KILLED
        media = [name for name in tree(claim) if name.endswith(".mp4")]
        assert all((claim / name).read_bytes() == MEDIA for name in media), point
        forget(nas.backing / "claim")
        assert land(next_launch(REQUEST), claim).path == f"{EPISODE}.mp4", point
        assert_landed_once(claim)


@pytest.mark.parametrize("point", [0, 20, 45, 70])
def test_a_nas_that_vanishes_is_told_and_its_next_launch_lands(tmp_path, point):
    """Its server was switched off; the mount stays, without a connection."""

    class Vanishing(Files):
        left = point

        def step(self, operation, path):
            if self.left == 0:
                nas.vanish()
            self.left -= 1

    with mounted(tmp_path) as nas:
        with pytest.raises(LaunchError) as raised:
            land(REQUEST, nas.root, FakeEngine(), Vanishing())
        assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, "StaleVolume")
        nas.unmount()
        nas.mount()
        forget(nas.root)
        assert land(next_launch(REQUEST), nas.root).path == f"{EPISODE}.mp4"
        assert_landed_once(nas.root)


def test_a_download_that_fills_the_disk_ends_without_a_trace(nas, claim):
    """The engine writes more than there is room for."""
    nas.behave(Faults(room=len(MEDIA) // 2))
    with pytest.raises(LaunchError) as raised:
        land(REQUEST, claim)
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, "NoSpace")
    assert tree(claim) == []
    assert leftovers(claim) == []
    nas.heal()
    land(next_launch(REQUEST), claim)
    assert_landed_once(claim)


def test_a_tool_that_fails_on_a_full_disk_without_saying_so_is_seen_through(nas, claim):
    """The last words of ffmpeg are `Conversion failed!`."""
    staging = ClaimPaths(claim, REQUEST.subscription).stagings / "1-pod-one-1"

    def fill() -> None:
        with pytest.raises(OSError, match="No space"):
            (staging / "merged").write_bytes(bytes(2**20))
        raise LaunchError(Reason.UNKNOWN, "Postprocessing: Conversion failed!")

    nas.behave(Faults(room=2**19))
    with pytest.raises(LaunchError) as raised:
        land(REQUEST, claim, FakeEngine(before_fetch=fill))
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, "NoSpace")
    assert leftovers(claim) == []


def test_too_little_room_is_seen_before_the_site_is_asked(nas, claim):
    nas.behave(Faults(room=2**20))
    engine = FakeEngine(failure=LaunchError(Reason.UNKNOWN, "the site was asked"))
    with pytest.raises(LaunchError, match=r"must stay free \(spec.library.minFree\)") as raised:
        land(REQUEST.model_copy(update={"min_free_bytes": 2**30}), claim, engine)
    assert raised.value.reason == "BelowMinFree"


def test_a_video_too_large_for_the_nas_is_not_downloaded(nas, claim):
    nas.behave(Faults(room=2**20))
    downloads = nas.root / "downloads"
    with pytest.raises(LaunchError, match=r"1.0 GiB") as raised:
        land(REQUEST, claim, FakeEngine(announced=2**30, counter=downloads))
    assert raised.value.reason == "NotEnoughSpace"
    assert not downloads.exists()


def test_videos_that_differ_in_case_only_are_two_files(nas, claim):
    """Two ids and two titles that are one name to the server."""
    nas.behave(SMB)
    place = LibraryPlace(layout=Layout.FLAT)
    for video_id, title in (("aaaaaaaaaaa", "A title"), ("AAAAAAAAAAA", "A TITLE")):
        land(request_for(video_id, place=place), claim, FakeEngine(video_id=video_id, title=title))
    media = [name for name in tree(claim) if name.endswith(".mp4")]
    assert media == ["A channel/A TITLE [AAAAAAAAAAA] 2.mp4", "A channel/A title [aaaaaaaaaaa].mp4"]
    assert all((claim / name).read_bytes() == MEDIA for name in media)


def test_a_channel_that_changed_its_case_goes_on_in_its_folder(nas, claim):
    nas.behave(SMB)
    land(REQUEST, claim)
    second = request_for("bbbbbbbbbbb")
    result = land(second, claim, FakeEngine(video_id="bbbbbbbbbbb", channel="A CHANNEL"))
    assert (claim / str(result.path)).read_bytes() == MEDIA
    assert (claim / "A channel" / Path(str(result.path)).relative_to("A CHANNEL")).is_file()
    assert sorted(path.name for path in claim.iterdir()) == [".trawler", "A channel"]


@pytest.mark.parametrize("layout", list(Layout))
@pytest.mark.parametrize("title", ['What? "This": <a|b> *c*', "The end...", "AUX", "\u202egnp.exe ", "é" * 300])
def test_a_server_with_rules_for_names_takes_every_title(nas, claim, title, layout):
    nas.behave(SMB)
    result = land(request_for(place=LibraryPlace(layout=layout)), claim, FakeEngine(title=title, channel=title))
    assert (claim / str(result.path)).read_bytes() == MEDIA


def test_a_name_that_the_server_refuses_all_the_same_is_this_videos_trouble(nas, claim):
    """A mount with a character set that lacks its characters; once that is mended, nothing is downloaded again."""
    downloads = nas.root / "downloads"
    nas.behave(Faults(refused="🐟"))
    with pytest.raises(LaunchError, match="character set") as raised:
        land(REQUEST, claim, FakeEngine(title="🐟", counter=downloads))
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, "NameRefused")
    nas.heal()
    result = land(next_launch(REQUEST), claim, FakeEngine(title="🐟", counter=downloads))
    assert (claim / str(result.path)).read_bytes() == MEDIA
    assert len(downloads.read_text().split()) == 1
    downloads.unlink()


@pytest.mark.parametrize("ahead", [0, 86_400, -86_400])
def test_dead_staging_is_told_from_living_by_the_servers_clock(nas, claim, ahead):
    nas.behave(Faults(clock_ahead=ahead))
    land(REQUEST, claim)
    stagings = ClaimPaths(claim, REQUEST.subscription).stagings
    ages = {"7-dead": DEAD_AFTER_SECONDS + 60, "8-slow": DEAD_AFTER_SECONDS - 60, "9-alive": 0}
    for name, age in ages.items():
        (stagings / name).mkdir()
        beat(stagings / name / HEARTBEAT)
        then = (nas.backing / (stagings / name / HEARTBEAT).relative_to(nas.root)).stat().st_mtime - age
        os.utime(nas.backing / (stagings / name / HEARTBEAT).relative_to(nas.root), (then, then))
    land(request_for("bbbbbbbbbbb", launch=10), claim)
    assert sorted(path.name for path in stagings.iterdir()) == ["8-slow", "9-alive"]


def test_the_files_of_a_launch_need_no_room_twice(nas, claim):
    """Publishing renames: with the room that one copy takes it ends well."""
    land(REQUEST, claim)
    used = sum(path.stat().st_size for path in claim.rglob("*") if path.is_file())
    for path in claim.iterdir():
        shutil.rmtree(path)
    nas.behave(Faults(room=used + 4096))
    assert land(REQUEST, claim).reason == "Published"
    assert_landed_once(claim)
