"""Names that are all taken: what then becomes of a download, and how it goes on. Without a site, as in the landing."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from component.landing import FakeEngine, land, launch_of, next_launch, request_for, take_all_names, tree
from trawler_downloader.contract.download import Layout, LibraryPlace
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError
from trawler_downloader.download.reservations import MAX_UPLOADS_PER_DAY
from trawler_downloader.library.layouts import EpisodeNumber, reservation_name


@pytest.mark.parametrize("layout", list(Layout))
def test_a_video_all_of_whose_names_are_taken_waits_for_one(tmp_path: Path, layout: Layout) -> None:
    """By files that are not ours: they stay as they are, and what was downloaded is kept until one of them goes."""
    claim, downloads = tmp_path / "claim", tmp_path / "downloads"
    claim.mkdir()
    engine = FakeEngine(counter=downloads)
    request = request_for(place=LibraryPlace(layout=layout))
    taken = take_all_names(claim, request, engine)
    before = tree(claim)

    with pytest.raises(LaunchError, match="A channel: all names for 'A title' are taken") as raised:
        land(request, claim, engine)
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, Reason.NO_FREE_NAME)
    assert tree(claim) == before
    assert {path.read_text() for path in taken} == {"mine"}

    taken[50].unlink()
    landed = land(next_launch(request), claim, engine)
    assert (landed.reason, landed.path) == ("Published", str(taken[50].relative_to(claim).with_suffix(".mp4")))
    assert len(downloads.read_text().split()) == 1


def test_a_day_all_of_whose_episode_numbers_are_taken(tmp_path: Path) -> None:
    """As many uploads as have a number of four digits; the message names the day."""
    engine = FakeEngine()
    launch = launch_of(request_for(), tmp_path, engine)
    reservations = launch.reservations(PurePosixPath(engine.channel))
    for index in range(1, MAX_UPLOADS_PER_DAY):
        label = EpisodeNumber(engine.published, index).label
        path = launch.paths.reservation(reservation_name("episode", engine.channel, label))
        path.parent.mkdir(parents=True)
        path.write_text(f'{{"video": "youtube.other{index}"}}')

    with pytest.raises(LaunchError, match="A channel: all episode numbers of 2024-12-25 are taken") as raised:
        reservations.claim(engine.describe())
    assert (raised.value.outcome, raised.value.reason) == (OutcomeClass.ENVIRONMENT, Reason.NO_FREE_NAME)
