"""Which listed videos become work: first run, later checks, playlists, back catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from builders import NOON, entry_line, ledger_entry, source_line
from trawler_downloader.contract.listing import REMOVED, EntryLine, Kind, SourceLine
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.spec import Select
from trawler_operator.domain.checks.selection import NewEntry, Selection, new_entries, seen_entries, select_new
from trawler_operator.domain.ledger.entry import Found, Sighting

VIDEOS = source_line("youtubetab.UCnumber.videos")
STREAMS = source_line("youtubetab.UCnumber.streams")
PLAYLIST = source_line("youtubetab.PLnumber", newest_first=False)
PENDING, SKIPPED = LedgerState.PENDING, LedgerState.SKIPPED


@dataclass
class Known:
    """A ledger: names of one letter each by the source that listed them, and names that no source has as a mark."""

    by_source: dict[str, str] = field(default_factory=dict)
    unmarked: str = ""
    sources: tuple[str, ...] = ()
    read_back: tuple[str, ...] = ()

    def knows(self, key: str) -> bool:
        return key.removeprefix("youtube.") in "".join(self.by_source.values()) + self.unmarked

    def marks(self, key: str, source: str) -> bool:
        return key.removeprefix("youtube.") in self.by_source.get(source, "")


def _names(*names: str) -> list[EntryLine]:
    return [entry_line(name) for name in names]


def _select(
    source: SourceLine,
    lines: Sequence[EntryLine],
    *,
    known: str = "",
    first_run: bool = False,
    read_back: bool = False,
    newest: int = 52,
    kinds: tuple[Kind, ...] | None = None,
) -> list[tuple[str, LedgerState, str | None]]:
    """(name, state, reason) of what is new; `known` are names, one letter each."""
    started = (source.key,)
    memory = Known({source.key: known}, sources=() if first_run else started, read_back=started if read_back else ())
    new = select_new([(source, lines)], Select(newest=newest, kinds=kinds), memory).new
    return [(entry.line.id, entry.state, entry.reason) for entry in new]


def test_the_first_run_takes_the_newest_and_records_the_rest() -> None:
    """Oldest first, so that a crash leaves the unwritten ones on top."""
    assert _select(VIDEOS, _names("d", "c", "b", "a"), first_run=True, newest=2) == [
        ("a", SKIPPED, "BeforeWindow"),
        ("b", SKIPPED, "BeforeWindow"),
        ("c", PENDING, None),
        ("d", PENDING, None),
    ]


def test_the_rule_that_skipped_a_video_says_what_it_saw() -> None:
    """Readable in the ledger years later."""
    (entry, _) = select_new([(VIDEOS, _names("b", "a"))], Select(newest=1), Known()).new

    assert entry == NewEntry(entry_line("a"), SKIPPED, "BeforeWindow", "not among the newest 1 at the first run")


def test_a_first_run_that_crashed_in_the_middle_is_continued() -> None:
    """What it had written keeps its place in the window, so that the second try selects the same."""
    assert _select(VIDEOS, _names("d", "c", "b", "a"), first_run=True, newest=2, known="abc") == [("d", PENDING, None)]


def test_a_check_with_nothing_new_selects_nothing() -> None:
    """Everything listed is known."""
    assert _select(VIDEOS, _names("c", "b", "a"), known="abc") == []


def test_a_later_check_takes_everything_above_what_is_known() -> None:
    """However many were published at once, and whatever the window was."""
    assert _select(VIDEOS, _names("e", "d", "c", "b", "a"), known="ab", newest=1) == [
        ("c", PENDING, None),
        ("d", PENDING, None),
        ("e", PENDING, None),
    ]


def test_unknown_videos_between_known_ones_are_new() -> None:
    """An old video made public, or a page that had failed: found by an audit."""
    assert _select(VIDEOS, _names("d", "c", "b", "a"), known="db", newest=3) == [
        ("a", SKIPPED, "BackCatalogue"),
        ("c", PENDING, None),
    ]


def test_what_stands_below_all_known_videos_is_back_catalogue() -> None:
    """An audit walks further than the first run did."""
    assert _select(VIDEOS, _names("d", "c", "b", "a"), known="dc", newest=2) == [
        ("a", SKIPPED, "BackCatalogue"),
        ("b", SKIPPED, "BackCatalogue"),
    ]


def test_what_was_to_come_when_the_history_was_lost_is_taken_within_the_window() -> None:
    """The volume tells that the third and the first had landed; the second was on its way."""
    assert _select(VIDEOS, _names("e", "d", "c", "b", "a"), known="ec", newest=4) == [
        ("a", SKIPPED, "BackCatalogue"),
        ("b", PENDING, None),
        ("d", PENDING, None),
    ]


def test_a_source_that_was_empty_at_its_first_run_has_no_back_catalogue() -> None:
    """Its first video is new."""
    assert _select(VIDEOS, _names("b", "a")) == [("a", PENDING, None), ("b", PENDING, None)]


def test_a_renewed_source_gets_its_own_window() -> None:
    """Another channel under the same name: the first-run rule is per source."""
    new = select_new(
        [(VIDEOS, _names("c", "b", "a")), (STREAMS, _names("z", "y"))],
        Select(newest=1),
        Known({VIDEOS.key: "b"}, sources=(VIDEOS.key,)),
    ).new

    assert [(entry.line.id, entry.reason) for entry in new] == [
        ("a", "BackCatalogue"),
        ("c", None),
        ("y", "BeforeWindow"),
        ("z", None),
    ]


def test_a_video_in_two_tabs_is_selected_once() -> None:
    """A stream that is listed among the videos as well."""
    new = select_new([(VIDEOS, _names("a")), (STREAMS, _names("a"))], Select(), Known()).new

    assert [entry.line.id for entry in new] == ["a"]


def test_a_playlist_without_times_is_taken_in_its_own_order() -> None:
    """Its first ones count as the newest: written last, they are launched first."""
    assert _select(PLAYLIST, _names("a", "b", "c"), first_run=True, newest=2)[::-1] == [
        ("a", PENDING, None),
        ("b", PENDING, None),
        ("c", SKIPPED, "BeforeWindow"),
    ]


def test_a_playlist_with_times_is_sorted_by_them() -> None:
    """The newest of a playlist that grows at its end stand at its end."""
    lines = [entry_line("a", timestamp=10), entry_line("c", timestamp=30), entry_line("b", timestamp=20)]

    assert _select(PLAYLIST, lines, first_run=True, newest=2) == [
        ("a", SKIPPED, "BeforeWindow"),
        ("b", PENDING, None),
        ("c", PENDING, None),
    ]


def _times(*times: int | None) -> list[EntryLine]:
    """A playlist: each entry is called after its place."""
    return [entry_line("abcdefg"[place], timestamp=time) for place, time in enumerate(times)]


@pytest.mark.parametrize(
    ("lines", "newest_first"),
    [
        pytest.param(_times(10, 20, None, 40, 50), "edcba", id="it grows at its end"),
        pytest.param(_times(50, 40, None, 20, 10), "abcde", id="it grows at its beginning"),
        pytest.param(_times(10, 20, None), "cba", id="the last of one that grows at its end"),
        pytest.param(_times(None, 20, 10), "abc", id="the first of one that grows at its beginning"),
        pytest.param(_times(None, None, 10, 20), "dcba", id="the first ones of one that grows at its end"),
        pytest.param(_times(30, None, 10, 50, 20), "dabec", id="shuffled: behind the one before it"),
        pytest.param(_times(10, None), "ab", id="one time alone says nothing of the order"),
        pytest.param(_times(10, 10, None, 10), "abcd", id="all of one moment"),
    ],
)
def test_an_entry_without_a_time_stays_with_its_neighbour(lines: list[EntryLine], newest_first: str) -> None:
    """One of them does not make the times of all others count for nothing."""
    selected = _select(PLAYLIST, lines, first_run=True)

    assert "".join(name for name, _, _ in reversed(selected)) == newest_first


def test_the_window_of_a_playlist_with_one_entry_without_a_time() -> None:
    """The newest stand at its end, and are taken."""
    selected = _select(PLAYLIST, _times(10, 20, None, 40, 50), first_run=True, newest=2)

    assert [name for name, state, _ in selected if state is PENDING] == ["d", "e"]


def test_everything_unknown_in_a_known_playlist_is_new_wherever_it_stands() -> None:
    """A playlist has no back catalogue: its owner puts videos anywhere."""
    assert _select(PLAYLIST, _names("a", "b", "c"), known="b") == [("c", PENDING, None), ("a", PENDING, None)]


@pytest.mark.parametrize(
    ("known", "selected"),
    [
        pytest.param("cd", [("e", SKIPPED), ("b", PENDING), ("a", PENDING)], id="what stands above is new"),
        pytest.param("abc", [("e", SKIPPED), ("d", SKIPPED)], id="the rest was left out by the first run"),
        pytest.param("ac", [("e", SKIPPED), ("d", SKIPPED), ("b", PENDING)], id="in the window"),
        pytest.param(
            "", [("e", SKIPPED), ("d", SKIPPED), ("c", SKIPPED), ("b", PENDING), ("a", PENDING)], id="nothing landed"
        ),
    ],
)
def test_a_playlist_whose_ledger_was_read_back(known: str, selected: list[tuple[str, LedgerState]]) -> None:
    """The volume knows what landed, and nothing of what the first run of two left out."""
    found = _select(PLAYLIST, _names("a", "b", "c", "d", "e"), known=known, read_back=True, newest=2)
    assert [(name, state) for name, state, _ in found] == selected


def test_kinds_that_are_not_wanted_are_recorded_and_leave_room_in_the_window() -> None:
    """`newest: 2` means two wanted ones."""
    lines = [entry_line("d"), entry_line("c", kind=Kind.SHORT), entry_line("b"), entry_line("a")]

    assert _select(VIDEOS, lines, first_run=True, newest=2, kinds=(Kind.VIDEO,)) == [
        ("a", SKIPPED, "BeforeWindow"),
        ("b", PENDING, None),
        ("c", SKIPPED, "KindNotSelected"),
        ("d", PENDING, None),
    ]


def test_deleted_videos_leave_room_in_the_window() -> None:
    """A playlist keeps them for ever; `newest: 2` means two that can be had."""
    deleted = entry_line("b").model_copy(update={"availability": REMOVED})

    assert _select(PLAYLIST, [entry_line("a"), deleted, *_names("c", "d")], first_run=True, newest=2)[::-1] == [
        ("a", PENDING, None),
        ("b", PENDING, None),
        ("c", PENDING, None),
        ("d", SKIPPED, "BeforeWindow"),
    ]


def test_kinds_count_at_later_checks_too() -> None:
    """The skipped entry says which kind it was."""
    lines = [entry_line("b", kind=Kind.STREAM), entry_line("a")]
    known = Known({VIDEOS.key: "a"}, sources=(VIDEOS.key,))
    (entry,) = select_new([(VIDEOS, lines)], Select(kinds=(Kind.VIDEO,)), known).new

    assert (entry.state, entry.reason, entry.message) == (SKIPPED, "KindNotSelected", "Stream")


def test_an_empty_listing_selects_nothing() -> None:
    """A new channel."""
    assert _select(VIDEOS, [], first_run=True) == []
    assert _select(PLAYLIST, [], first_run=True) == []


def _from_playlist(lines: Sequence[EntryLine], *, playlist: str, channel: str = "", newest: int = 2) -> Selection:
    """What a channel's listing brings where a playlist was watched before."""
    known = Known({PLAYLIST.key: playlist, VIDEOS.key: channel}, sources=(PLAYLIST.key, VIDEOS.key))
    return select_new([(VIDEOS, lines)], Select(newest=newest), known)


