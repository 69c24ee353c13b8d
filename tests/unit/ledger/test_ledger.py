"""The ledger in memory: what it knows, and which writes a change needs."""

from __future__ import annotations

import json
from dataclasses import replace

from builders import NOON, ledger_entry
from trawler_downloader.contract.download import FollowUpKind
from trawler_downloader.contract.listing import MAX_KNOWN_PER_SOURCE
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.labels import REQUESTS_ANNOTATION, SOURCES_ANNOTATION, VOLUMES_ANNOTATION
from trawler_operator.domain.ledger.annotations import MAX_NAMES, READ_BACK
from trawler_operator.domain.ledger.codec import encode_entry
from trawler_operator.domain.ledger.entry import MAX_SIGHTINGS, FollowUp, Found, LedgerEntry, Sighting
from trawler_operator.domain.ledger.index import IndexRow, LedgerIndex
from trawler_operator.domain.ledger.ledger import MAX_STARTED_SOURCES, Changes, Ledger
from trawler_operator.domain.ledger.shards import SEALED_ANNOTATION, SHARD_CAPACITY, Shard, ShardWrite

SOURCE = "youtubetab.UCnumber.videos"


def entries(first: int, count: int, state: LedgerState = LedgerState.PENDING) -> dict[str, LedgerEntry]:
    return {f"youtube.v{seq}": ledger_entry(state, seq=seq, launches=0) for seq in range(first, first + count)}


def apply(ledger: Ledger, changes: Changes) -> list[ShardWrite]:
    """Write the changes as the store does, without a cluster."""
    writes = ledger.plan_writes(changes)
    for place, write in enumerate(writes):
        ledger.applied(write, f"{write.number}.{place}.{len(ledger)}")
    return writes


def stored(writes: list[ShardWrite]) -> list[Shard]:
    """The shards that these creations left."""
    return [Shard(write.number, "1", write.data, write.annotations) for write in writes]


def test_a_follow_up_comes_and_goes_without_a_change_of_what_is_counted() -> None:
    """Its entry is rewritten, the video is one: on disk, with its bytes, among the last that were downloaded."""
    ledger = Ledger()
    plain = ledger_entry(LedgerState.SUCCEEDED, bytes=10, path="a.mp4")
    due = replace(plain, follow_up=FollowUp(FollowUpKind.THUMBNAIL, NOON))
    under_way = replace(due, follow_up=FollowUp(FollowUpKind.THUMBNAIL, NOON, claimed=NOON))
    seen = []
    for entry in (due, under_way, plain):
        apply(ledger, Changes({"youtube.a": entry}))
        shown = [ended.key for ended in ledger.recent_successes()]
        assert (ledger.counts[LedgerState.SUCCEEDED], ledger.total_bytes, shown) == (1, 10, ["youtube.a"])
        seen.append((set(ledger.active), set(ledger.running())))
    assert seen == [({"youtube.a"}, set()), ({"youtube.a"}, {"youtube.a"}), (set(), set())]
    ledger.drop(0)
    assert ledger.total_bytes == 0


def test_sources_of_a_ledger_that_was_read_back() -> None:
    """Started, but not listed since; the first listing says when, and a later one changes nothing."""
    ledger = Ledger()
    apply(ledger, Changes(started_sources={SOURCE: READ_BACK}))
    assert (set(ledger.sources), ledger.read_back, ledger.was_listed(SOURCE)) == ({SOURCE}, {SOURCE}, False)
    apply(ledger, Changes(started_sources={SOURCE: "2026-11-21T12:00:00Z"}))
    apply(ledger, Changes(started_sources={SOURCE: "2026-11-22T12:00:00Z"}))
    assert (ledger.sources, ledger.read_back) == ({SOURCE: "2026-11-21T12:00:00Z"}, set())
    assert ledger.was_listed(SOURCE)
    assert not ledger.was_listed("youtubetab.UCother.videos")


def test_first_run_in_one_write() -> None:
    """Entries and the source's mark are created together."""
    ledger = Ledger()
    writes = apply(ledger, Changes(entries(1, 3), {SOURCE: "2026-11-21T12:00:00Z"}))
    assert [write.number for write in writes] == [0]
    assert json.loads(writes[0].annotations[SOURCES_ANNOTATION]) == {SOURCE: "2026-11-21T12:00:00Z"}
    assert {SOURCE} == ledger.sources.keys()
    assert (len(ledger), ledger.next_seq) == (3, 4)


