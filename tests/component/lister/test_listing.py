"""What the lister lists: the real program with the real yt-dlp, against the stand-in."""

import asyncio

import pytest

from builders import NOON
from component.lister_harness import YOUTUBE, Lister, Listing, Standin
from trawler_downloader.contract.keys import source_key
from trawler_downloader.contract.listing import Kind
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.spec import Select
from trawler_operator.domain.checks.selection import new_entries, seen_entries, select_new
from trawler_operator.domain.ledger.ledger import Changes, Ledger

SEA = {"handle": "@sea", "title": "The Sea", "videos": 120}
SEA_VIDEOS = f"{YOUTUBE}/@sea/videos"
PLAYLIST = {"name": "p", "title": "Best of", "owner": "@sea", "from": "@sea", "order": "shuffled"}


async def test_a_check_with_nothing_new_costs_one_request(lister: Lister, standin: Standin) -> None:
    """Five known entries in a row end the walk on the first page."""
    standin.load(SEA)
    first = await lister.list(SEA_VIDEOS, newest=5)
    assert standin.asked == 1
    again = await lister.list(SEA_VIDEOS, newest=5, known=first.known())
    assert standin.asked == 1
    assert (again.end, again.requests) == ("stopped", 1)
    assert again.entries == first.entries[:5]


@pytest.mark.parametrize(
    ("newest", "listed", "requests", "end"),
    [
        pytest.param(1, 30, 1, "stopped", id="the newest: the rest of its page becomes known"),
        pytest.param(3, 30, 1, "stopped", id="the newest three"),
        pytest.param(5, 30, 1, "stopped", id="the newest five"),
        pytest.param(30, 30, 1, "stopped", id="exactly a page: the next one is not fetched"),
        pytest.param(31, 60, 2, "stopped", id="one more than a page"),
        pytest.param(52, 60, 2, "stopped", id="the default window"),
        pytest.param(120, 120, 4, "complete", id="exactly everything"),
        pytest.param(500, 120, 4, "complete", id="more than there is"),
    ],
)
async def test_a_first_run_looks_back_as_far_as_its_window(
    lister: Lister, standin: Standin, newest: int, listed: int, requests: int, end: str
) -> None:
    """A source that is not known yet is walked to the end of the page on which its window ends."""
    standin.load(SEA)
    listing = await lister.list(SEA_VIDEOS, newest=newest)
    assert (len(listing.entries), listing.requests, listing.end) == (listed, requests, end)
    assert standin.asked == requests


async def test_what_a_listing_says_of_a_channel_and_its_videos(lister: Lister, standin: Standin) -> None:
    """The source is named by the channel's id and title, the entries come newest first with what the page tells."""
    standin.load(SEA)
    channel = standin.site.catalogue.channel("@sea")
    newest = standin.site.catalogue.listing(channel.id, ("videos",))[0]
    listing = await lister.list(SEA_VIDEOS, newest=1)
    (source,) = listing.sources
    assert source.key == source_key("YoutubeTab", channel.id, "videos")
    assert (source.id, source.title, source.newest_first) == (channel.id, "The Sea", True)
    entry = listing.entries[0]
    assert (entry.key, entry.extractor, entry.id) == (f"youtube.{newest.id}", "Youtube", newest.id)
    assert (entry.url, entry.title) == (f"{YOUTUBE}/watch?v={newest.id}", newest.title)
    assert (entry.kind, entry.duration_seconds) == (Kind.VIDEO, newest.duration)
    assert entry.timestamp is not None


async def test_new_videos_are_found_and_the_walk_stops_below_them(lister: Lister, standin: Standin) -> None:
    """Later runs take everything new, however large the window."""
    standin.load(SEA)
    first = await lister.list(SEA_VIDEOS, newest=1)
    standin.publish("@sea", 40)
    later = await lister.list(SEA_VIDEOS, newest=1, known=first.known())
    fresh = [entry for entry in later.entries if entry.key not in first.known()[first.sources[0].key]]
    assert (len(fresh), len(later.entries), later.end) == (40, 45, "stopped")
    assert later.requests == 2


