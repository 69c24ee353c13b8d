"""What lands where, who shares what, and what is left alone. Without a site: the engine's answers are given."""

from __future__ import annotations

import json
import threading
from datetime import date
from hashlib import sha256

import pytest

from component.landing import (
    KILLED,
    MEDIA,
    CountingFiles,
    FakeEngine,
    land,
    land_and_die,
    launch_of,
    next_launch,
    request_for,
    tree,
)
from trawler_downloader.contract.download import Layout, LibraryPlace, MediaType, MediaWish, Sidecar
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download import program
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.library.layouts import reservation_name
from trawler_downloader.library.manifest import decode_manifest
from trawler_downloader.library.state import ClaimPaths

PLAIN = MediaWish()


def plain(video_id="aaaaaaaaaaa", **fields):
    """A request without sidecars, so that a tree is short."""
    return request_for(video_id, media=PLAIN, **fields)


def bare(video_id="aaaaaaaaaaa", **fields):
    """An engine that makes no sidecars."""
    engine = FakeEngine(video_id=video_id, **fields)
    engine.sidecars = lambda _folder, _wanted: ()
    return engine


def manifest(root, request):
    path = ClaimPaths(root, request.subscription).manifest(request.video.key)
    return decode_manifest(path.read_bytes())


def test_a_manifest_tells_all_about_a_landed_video(tmp_path):
    request = request_for()
    result = land(request, tmp_path)
    told = manifest(tmp_path, request)
    assert told.committed
    assert (told.season, told.episode, told.launch) == (24, 1225, 1)
    assert told.media.path == result.path == "A channel/Season 24/A title (S24E1225).mp4"
    assert sorted(file.path for file in told.files) == tree(tmp_path)
    assert all((tmp_path / file.path).stat().st_size == file.bytes for file in told.files)
    assert told.staging is None


def test_the_state_folder_is_hidden_from_media_servers(tmp_path):
    land(plain(), tmp_path, bare())
    assert sorted(path.name for path in (tmp_path / ".trawler").iterdir()) == [
        ".ignore",
        ".plexignore",
        "names",
        "tv.one",
        "volume-id",
    ]


def test_a_sidecar_that_is_not_wanted_is_not_made(tmp_path):
    land(request_for(media=MediaWish(sidecars=(Sidecar.NFO,))), tmp_path, bare())
    assert tree(tmp_path) == [
        "A channel/Season 24/A title (S24E1225).mp4",
        "A channel/Season 24/A title (S24E1225).nfo",
        "A channel/tvshow.nfo",
    ]


def test_a_flat_folder_has_no_seasons_and_no_show(tmp_path):
    place = LibraryPlace(path="tim/kids", layout=Layout.FLAT, folder="Mine")
    land(request_for(place=place, media=MediaWish(sidecars=(Sidecar.NFO,))), tmp_path, bare())
    assert tree(tmp_path) == ["tim/kids/Mine/A title [aaaaaaaaaaa].mp4", "tim/kids/Mine/A title [aaaaaaaaaaa].nfo"]


def test_the_show_file_of_a_folder_is_left_as_it_is(tmp_path):
    """A person may have written it."""
    (tmp_path / "A channel").mkdir()
    (tmp_path / "A channel/tvshow.nfo").write_text("mine")
    land(request_for(), tmp_path)
    assert (tmp_path / "A channel/tvshow.nfo").read_text() == "mine"


def test_later_uploads_of_a_day_are_numbered(tmp_path):
    for video_id in ("aaaaaaaaaaa", "bbbbbbbbbbb", "ccccccccccc"):
        land(plain(video_id), tmp_path, bare(video_id))
    assert tree(tmp_path) == [
        "A channel/Season 24/A title (S24E1225).mp4",
        "A channel/Season 24/A title (S24E122502).mp4",
        "A channel/Season 24/A title (S24E122503).mp4",
    ]


def test_a_number_never_changes(tmp_path):
    """Neither when the file is gone and fetched again, nor when the site changed the title."""
    land(plain("bbbbbbbbbbb"), tmp_path, bare("bbbbbbbbbbb"))
    first = land(plain(), tmp_path, bare())
    assert first.path is not None
    (tmp_path / first.path).unlink()
    again = land(next_launch(plain()), tmp_path, bare(title="Another title"))
    assert (again.reason, again.path) == ("Published", first.path)