def test_mark_comes_after_the_last_entry() -> None:
    """A first run that fills several shards is marked last, so that a crash before makes it again."""
    writes = Ledger().plan_writes(Changes(entries(1, SHARD_CAPACITY + 5), {SOURCE: "now"}))
    assert [write.number for write in writes] == [0, 1, 0]
    assert [SOURCES_ANNOTATION in write.annotations for write in writes] == [False, False, True]
    assert writes[-1].data == {}


def test_oldest_first() -> None:
    """New entries are written in the order of their discovery, whatever order they come in."""
    changes = dict(reversed(entries(1, SHARD_CAPACITY + 50).items()))
    writes = Ledger().plan_writes(Changes(changes))
    assert [len(write.data) for write in writes] == [SHARD_CAPACITY, 50]
    assert max(e.seq for e in writes[0].entries.values()) < min(e.seq for e in writes[1].entries.values())


def test_full_shard_is_sealed_before_the_next_is_created() -> None:
    """The seal comes with the entry that fills it, or in a write of its own."""
    ledger = Ledger()
    apply(ledger, Changes(entries(1, SHARD_CAPACITY - 1)))
    writes = ledger.plan_writes(Changes(entries(SHARD_CAPACITY, 3)))
    assert [(w.number, len(w.data), SEALED_ANNOTATION in w.annotations) for w in writes] == [
        (0, 1, True),
        (1, 2, False),
    ]

    unsealed = Shard(0, "1", {k: encode_entry(e) for k, e in entries(1, SHARD_CAPACITY).items()}, {})
    ledger = Ledger()
    ledger.load(unsealed)
    writes = ledger.plan_writes(Changes(entries(SHARD_CAPACITY + 1, 1)))
    assert [(w.number, len(w.data), SEALED_ANNOTATION in w.annotations) for w in writes] == [
        (0, 0, True),
        (1, 1, False),
    ]


def test_sealed_shard_takes_no_new_entries() -> None:
    """Even if someone deleted keys from it."""
    ledger = Ledger()
    ledger.load(Shard(0, "1", {}, {SEALED_ANNOTATION: "true"}))
    assert [write.number for write in ledger.plan_writes(Changes(entries(1, 1)))] == [1]


def test_changed_entries_stay_in_their_shard() -> None:
    """One write per shard, however many of its entries change."""
    ledger = Ledger()
    apply(ledger, Changes(entries(1, SHARD_CAPACITY + 5)))
    changed = {
        key: replace(ledger.active[key], state=LedgerState.RUNNING, launches=1)
        for key in ("youtube.v1", "youtube.v2", "youtube.v203")
    }
    writes = apply(ledger, Changes(changed))
    assert [(0, {"youtube.v1", "youtube.v2"}), (1, {"youtube.v203"})] == [(w.number, set(w.data)) for w in writes]
    assert changed == ledger.running()
    assert ledger.counts[LedgerState.RUNNING] == 3


def test_reload_equals_memory() -> None:
    """What is read back is what was kept after the writes."""
    ledger = Ledger()
    writes = apply(ledger, Changes(entries(1, 3), {SOURCE: "now"}, {"library": "v-1"}))
    again = Ledger()
    for shard in stored(writes):
        again.load(shard)
    assert ledger.active == again.active
    assert ledger.counts == again.counts
    assert (ledger.sources, ledger.volumes, ledger.next_seq) == (again.sources, again.volumes, again.next_seq)
    assert ledger.known_by_source(10) == again.known_by_source(10)


def test_loading_a_shard_again_replaces_it() -> None:
    """Counts, bytes and problems follow what stands there now."""
    done = ledger_entry(LedgerState.SUCCEEDED, bytes=10, path="a.mp4")
    ledger = Ledger()
    ledger.load(Shard(0, "1", {"youtube.a": encode_entry(done), "youtube.b": "{"}, {}))
    assert (10, {"youtube.b"}) == (ledger.total_bytes, set(ledger.problems))
    ledger.load(Shard(0, "2", {"youtube.b": encode_entry(ledger_entry(LedgerState.PENDING, launches=0))}, {}))
    assert (ledger.total_bytes, ledger.problems) == (0, {})
    assert not ledger.knows("youtube.a")
    assert {LedgerState.PENDING} == {state for state, count in ledger.counts.items() if count}
    ledger.drop(0)
    assert len(ledger) == 0
    assert ledger.active == {}