async def test_single_known_videos_among_new_ones_do_not_stop_the_walk(lister: Lister, standin: Standin) -> None:
    """Pinned, upcoming and members-only items break a tab's order: five in a row are needed."""
    standin.load(SEA)
    everything = await lister.list(SEA_VIDEOS, newest=120)
    keys = [entry.key for entry in everything.entries]
    known = (*keys[0:4], *keys[5:9], *keys[40:])
    later = await lister.list(SEA_VIDEOS, known={everything.sources[0].key: known})
    assert [entry.key for entry in later.entries] == keys[:45]


async def test_an_audit_walks_everything(lister: Lister, standin: Standin) -> None:
    """Whatever is known, and whatever the window is."""
    standin.load(SEA)
    first = await lister.list(SEA_VIDEOS, newest=120)
    audit = await lister.list(SEA_VIDEOS, newest=1, known=first.known(), audit=True)
    assert (len(audit.entries), audit.end) == (120, "complete")
    assert len((await lister.list(SEA_VIDEOS, newest=1, audit=True)).entries) == 120


async def test_a_page_that_fails_fails_the_listing(lister: Lister, standin: Standin) -> None:
    """40 new videos and page 2 down: the trailer says so, and the next check finds all 40."""
    standin.load(SEA)
    first = await lister.list(SEA_VIDEOS, newest=5)
    standin.publish("@sea", 40)
    standin.fault("status", status=500, endpoint="browse", page=2)
    failed = await lister.list(SEA_VIDEOS, known=first.known())
    assert (failed.end, failed.reason) == ("error", "ServerError")
    assert failed.trailer is not None
    assert failed.trailer.outcome is OutcomeClass.TRANSIENT
    standin.site.faults.remove()
    later = await lister.list(SEA_VIDEOS, known=first.known())
    assert len({entry.key for entry in later.entries} - set(first.known()[first.sources[0].key])) == 40


@pytest.mark.parametrize(
    ("fault", "outcome", "reason"),
    [
        pytest.param(
            {"kind": "incomplete", "page": 2}, OutcomeClass.TRANSIENT, "Truncated", id="a page without content"
        ),
        pytest.param({"kind": "status", "status": 429}, OutcomeClass.RATE_LIMITED, "RateLimited", id="rate limit"),
        pytest.param({"kind": "status", "status": 404}, OutcomeClass.TRANSIENT, "NotFound", id="no such channel"),
        pytest.param({"kind": "reset"}, OutcomeClass.TRANSIENT, "Unreachable", id="connections are cut"),
        pytest.param({"kind": "redirect_home"}, OutcomeClass.TERMINAL, "SourceGone", id="redirected to the home page"),
    ],
)
async def test_a_site_that_fails(
    lister: Lister, standin: Standin, fault: dict[str, object], outcome: OutcomeClass, reason: str
) -> None:
    """The trailer tells the class, the reason, and a sentence for people."""
    standin.load(SEA)
    standin.fault(**fault)  # type: ignore[arg-type]
    listing = await lister.list(SEA_VIDEOS, newest=120)
    assert listing.trailer is not None
    assert (listing.end, listing.trailer.outcome, listing.reason) == ("error", outcome, reason)
    assert listing.trailer.message


async def test_a_bare_channel_means_its_videos(lister: Lister, standin: Standin) -> None:
    """One request, although the channel has other tabs too."""
    standin.load({**SEA, "shorts": 3, "streams": 3})
    listing = await lister.list(f"{YOUTUBE}/@sea", newest=1)
    assert [source.key.rsplit(".", 1)[1] for source in listing.sources] == ["videos"]
    assert listing.requests == 1


async def test_each_wanted_tab_is_a_source_of_its_own(lister: Lister, standin: Standin) -> None:
    """Each with its own window and its own stop."""
    standin.load({**SEA, "shorts": 40, "streams": 2})
    channel = standin.site.catalogue.channel("@sea")
    first = await lister.list(f"{YOUTUBE}/@sea", newest=1, kinds=(Kind.SHORT, Kind.VIDEO))
    assert [source.key for source in first.sources] == [
        source_key("YoutubeTab", channel.id, tab) for tab in ("videos", "shorts")
    ]
    assert [entry.kind for entry in first.entries] == [Kind.VIDEO] * 30 + [Kind.SHORT] * 30
    assert first.requests == 2
    videos = {first.sources[0].key: first.known()[first.sources[0].key]}
    later = await lister.list(f"{YOUTUBE}/@sea", newest=1, kinds=(Kind.SHORT, Kind.VIDEO), known=videos)
    assert [entry.kind for entry in later.entries] == [Kind.VIDEO] * 5 + [Kind.SHORT] * 30