def test_two_launches_at_the_same_moment_take_different_numbers(tmp_path):
    """Eight videos of one day with one title."""
    ids = [f"aaaaaaaaaa{n}" for n in range(8)]
    together = threading.Barrier(len(ids))
    results = {}

    def one(video_id):
        engine = bare(video_id, before_fetch=together.wait)
        results[video_id] = land(plain(video_id, subscription=video_id), tmp_path, engine)

    threads = [threading.Thread(target=one, args=(video_id,)) for video_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({result.path for result in results.values()}) == len(ids)
    assert len(tree(tmp_path)) == len(ids)
    assert len({result.volume_id for result in results.values()}) == 1


def test_one_video_of_two_subscriptions_in_one_folder_is_one_file(tmp_path):
    """The second one downloads nothing, and both manifests name the file."""
    downloads = tmp_path / "downloads"
    claim = tmp_path / "claim"
    claim.mkdir()
    one, two = request_for(subscription="one"), request_for(subscription="two")
    first = land(one, claim, FakeEngine(counter=downloads))
    second = land(two, claim, FakeEngine(counter=downloads, title="A title that was changed since"))
    assert (first.reason, second.reason) == ("Published", "AlreadyPublished")
    assert first.path == second.path == manifest(claim, two).media.path
    assert manifest(claim, two).committed
    assert {file.role for file in manifest(claim, two).files} == {file.role for file in manifest(claim, one).files} - {
        "ShowNfo"
    }
    assert len(downloads.read_text().split()) == 1


def test_one_video_of_two_subscriptions_that_download_at_once_is_one_file(tmp_path):
    """Whoever is later finds the file and takes it for its own."""
    one, two = plain(subscription="one"), plain(subscription="two")
    slow, quick = launch_of(one, tmp_path, bare()), launch_of(two, tmp_path, bare())
    assert program.fetch(slow) is None
    assert program.run(quick).reason == "Published"
    late = program.publish(slow)
    assert (late.reason, late.path) == ("AlreadyPublished", "A channel/Season 24/A title (S24E1225).mp4")
    assert tree(tmp_path) == ["A channel/Season 24/A title (S24E1225).mp4"]


def test_one_video_of_two_subscriptions_in_two_folders_is_two_files(tmp_path):
    land(plain(subscription="one"), tmp_path, bare())
    result = land(plain(subscription="two", place=LibraryPlace(folder="Other")), tmp_path, bare())
    assert result.reason == "Published"
    assert tree(tmp_path) == [
        "A channel/Season 24/A title (S24E1225).mp4",
        "Other/Season 24/A title (S24E1225).mp4",
    ]


def test_sound_and_picture_of_one_video_are_two_files(tmp_path):
    land(plain(), tmp_path, bare())
    wish = MediaWish(type=MediaType.AUDIO)
    land(request_for(subscription="two", media=wish), tmp_path, bare(suffix=".m4a"))
    assert tree(tmp_path) == [
        "A channel/Season 24/A title (S24E1225).mp4",
        "A channel/Season 24/A title (S24E122502).m4a",
    ]


def test_a_file_that_is_not_ours_is_never_replaced(tmp_path):
    """It keeps its name in whatever case it is written, and the video gets one with its id."""
    season = tmp_path / "A channel/Season 24"
    season.mkdir(parents=True)
    (season / "A TITLE (S24E1225).mkv").write_text("mine")
    land(plain(), tmp_path, bare())
    assert (season / "A TITLE (S24E1225).mkv").read_text() == "mine"
    assert (season / "A title (S24E1225) [aaaaaaaaaaa].mp4").read_bytes() == MEDIA


def test_a_file_that_appears_while_ours_is_staged_is_not_replaced(tmp_path):
    """A person copied one to the very name that was claimed: it stays, and is taken for the video."""
    launch = launch_of(plain(), tmp_path, bare())
    program.fetch(launch)
    season = tmp_path / "A channel/Season 24"
    season.mkdir(parents=True)
    placement = launch.reservations(season.parent.relative_to(tmp_path)).claim(FakeEngine().describe())
    (tmp_path / f"{placement.stem}.mp4").write_text("mine")
    program.publish(launch)
    assert (tmp_path / f"{placement.stem}.mp4").read_text() == "mine"


@pytest.mark.parametrize("title", ["..", "é" * 300, "🐟" * 200, "a/b/../../c", "\u202egnp.exe", "", ".hidden", "CON"])
@pytest.mark.parametrize("layout", list(Layout))
def test_every_title_lands_under_the_root(tmp_path, title, layout):
    """All sidecars too: the longest suffix fits."""
    claim = tmp_path / "claim"
    claim.mkdir()
    result = land(request_for(place=LibraryPlace(layout=layout)), claim, FakeEngine(title=title, channel=".."))
    assert result.path is not None
    assert (claim / result.path).read_bytes() == MEDIA
    assert list(tmp_path.iterdir()) == [claim]
    assert all(len(part.encode()) <= 255 for name in tree(claim) for part in name.split("/"))


def test_a_folder_that_leads_out_of_the_claim_is_refused(tmp_path):
    """A symbolic link on the volume."""
    claim, outside = tmp_path / "claim", tmp_path / "outside"
    claim.mkdir()
    outside.mkdir()
    (claim / "A channel").symlink_to(outside)
    with pytest.raises(LaunchError) as raised:
        land(plain(), claim, bare())
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, "OutsideLibrary")
    assert list(outside.iterdir()) == []