def test_broken_value_is_known_and_never_written() -> None:
    """Its key counts as known; a change of it is dropped."""
    ledger = Ledger()
    ledger.load(Shard(0, "1", {"youtube.v1": "?"}, {}))
    assert ledger.knows("youtube.v1")
    assert ledger.plan_writes(Changes(entries(1, 1))) == []
    assert (ledger.problems["youtube.v1"].shard, ledger.problems["youtube.v1"].key) == (0, "youtube.v1")


def test_mangled_annotation() -> None:
    """An annotation that is no JSON object counts as empty."""
    ledger = Ledger()
    ledger.load(Shard(0, "1", {}, {SOURCES_ANNOTATION: "{", VOLUMES_ANNOTATION: "[1]"}))
    assert (ledger.sources, ledger.volumes) == ({}, {})


def test_the_head_names_the_latest_sources_and_volumes() -> None:
    """What a Subscription had long ago gives way; what a hand made too long is left out with the next write."""
    ledger = Ledger()
    ledger.load(Shard(0, "1", {}, {VOLUMES_ANNOTATION: json.dumps({"x" * 300: "v", "old": "v" * 600})}))
    for number in range(MAX_NAMES + 2):
        apply(ledger, Changes({}, {f"s{number}": "now"}, {f"claim-{number}": "v"}))
    assert [*ledger.sources] == [f"s{MAX_NAMES + 2 - number}" for number in range(MAX_STARTED_SOURCES, 0, -1)]
    assert [*ledger.volumes] == [f"claim-{number}" for number in range(2, MAX_NAMES + 2)]
    apply(ledger, Changes({}, {f"s{MAX_NAMES}": "later"}, {"claim-2": "another"}))
    assert (ledger.sources[f"s{MAX_NAMES}"], ledger.volumes["claim-2"]) == ("now", "another")


def test_volume_is_written_to_the_head() -> None:
    """Learnt with a settled entry of another shard, in the head's annotation, beside those known before."""
    ledger = Ledger()
    apply(ledger, Changes(entries(1, SHARD_CAPACITY + 1), {}, {"old": "v-0"}))
    done = replace(ledger.active["youtube.v201"], state=LedgerState.SUCCEEDED, path="a.mp4", bytes=7)
    writes = apply(ledger, Changes({"youtube.v201": done}, {}, {"library": "v-1"}))
    assert [write.number for write in writes] == [1, 0]
    assert ledger.volumes == {"old": "v-0", "library": "v-1"}
    assert ledger.total_bytes == 7


def test_known_by_source() -> None:
    """Newest first and bounded; back catalogue says nothing about where the newest stand."""
    ledger = Ledger()
    known = entries(1, 10)
    known["youtube.v9"] = replace(known["youtube.v9"], state=LedgerState.SKIPPED, reason="BackCatalogue")
    apply(ledger, Changes(known, {SOURCE: "now", "youtubetab.UCempty.videos": "now"}))
    assert ledger.known_by_source(3) == {
        SOURCE: ("youtube.v10", "youtube.v8", "youtube.v7"),
        "youtubetab.UCempty.videos": (),
    }