async def test_a_missing_tab_is_an_empty_listing(lister: Lister, standin: Standin) -> None:
    """A tab appears with its first video: until then there is nothing, and that is no error."""
    standin.load(SEA)
    listing = await lister.list(f"{YOUTUBE}/@sea", newest=1, kinds=(Kind.VIDEO, Kind.STREAM))
    assert (len(listing.sources), len(listing.entries), listing.end) == (1, 30, "stopped")
    empty = await lister.list(f"{YOUTUBE}/@sea/streams")
    assert (empty.sources, empty.entries, empty.end) == ([], [], "complete")


async def test_a_renamed_channel_is_the_same_source(lister: Lister, standin: Standin) -> None:
    """The key is made of the channel's id: what was known under the old handle is known under the new one."""
    standin.load(SEA)
    first = await lister.list(SEA_VIDEOS, newest=5)
    channel = standin.site.catalogue.channel("@sea")
    standin.load({**SEA, "handle": "@ocean", "id": channel.id})
    renamed = await lister.list(f"{YOUTUBE}/@ocean/videos", known=first.known())
    assert (renamed.sources[0].key, renamed.requests) == (first.sources[0].key, 1)
    assert (len(renamed.entries), renamed.end) == (5, "stopped")


async def test_a_playlist_is_walked_whole(lister: Lister, standin: Standin) -> None:
    """Its owner's order says nothing about what is new."""
    standin.load(
        SEA, playlists=({"name": "p", "title": "Best of", "owner": "@sea", "from": "@sea", "order": "shuffled"},)
    )
    playlist = standin.site.catalogue.playlists()[0]
    first = await lister.list(f"{YOUTUBE}/playlist?list={playlist.id}", newest=5)
    assert [entry.id for entry in first.entries] == list(playlist.video_ids)
    (source,) = first.sources
    assert (source.key, source.title, source.newest_first) == (source_key("YoutubeTab", playlist.id), "Best of", False)
    assert first.end == "complete"
    later = await lister.list(f"{YOUTUBE}/playlist?list={playlist.id}", newest=5, known=first.known())
    assert (len(later.entries), later.end) == (120, "complete")


async def test_a_playlist_tells_what_nobody_can_see_any_more(lister: Lister, standin: Standin) -> None:
    """YouTube says so in the place of the title, and tells no title; a video that is really called so is one."""
    published = [
        {"id": "aaaaaaaaaaa", "state": "private"},
        {"id": "bbbbbbbbbbb", "state": "removed"},
        {"id": "ccccccccccc", "title": "[Deleted video]"},
    ]
    standin.load({**SEA, "videos": 0, "published": published}, playlists=({**PLAYLIST, "order": "newest_first"},))
    playlist = standin.site.catalogue.playlists()[0]
    listing = await lister.list(f"{YOUTUBE}/playlist?list={playlist.id}")
    assert {entry.id: (entry.title, entry.availability) for entry in listing.entries} == {
        "aaaaaaaaaaa": (None, "private"),
        "bbbbbbbbbbb": (None, "removed"),
        "ccccccccccc": ("[Deleted video]", None),
    }


async def test_a_channels_uploads_playlist_is_newest_first(lister: Lister, standin: Standin) -> None:
    """Its window and its stop work as on a tab, and its prefix tells the kind."""
    standin.load({**SEA, "shorts": 120})
    channel = standin.site.catalogue.channel("@sea")
    url = f"{YOUTUBE}/playlist?list=UUSH{channel.id[2:]}"
    first = await lister.list(url, newest=5)
    assert first.sources[0].newest_first
    assert {entry.kind for entry in first.entries} == {Kind.SHORT}
    assert (len(first.entries), first.end) == (100, "stopped")
    later = await lister.list(url, newest=5, known=first.known())
    assert (len(later.entries), later.end) == (5, "stopped")


async def test_a_playlist_that_does_not_exist(lister: Lister, standin: Standin) -> None:
    """The site's own words become a reason."""
    standin.load(SEA)
    listing = await lister.list(f"{YOUTUBE}/playlist?list=PLnothing0000")
    assert (listing.end, listing.entries) == ("error", [])
    assert listing.reason in {"SourceGone", "NotFound"}