def test_a_library_path_out_of_the_root_names_the_field(tmp_path):
    with pytest.raises(LaunchError, match=r"library\.path") as raised:
        land(plain(place=LibraryPlace(path="../other")), tmp_path, bare())
    assert raised.value.reason is Reason.LIBRARY_PATH_INVALID


def test_an_unreadable_manifest_is_left_alone(tmp_path):
    """What it says is unknown: downloading again could make a second file."""
    request = plain()
    land(request, tmp_path, bare())
    path = ClaimPaths(tmp_path, request.subscription).manifest(request.video.key)
    path.write_text("{")
    with pytest.raises(LaunchError, match=str(path)) as raised:
        land(next_launch(request), tmp_path, bare())
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, "ManifestUnreadable")
    assert path.read_text() == "{"


def test_an_uncommitted_manifest_whose_files_are_gone_is_given_up(tmp_path):
    """Somebody emptied the staging folder: the video is fetched anew, under the same name."""
    request = plain()
    land(request, tmp_path, bare())
    path = ClaimPaths(tmp_path, request.subscription).manifest(request.video.key)
    told = json.loads(path.read_text())
    told |= {"committed": False, "staging": "1-gone"}
    told["files"][0]["staged"] = "media/gone.mp4"
    path.write_text(json.dumps(told))
    (tmp_path / told["files"][0]["path"]).unlink()
    assert land(next_launch(request), tmp_path, bare()).reason == "Published"
    assert tree(tmp_path) == ["A channel/Season 24/A title (S24E1225).mp4"]


def test_a_failed_download_leaves_no_file_and_says_why(tmp_path):
    failure = LaunchError(Reason.VIDEO_REMOVED, "gone")
    with pytest.raises(LaunchError, match="gone"):
        land(plain(), tmp_path, bare(failure=failure))
    assert tree(tmp_path) == []


def test_another_wish_does_not_take_what_was_fetched_for_the_first(tmp_path):
    """A staged file of the old wish is not published for the new one."""
    program.fetch(launch_of(plain(), tmp_path, bare()))
    other = request_for(launch=2, media=MediaWish(container="mkv"))
    land(other, tmp_path, bare(suffix=".mkv"))
    assert tree(tmp_path) == ["A channel/Season 24/A title (S24E1225).mkv"]


def test_dates_before_and_after_the_century(tmp_path):
    land(plain(), tmp_path, bare(published=date(1999, 1, 2)))
    assert tree(tmp_path) == ["A channel/Season 99/A title (S99E0102).mp4"]