def test_newest_known_of_a_source_follow_what_changes() -> None:
    """What is added, numbered anew, or taken away: as if all keys had been looked at again."""
    index = LedgerIndex()
    for seq in range(1, MAX_KNOWN_PER_SOURCE + 3):
        index.put(f"k{seq}", IndexRow(seq // 100, LedgerState.PENDING, seq, "s"))
    newest = [f"k{seq}" for seq in range(MAX_KNOWN_PER_SOURCE + 2, 2, -1)]
    assert list(index.newest_by_source()["s"]) == newest
    index.put("k500", IndexRow(5, LedgerState.SUCCEEDED, 500, "s"))
    assert list(index.newest_by_source()["s"]) == newest
    index.drop(5, ["k500", "k501", "k502"])
    assert list(index.newest_by_source()["s"]) == [f"k{seq}" for seq in range(499, 0, -1)]
    index.put("k1", IndexRow(0, LedgerState.PENDING, 600, "s"))
    assert index.newest_by_source(2) == {"s": ("k1", "k499")}


def test_video_that_a_second_source_lists() -> None:
    """It is a mark of both, in the order in which each listed it; the first source's back catalogue may be one, too."""
    other = "youtubetab.PLother"
    old = replace(entries(1, 1)["youtube.v1"], state=LedgerState.SKIPPED, reason="BackCatalogue")
    ledger = Ledger()
    apply(ledger, Changes({**entries(2, 2), "youtube.v1": old}, {SOURCE: "now", other: "now"}))
    assert [ledger.marks("youtube.v1", source) for source in (SOURCE, other, "unheard-of")] == [False] * 3
    assert not ledger.marks("youtube.unknown", SOURCE)
    seen = {
        "youtube.v1": old.seen_in(other, ledger.next_seq + 1),
        "youtube.v3": ledger.active["youtube.v3"].seen_in(other, ledger.next_seq),
    }
    apply(ledger, Changes(seen))
    assert ledger.known_by_source(10) == {SOURCE: ("youtube.v3", "youtube.v2"), other: ("youtube.v1", "youtube.v3")}
    assert (ledger.marks("youtube.v1", SOURCE), ledger.marks("youtube.v1", other)) == (False, True)
    assert ledger.next_seq == 6
    ledger.drop(0)
    assert ledger.known_by_source(10) == {}
    assert not ledger.marks("youtube.v1", other)


def test_sightings_of_a_video_are_few() -> None:
    """The latest ones: a source that lists it now is among them."""
    entry = ledger_entry()
    for seq, source in enumerate(("s0", "s1", "s2", "s1", "s3", "s4")):
        entry = entry.seen_in(source, seq)
    assert entry.also_in == (Sighting("s1", 3), Sighting("s3", 4), Sighting("s4", 5))
    assert len(entry.also_in) == MAX_SIGHTINGS


def test_key_that_somebody_copied_into_another_shard() -> None:
    """It counts once, as it stands in the shard that was read last, and goes with that shard."""
    text = encode_entry(ledger_entry(LedgerState.WAITING))
    ledger = Ledger()
    ledger.load(Shard(0, "1", {"youtube.a": text}, {}))
    ledger.load(Shard(1, "1", {"youtube.a": text}, {}))
    assert (ledger.counts[LedgerState.WAITING], len(ledger.recent_failures())) == (1, 1)
    ledger.drop(0)
    assert (ledger.counts[LedgerState.WAITING], ledger.row("youtube.a")) == (
        1,
        IndexRow(1, LedgerState.WAITING, 7, SOURCE),
    )
    ledger.drop(1)
    assert (ledger.counts[LedgerState.WAITING], ledger.knows("youtube.a")) == (0, False)


def test_active_entries() -> None:
    """Kept in full: what may change by itself, and what a new spec revives."""
    ledger = Ledger()
    states = dict.fromkeys(LedgerState, 1)
    given = {f"youtube.{s.value}": ledger_entry(s, seq=n) for n, s in enumerate(states)}
    config = ledger_entry(LedgerState.DEAD_LETTER, seq=50, outcome=OutcomeClass.CONFIGURATION)
    apply(ledger, Changes({**given, "youtube.config": config}))
    assert {"youtube.Pending", "youtube.Running", "youtube.Failed", "youtube.Waiting", "youtube.config"} == set(
        ledger.active
    )


def test_index_rows_come_back() -> None:
    """Every field survives the packing, at its extremes."""
    index = LedgerIndex()
    rows = {
        "a": IndexRow(0, LedgerState.PENDING, 1, "s1", old=False),
        "b": IndexRow(65_535, LedgerState.DEAD_LETTER, 2**40, "s2", old=True),
        "c": IndexRow(3, None),
    }
    for key, row in rows.items():
        index.put(key, row)
    assert rows == {key: index.get(key) for key in rows}
    assert (index.next_seq, len(index)) == (2**40 + 1, 3)
    index.drop(65_535, ["a", "b", "unknown"])
    assert {"a", "c"} == {key for key in rows if key in index}
    assert index.next_seq == 2**40 + 1


def test_shards_come_and_go_one_by_one() -> None:
    """Only the head bears sources and volumes: another shard's coming and going leaves them."""
    ledger = Ledger()
    ledger.load(Shard(0, "1", {}, {SOURCES_ANNOTATION: json.dumps({SOURCE: "now"})}))
    ledger.load(Shard(1, "1", {"youtube.v1": encode_entry(ledger_entry(LedgerState.PENDING, launches=0))}, {}))
    assert (ledger.shard_numbers, ledger.version_of(1)) == ({0, 1}, "1")
    ledger.drop(1)
    assert (ledger.shard_numbers, ledger.version_of(1), ledger.shard_count) == ({0}, None, 1)
    assert {SOURCE} == ledger.sources.keys()
    assert not ledger.knows("youtube.v1")


def test_changes_are_true_when_there_are_any() -> None:
    """Nothing to write is told from something."""
    assert not Changes()
    assert Changes(volumes={"library": "v-1"})


def test_where_a_key_stands() -> None:
    """Shard and state of a known key, nothing of an unknown one."""
    ledger = Ledger()
    apply(ledger, Changes(entries(1, 1)))
    row = ledger.row("youtube.v1")
    assert row is not None
    assert (row.shard, row.state) == (0, LedgerState.PENDING)
    assert ledger.row("youtube.other") is None


def test_more_sources_than_can_be_numbered() -> None:
    """Beyond the index's room a key is known all the same, only its source is not."""
    index = LedgerIndex()
    many = 5000
    for number in range(many):
        index.put(f"k{number}", IndexRow(0, LedgerState.PENDING, number, f"source-{number}"))
    assert len(index) == many
    assert index.get(f"k{many - 1}") == IndexRow(0, LedgerState.PENDING, many - 1, None)
    assert index.get("k0") == IndexRow(0, LedgerState.PENDING, 0, "source-0")


def test_request_is_marked_with_the_last_of_its_entries() -> None:
    """The mark stands in the head, survives a reload, and goes with it; other verbs' marks stay."""
    ledger = Ledger()
    apply(ledger, Changes(entries(1, SHARD_CAPACITY + 5), requests={"skip": "1"}))
    changed = {key: replace(ledger.active[key], failures=1) for key in ("youtube.v1", f"youtube.v{SHARD_CAPACITY + 1}")}
    writes = apply(ledger, Changes(changed, requests={"retry": "2"}))
    assert [REQUESTS_ANNOTATION in write.annotations for write in writes] == [False, False, True]
    assert ledger.requests == {"retry": "2", "skip": "1"}
    again = Ledger()
    again.load(Shard(0, "1", {}, writes[-1].annotations))
    assert again.requests == ledger.requests
    again.drop(0)
    assert again.requests == {}


def test_keys_in() -> None:
    """Of entries in some state, whether they are in memory in full or not."""
    ledger = Ledger()
    apply(ledger, Changes(entries(1, 1, LedgerState.DEAD_LETTER) | entries(2, 1) | entries(3, 1, LedgerState.SKIPPED)))
    states = {LedgerState.DEAD_LETTER, LedgerState.SKIPPED}
    assert ledger.keys_in(states) == {"youtube.v1", "youtube.v3"}


def test_revived_back_catalogue_stays_old() -> None:
    """It is downloaded, and not taken for the newest that is known of its source."""
    ledger = Ledger()
    old = {"youtube.old": ledger_entry(LedgerState.SUCCEEDED, seq=9, found=Found.BACK_CATALOGUE)}
    apply(ledger, Changes(entries(1, 1) | old, {SOURCE: "now"}))
    assert ledger.known_by_source(5) == {SOURCE: ("youtube.v1",)}


def test_waiting_videos_by_reason() -> None:
    """Counted as they come and go."""
    ledger = Ledger()
    apply(ledger, Changes({"youtube.v1": ledger_entry(LedgerState.WAITING, seq=1, reason="Premiere")}))
    assert ledger.waiting() == {"Premiere": 1}
    apply(ledger, Changes({"youtube.v1": ledger_entry(LedgerState.PENDING, seq=1)}))
    assert ledger.waiting() == {}


def test_dead_letters_by_reason() -> None:
    """Counted as they come and go, whoever wrote them."""
    ledger = Ledger()
    dead = {f"youtube.v{seq}": ledger_entry(LedgerState.DEAD_LETTER, seq=seq, reason="Drm") for seq in (1, 2)}
    dead["youtube.v3"] = ledger_entry(LedgerState.DEAD_LETTER, seq=3)
    apply(ledger, Changes(dead))
    assert ledger.dead_letters() == {"Drm": 2, "Unknown": 1}
    apply(ledger, Changes({"youtube.v1": ledger_entry(LedgerState.PENDING, seq=1)}))
    assert ledger.dead_letters() == {"Drm": 1, "Unknown": 1}
    ledger.drop(0)
    assert ledger.dead_letters() == {}