async def test_a_single_video_is_a_listing_of_one(lister: Lister, standin: Standin) -> None:
    """Listed once; when it is known, no request is made at all."""
    standin.load(SEA)
    channel = standin.site.catalogue.channel("@sea")
    video = standin.site.catalogue.listing(channel.id, ("videos",))[7]
    url = f"{YOUTUBE}/watch?v={video.id}"
    first = await lister.list(url)
    assert [source.key for source in first.sources] == [f"youtube.{video.id}"]
    assert [(entry.key, entry.title, entry.url) for entry in first.entries] == [
        (f"youtube.{video.id}", video.title, url)
    ]
    assert first.end == "complete"
    assert standin.asked > 0
    again = await lister.list(f"https://youtu.be/{video.id}", known=first.known())
    assert (again.requests, again.end, [entry.key for entry in again.entries]) == (
        0,
        "stopped",
        [f"youtube.{video.id}"],
    )
    assert standin.asked == 0


@pytest.mark.parametrize("state", ["private", "members_only", "age", "removed", "no_formats", "not_available"])
async def test_a_single_video_that_cannot_be_seen_is_listed_all_the_same(
    lister: Lister, standin: Standin, state: str
) -> None:
    """What is said of the video itself, its download says better: the listing only finds that there is one."""
    standin.load({**SEA, "videos": 0, "published": [{"id": "abcdefghijk", "state": state}]})
    listing = await lister.list(f"{YOUTUBE}/watch?v=abcdefghijk")
    assert ([entry.key for entry in listing.entries], listing.end) == (["youtube.abcdefghijk"], "complete")


async def test_a_single_video_of_a_site_that_asks_to_stop(lister: Lister, standin: Standin) -> None:
    """A bot check says nothing about the video: the listing fails and is tried again later."""
    standin.load({**SEA, "videos": 0, "published": [{"id": "abcdefghijk", "state": "bot_check"}]})
    listing = await lister.list(f"{YOUTUBE}/watch?v=abcdefghijk")
    assert (listing.end, listing.reason) == ("error", "BotCheck")


async def test_hostile_titles_arrive_as_they_are(lister: Lister, standin: Standin) -> None:
    """Line breaks and odd characters never break the lines of the protocol."""
    titles = ["..", "é" * 300, "a\nb\tc", "x\u202ey", '</script>"{}', "👩‍👩‍👧‍👦"]
    standin.load({**SEA, "videos": 0, "published": [{"title": title} for title in titles]})
    listing = await lister.list(SEA_VIDEOS)
    assert len(listing.entries) == len(titles)
    assert {"..", "é" * 300, "x\u202ey"} <= {entry.title for entry in listing.entries}


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("https://nothing.test/x", "UnsupportedUrl", id="a site that yt-dlp does not know"),
        pytest.param(
            "http://127.0.0.1:1/feed.rss", "UnsupportedUrl", id="any address, while the generic extractor is off"
        ),
        pytest.param("file:///etc/passwd", "UnsupportedUrl", id="a file"),
        pytest.param("ytsearch:sea", "UnsupportedUrl", id="a search"),
        pytest.param("not a url", "UnsupportedUrl", id="no URL"),
        pytest.param("https://[x/", "UnsupportedUrl", id="a host that cannot be read"),
        pytest.param(f"{YOUTUBE}/@sea/playlists", "UnsupportedUrl", id="a tab that lists no videos"),
    ],
)
async def test_a_url_that_cannot_be_listed(lister: Lister, standin: Standin, url: str, reason: str) -> None:
    """Waits for a changed Subscription; no request is made."""
    listing = await lister.list(url)
    assert listing.trailer is not None
    assert (listing.trailer.outcome, listing.reason) == (OutcomeClass.CONFIGURATION, reason)
    assert listing.requests == 0


async def test_an_unreachable_site(lister: Lister, standin: Standin) -> None:
    """Tried again later; the proxy's password is told to nobody."""
    listing = await lister.list(SEA_VIDEOS, proxy="http://me:secret@127.0.0.1:9")
    assert listing.trailer is not None
    assert (listing.trailer.outcome, listing.reason) == (OutcomeClass.TRANSIENT, "Unreachable")
    assert "secret" not in listing.trailer.to_json()