def test_a_folder_keeps_the_case_that_it_was_made_with(tmp_path):
    """The channel was renamed from `A channel` to `A CHANNEL`, and the video's file is gone: it lands where it was."""
    first = land(request_for(), tmp_path)
    for path in (tmp_path / "A channel").rglob("*.mp4"):
        path.unlink()
    again = land(next_launch(request_for()), tmp_path, FakeEngine(channel="A CHANNEL"))
    assert (again.reason, again.path) == ("Published", first.path)
    assert {name.split("/")[0] for name in tree(tmp_path)} == {"A channel"}


def age_reservation(root, video_id):
    """The name that older releases gave to a video's own reservation: without a hash of the video."""
    reservation, layout, folder = ClaimPaths(root, plain().subscription).reservation, Layout.SHOW.value, "A channel"
    key = f"youtube.{video_id}"
    present = reservation(reservation_name("video", folder, layout, sha256(key.encode()).hexdigest())).parent
    old = reservation(reservation_name("video", folder, layout, key)).parent
    old.parent.mkdir(exist_ok=True)
    present.rename(old)


def test_a_reservation_of_an_older_release_counts(tmp_path):
    """The video has got another title since: another Subscription finds it where it is."""
    first = land(plain(), tmp_path, bare())
    age_reservation(tmp_path, "aaaaaaaaaaa")
    second = land(plain(subscription="other"), tmp_path, bare(title="Another title"))
    assert (second.reason, second.path) == ("AlreadyPublished", first.path)
    assert tree(tmp_path) == [first.path]


def test_a_reservation_of_an_older_release_may_be_another_videos(tmp_path):
    """Ids that differ in case alone shared its name: the video gets a place of its own."""
    first = land(plain(), tmp_path, bare())
    age_reservation(tmp_path, "aaaaaaaaaaa")
    second = land(plain("AAAAAAAAAAA"), tmp_path, bare("AAAAAAAAAAA", title="Another title"))
    assert second.reason == "Published"
    assert tree(tmp_path) == sorted([first.path, second.path])


def test_a_reservation_that_was_broken_by_hand_is_left_to_a_person(tmp_path):
    """A new one would give the video a second name."""
    first = land(plain(), tmp_path, bare())
    (tmp_path / str(first.path)).unlink()
    for path in (tmp_path / ".trawler/names").rglob("claim.json"):
        path.write_text("{")
    with pytest.raises(LaunchError) as raised:
        land(next_launch(plain()), tmp_path, bare())
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, "ReservationUnreadable")


def test_what_a_failed_download_leaves_is_removed_at_once(tmp_path):
    """On a full volume the next try needs the room."""

    def fail():
        raise LaunchError(Reason.SERVER_ERROR, "no")

    with pytest.raises(LaunchError):
        land(plain(), tmp_path, bare(before_fetch=fail))
    assert list(ClaimPaths(tmp_path, plain().subscription).stagings.iterdir()) == []


def test_metadata_that_a_media_server_rewrote_does_not_cost_the_download(tmp_path):
    """The launch dies before the media file has its name, and the show's file changes before the next one."""
    claim, downloads = tmp_path / "claim", tmp_path / "downloads"
    claim.mkdir()
    counted = CountingFiles()
    (tmp_path / "counted").mkdir()
    land(request_for(), tmp_path / "counted", FakeEngine(), counted)
    point = counted.operations.index(("rename", "A title (S24E1225).mp4"))
    assert land_and_die(request_for(), claim, FakeEngine(counter=downloads), point) == KILLED
    (claim / "A channel/tvshow.nfo").write_text("rewritten")
    result = land(next_launch(request_for()), claim, FakeEngine(counter=downloads))
    assert (claim / str(result.path)).read_bytes() == MEDIA
    assert (claim / "A channel/tvshow.nfo").read_text() == "rewritten"
    assert len(downloads.read_text().split()) == 1


def test_videos_whose_ids_differ_in_case_only_are_two_videos(tmp_path):
    """Also in one folder, of two Subscriptions."""
    for subscription, video_id in (("one", "abcdefghijk"), ("two", "ABCDEFGHIJK")):
        land(plain(video_id, subscription=subscription), tmp_path, bare(video_id))
    assert tree(tmp_path) == [
        "A channel/Season 24/A title (S24E1225).mp4",
        "A channel/Season 24/A title (S24E122502).mp4",
    ]
