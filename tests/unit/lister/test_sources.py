"""Which listings a URL means."""

import pytest

from trawler_downloader.contract.listing import Kind
from trawler_downloader.lister.sources import NotAListingError, Planned, plan_listings

SITE = "https://www.youtube.com"


@pytest.mark.parametrize(
    ("url", "kinds", "expected"),
    [
        pytest.param(f"{SITE}/@x", (), [f"{SITE}/@x/videos"], id="a bare handle means its videos"),
        pytest.param(f"{SITE}/@x/", (), [f"{SITE}/@x/videos"], id="a closing slash changes nothing"),
        pytest.param(f"{SITE}/@x/featured", (), [f"{SITE}/@x/videos"], id="the home tab is the channel"),
        pytest.param(f"{SITE}/channel/UC1?si=abc", (), [f"{SITE}/channel/UC1/videos"], id="by id, with a share mark"),
        pytest.param(f"{SITE}/c/x", (Kind.SHORT,), [f"{SITE}/c/x/shorts"], id="one kind"),
        pytest.param(
            "https://youtube.com/user/x",
            (Kind.STREAM, Kind.VIDEO),
            ["https://youtube.com/user/x/videos", "https://youtube.com/user/x/streams"],
            id="two kinds, in the page's order",
        ),
        pytest.param(f"{SITE}/@x/streams", (Kind.VIDEO,), [f"{SITE}/@x/streams"], id="a tab means that tab"),
        pytest.param(f"{SITE}/@x/Shorts?view=0", (), [f"{SITE}/@x/shorts"], id="a tab in capitals"),
        pytest.param(f"{SITE}/name", (), [f"{SITE}/name/videos"], id="an old direct name"),
        pytest.param(
            f"{SITE}/playlist?list=PL1", (Kind.SHORT,), [f"{SITE}/playlist?list=PL1"], id="a playlist stays as it is"
        ),
        pytest.param(f"{SITE}/hashtag/sea", (), [f"{SITE}/hashtag/sea"], id="a hashtag stays as it is"),
        pytest.param(
            "https://music.youtube.com/channel/UC1",
            (),
            ["https://music.youtube.com/channel/UC1"],
            id="music has own rules",
        ),
    ],
)
def test_a_channel_is_listed_by_its_tabs(url: str, kinds: tuple[Kind, ...], expected: list[str]) -> None:
    """Each wanted tab is one listing of its own; what is no channel is listed as it is."""
    assert expected == [planned.url for planned in plan_listings(url, kinds, is_channel=True)]


def test_a_tab_tells_the_kind() -> None:
    """What a tab lists is known without looking at the entries."""
    planned = plan_listings(f"{SITE}/@x", tuple(Kind), is_channel=True)
    assert [each.kind for each in planned] == [Kind.VIDEO, Kind.SHORT, Kind.STREAM]


def test_other_sites_are_left_alone() -> None:
    """Only what yt-dlp's tab extractor takes has tabs."""
    assert (Planned("https://video.test/@x"),) == plan_listings("https://video.test/@x", (), is_channel=False)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        pytest.param(f"{SITE}/@x/playlists", "/playlists", id="a tab of playlists"),
        pytest.param(f"{SITE}/@x/community", "/community", id="a tab of posts"),
        pytest.param(f"{SITE}/@x/live", "/live", id="what is live now is no list"),
        pytest.param("ftp://video.test/x", "http", id="another scheme"),
        pytest.param("ytsearch5:whales", "http", id="a search of yt-dlp's own"),
        pytest.param("file:///etc/passwd", "http", id="a file"),
        pytest.param("https:///x", "host", id="no host"),
        pytest.param("https://[x/", "host", id="a host that cannot be read"),
    ],
)
def test_what_cannot_be_subscribed_to_says_so(url: str, says: str) -> None:
    """The message names what is wrong with the URL."""
    with pytest.raises(NotAListingError, match=says):
        plan_listings(url, (), is_channel=True)