async def test_a_certificate_that_nobody_vouches_for(lister: Lister, standin: Standin) -> None:
    """Without the extra authority the connection is refused, and the message says what to do."""
    standin.load(SEA)
    listing = await lister.list(SEA_VIDEOS, ca_bundle=None)
    assert listing.trailer is not None
    assert (listing.trailer.outcome, listing.reason) == (OutcomeClass.CONFIGURATION, "TlsNotTrusted")
    assert "caBundleRef" in (listing.trailer.message or "")


async def test_a_broken_ca_bundle_is_named(lister: Lister, standin: Standin) -> None:
    """The field to mend is in the message."""
    listing = await lister.list(SEA_VIDEOS, ca_bundle="not a certificate")
    assert listing.trailer is not None
    assert (listing.trailer.outcome, listing.reason) == (OutcomeClass.CONFIGURATION, "CaBundleInvalid")


async def test_many_listings_at_once(lister: Lister, standin: Standin) -> None:
    """More than there are workers: they wait for their turn and all end well."""
    standin.load(SEA)
    listings = await asyncio.gather(*(lister.list(SEA_VIDEOS, newest=60) for _ in range(6)))
    assert [(len(listing.entries), listing.end) for listing in listings] == [(60, "stopped")] * 6


async def test_a_feed_when_the_generic_extractor_is_allowed(lister: Lister, standin: Standin) -> None:
    """Entries without an id of their own get the feed's, and plain addresses."""
    standin.load({**SEA, "videos": 7})
    channel = standin.site.catalogue.channel("@sea")
    newest = standin.site.catalogue.listing(channel.id, ("videos",))[0]
    listing = await lister.list(
        f"{standin.proxy}/feeds/sea.rss", proxy=None, allow_generic=True, allowed_cidrs=("127.0.0.1/32",)
    )
    assert (len(listing.entries), listing.end) == (7, "complete")
    assert listing.entries[0].key == f"generic.{newest.id}"
    assert listing.entries[0].url == f"{standin.proxy}/files/{newest.id}.mp4"
    assert (listing.sources[0].title, listing.sources[0].newest_first) == ("The Sea", False)


def write_down(ledger: Ledger, listing: Listing, newest: int) -> list[LedgerState]:
    """What the operator does with a listing; the states of the new videos."""
    sources = [
        (source, [entry for entry in listing.entries if entry.source == source.key]) for source in listing.sources
    ]
    found = select_new(sources, Select(newest=newest), ledger)
    started = {source.key: "now" for source in listing.sources}
    for changes in (
        lambda: Changes(new_entries(found.new, ledger.next_seq, NOON)),
        lambda: Changes(seen_entries(found.seen, ledger.active, ledger.next_seq), started),
    ):
        for place, write in enumerate(ledger.plan_writes(changes())):
            ledger.applied(write, f"{len(ledger)}.{place}")
    return [entry.state for entry in found.new]


async def test_videos_known_from_a_playlist_stop_the_walk_of_their_channel(lister: Lister, standin: Standin) -> None:
    """Once the channel's own first run has met them: a check with nothing new is one page again."""
    standin.load(SEA, playlists=(PLAYLIST,))
    playlist = standin.site.catalogue.playlists()[0]
    ledger = Ledger()
    write_down(ledger, await lister.list(f"{YOUTUBE}/playlist?list={playlist.id}", newest=120), 120)
    first = await lister.list(SEA_VIDEOS, newest=5, known=ledger.known_by_source(500))
    assert (write_down(ledger, first, 5), first.requests) == ([], 1)
    again = await lister.list(SEA_VIDEOS, newest=5, known=ledger.known_by_source(500))
    assert (len(again.entries), again.requests) == (5, 1)


async def test_an_old_video_of_a_playlist_does_not_open_its_channels_past(lister: Lister, standin: Standin) -> None:
    """The audit of the channel records its back catalogue; nothing of it is queued."""
    standin.load(SEA, playlists=({**PLAYLIST, "count": 1},))
    playlist = standin.site.catalogue.playlists()[0]
    ledger = Ledger()
    write_down(ledger, await lister.list(f"{YOUTUBE}/playlist?list={playlist.id}", newest=5), 5)
    write_down(ledger, await lister.list(SEA_VIDEOS, newest=5, known=ledger.known_by_source(500)), 5)
    audit = await lister.list(SEA_VIDEOS, newest=5, known=ledger.known_by_source(500), audit=True)
    assert set(write_down(ledger, audit, 5)) == {LedgerState.SKIPPED}