def test_an_old_favourite_of_a_playlist_makes_nothing_above_it_new() -> None:
    """An audit of the channel meets it far below what the channel's own first run took."""
    found = _from_playlist(_names("f", "e", "d", "c", "b", "a"), playlist="b", channel="fe")

    assert {(entry.line.id, entry.reason) for entry in found.new} == {(name, "BackCatalogue") for name in "acd"}
    assert found.seen == ()


def test_what_another_source_told_of_counts_as_seen_above_the_last_mark() -> None:
    """Oldest first; what was new is no news for a walk that begins at the top."""
    found = _from_playlist(_names("f", "e", "d", "c", "b", "a"), playlist="edb", channel="fc")

    assert found.seen == (("youtube.d", VIDEOS.key), ("youtube.e", VIDEOS.key))


def test_a_first_run_notes_all_that_it_lists() -> None:
    """With nothing of its own, a source could stop nowhere."""
    found = select_new([(VIDEOS, _names("b", "a"))], Select(newest=1), Known({PLAYLIST.key: "ab"}))

    assert found == Selection((), (("youtube.a", VIDEOS.key), ("youtube.b", VIDEOS.key)))


def test_an_audit_that_crashed_goes_on_as_it_began() -> None:
    """The oldest part of the back catalogue was written: it is known, and no mark."""
    known = Known({VIDEOS.key: "fe"}, unmarked="ab", sources=(VIDEOS.key,))
    found = select_new([(VIDEOS, _names("f", "e", "d", "c", "b", "a"))], Select(newest=2), known)

    assert [(entry.line.id, entry.reason) for entry in found.new] == [("c", "BackCatalogue"), ("d", "BackCatalogue")]


def test_a_playlist_notes_nothing() -> None:
    """It is walked whole at every check."""
    found = select_new([(PLAYLIST, _names("a", "b"))], Select(), Known({VIDEOS.key: "ab"}))

    assert found.seen == ()


def test_a_single_video_that_a_channel_told_of() -> None:
    """It is its own listing: seen there, later checks need no request."""
    itself = source_line("youtube.a", newest_first=False)
    found = select_new([(itself, _names("a"))], Select(), Known({VIDEOS.key: "a"}))

    assert found.seen == (("youtube.a", "youtube.a"),)


def test_seen_entries_are_numbered_among_the_new_ones() -> None:
    """Two sources at once; one whose value cannot be read stays as it is."""
    seen = (("youtube.a", "s1"), ("youtube.b", "s1"), ("youtube.broken", "s1"), ("youtube.a", "s2"))
    entry = ledger_entry()
    changed = seen_entries(seen, {"youtube.a": entry, "youtube.b": entry}, 10)

    assert {key: entry.also_in for key, entry in changed.items()} == {
        "youtube.a": (Sighting("s1", 10), Sighting("s2", 13)),
        "youtube.b": (Sighting("s1", 11),),
    }


def test_new_entries_are_numbered_in_their_order() -> None:
    """The number tells which of a source's videos are its newest."""
    found = select_new([(VIDEOS, _names("b", "a"))], Select(), Known())

    assert [(key, entry.seq) for key, entry in new_entries(found.new, 7, NOON).items()] == [
        ("youtube.a", 7),
        ("youtube.b", 8),
    ]


@pytest.mark.parametrize(
    ("first_run", "found"), [(True, Found.WINDOW), (False, Found.UPLOAD)], ids=["by its first check", "after it"]
)
def test_what_was_found_when(first_run: bool, found: Found) -> None:
    """What was published since the first check is launched before anything else."""
    memory = Known(sources=() if first_run else (VIDEOS.key,))

    selected = select_new([(VIDEOS, _names("b", "a"))], Select(), memory).new

    assert {entry.found for entry in selected} == {found}
    assert {entry.found for entry in new_entries(selected, 1, NOON).values()} == {found}
