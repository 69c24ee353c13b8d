"""What must hold at every write, and what must be so in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from component.cluster import DOWNLOAD_JOBS, Cluster
from component.object_store import Object
from component.simulation.cast import NAMESPACES, key_of
from component.simulation.gatewatch import GateWatch
from component.simulation.process import LIMITS, subscription_of
from component.simulation.truth import Fate, Internet, Nas, Video
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api import labels
from trawler_operator.api.reasons import SkipReason
from trawler_operator.domain.jobs.outcome import is_finished
from trawler_operator.domain.ledger.entry import LedgerEntry

MAX_ATTEMPTS = 3
BY_USER = {SkipReason.SKIPPED_BY_USER, SkipReason.CANCELLED_BY_USER, SkipReason.REMOVED_BY_USER}
Row = tuple[str, str]
"""(Subscription, video key)."""


@dataclass
class Watchdog:
    """Looks at the cluster after every write of an operator.

    `overlap` is set while two operators are at work: slots are counted by each of them alone then.
    """

    cluster: Cluster
    internet: Internet
    nas: Nas
    gates: GateWatch
    newest: Mapping[str, int]
    """Subscription → its first check's window."""
    known: dict[str, set[str]] = field(default_factory=dict)
    """Subscription → keys that its ledger must have from now on."""
    windowed: set[Row] = field(default_factory=set)
    """Before the first check's window, or maybe so."""
    marked: set[str] = field(default_factory=set)
    """Subscriptions whose first run is noted."""
    edited: set[Row] = field(default_factory=set)
    """Somebody's hand was in their ledger entry or in their Jobs: they may end otherwise than untouched ones."""
    retried: set[Row] = field(default_factory=set)
    """Somebody asked to have them tried anew."""
    unwanted: set[Row] = field(default_factory=set)
    """Somebody asked to have them skipped or cancelled."""
    removed: set[Row] = field(default_factory=set)
    """Their file was taken off the volume."""
    rebuilt: set[Row] = field(default_factory=set)
    """Their file stood on the volume when their whole ledger was lost: it must be known again."""
    spared: Counter[Row] = field(default_factory=Counter)
    """Endings that cost no try only because they were those of a closed gate's probe."""
    skipped: set[Row] = field(default_factory=set)
    """A user does not want them."""
    burns: Counter[Row] = field(default_factory=Counter)
    """Endings that cost a try."""
    jobs: dict[str, tuple[str, Row]] = field(default_factory=dict)
    """uid of every Job ever seen → name, and what it worked for."""
    claims: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """Subscription, key, launch → pass that claimed it."""
    settled: set[str] = field(default_factory=set)
    """Names of Jobs whose launch the ledger has taken as ended."""
    overlap: bool = False
    draining: bool = False
    """One operator works again, Jobs of both may run."""

    # -- at every write ------------------------------------------------------------------------------------------

    def look(self, number: int) -> None:
        """After a write of an operator, in its pass of that number."""
        for name in self.subscriptions():
            ledger = self.cluster.ledger(name)
            present = self.present(name)
            lost = self.known.get(name, set()) - present
            assert not lost, f"the ledger of {name} lost {lost}"
            self.known[name] = present
            self._look_at_window(name)
            for key, entry in ledger.items():
                if entry.is_claimed:
                    self.claims.setdefault((name, key, entry.launches), number)
                self._look_at_skipped((name, key), entry)
                burns = self.burns[name, key]
                assert entry.failures <= burns, f"{name} {key}: {entry.failures} failures noted, {burns} happened"
        self.gates.look()
        if self.draining and len(self._live()) <= 1:
            self.overlap = self.draining = False
            self.gates.overlap_ended()
        for job in self.cluster.select("Job", **DOWNLOAD_JOBS):
            if job["metadata"]["uid"] not in self.jobs:
                self._look_at_new(job, number)
        self._note_settled()

    def forget_lost(self) -> None:
        """A hand, or the garbage collector, has taken something out of ledgers: that is no loss of ours."""
        for name, known in self.known.items():
            present = self.present(name)
            lost = {(name, key) for key in known - present}
            standing = {row for row in lost if self.nas.has((NAMESPACES[row[0]], *row))}
            self.rebuilt -= lost
            if not self.cluster.select_shards(name):
                self.rebuilt |= standing
            self.edited |= lost
            self.known[name] = known & present
            if labels.SOURCES_ANNOTATION not in self._head(name):
                self.marked.discard(name)

    def present(self, name: str) -> set[str]:
        """Keys in a ledger, readable or not."""
        return {key for shard in self.cluster.select_shards(name) for key in shard.get("data", {})}

    def subscriptions(self) -> list[str]:
        return sorted(self.internet.channels)

    def _look_at_window(self, name: str) -> None:
        if name in self.marked or labels.SOURCES_ANNOTATION not in self._head(name):
            return
        self.marked.add(name)
        self.windowed |= {(name, key) for key in self.internet.shown.get(name, [])[self.newest[name] :]}

    def _head(self, name: str) -> dict[str, str]:
        shard = self.cluster.objects.get(("ConfigMap", NAMESPACES[name], f"trawler-ledger-{name}-0"), {"metadata": {}})
        annotations: dict[str, str] = shard["metadata"].get("annotations", {})
        return annotations

    def _look_at_new(self, job: Object, number: int) -> None:
        """A Job that was created by this very write."""
        metadata = job["metadata"]
        name, key = subscription_of(job), metadata["annotations"][labels.VIDEO_ANNOTATION]
        row, launch = (name, key), int(metadata["labels"][labels.LAUNCH_LABEL])
        self.jobs[metadata["uid"]] = (metadata["name"], row)
        subscription = self.cluster.get("Subscription", *key_of(name))
        if subscription is None or not self._belongs(job):
            return  # deleted meanwhile: the Job goes as well
        present = [job for job in self._live() if self._belongs(job)]
        same = [job for job in present if self._row(job) == row]
        assert len(same) <= 1, f"{row} is worked on by {[job['metadata']['name'] for job in same]}"
        if self.overlap:
            return
        entry = self.cluster.ledger(name).get(key)
        if row not in self.edited:
            claimed = entry is not None and (entry.is_claimed, entry.launches) == (True, launch)
            assert claimed, f"Job {metadata['name']} of {row}, launch {launch}, without its claim: {entry}"
            assert metadata["name"] not in self.settled, f"launch {launch} of {row} was over, and is made again"
        ours = [job for job in present if subscription_of(job) == name]
        began_with = self.gates.under_way()[number].parallelism
        wanted = max(subscription["spec"]["job"]["parallelism"], began_with)
        cap = min(wanted, LIMITS.max_running_per_subscription)
        assert len(ours) <= cap, f"{name} runs {len(ours)} Jobs, {cap} are allowed"
        assert len(present) <= LIMITS.max_running, f"{len(present)} Jobs run, {LIMITS.max_running} are allowed"
        self.gates.look_at_job(job, entry, present, self.claims.get((name, key, launch), number), number)

    def look_at_listing(self, name: str) -> None:
        """Before a source is listed."""
        if not self.overlap:
            self.gates.look_at_listing(name, [job for job in self._live() if self._belongs(job)])

    def _look_at_skipped(self, row: Row, entry: LedgerEntry) -> None:
        """What a user does not want comes back only if somebody wants it to."""
        if entry.state is LedgerState.SKIPPED and entry.reason in BY_USER:
            assert row in self.unwanted | self.removed | self.edited, f"nobody asked for {row} to be skipped"
            self.skipped.add(row)
        elif row in self.skipped:
            assert row in self.retried | self.edited, f"{row} was skipped by a user, and is {entry.state}"
            self.skipped.discard(row)

    def _note_settled(self) -> None:
        ledgers = {name: self.cluster.ledger(name) for name in self.subscriptions()}
        for name, (subscription, key) in self.jobs.values():
            entry = ledgers[subscription].get(key)
            if name in self.settled or entry is None or entry.is_claimed:
                continue
            job = self.cluster.objects.get(("Job", NAMESPACES[subscription], name))
            if job is None or is_finished(job):
                self.settled.add(name)

    def _live(self) -> list[Object]:
        return [job for job in self.cluster.select("Job", **DOWNLOAD_JOBS) if not is_finished(job)]

    def _row(self, job: Object) -> Row:
        return subscription_of(job), job["metadata"]["annotations"][labels.VIDEO_ANNOTATION]

    def _belongs(self, job: Object) -> bool:
        """To a Subscription that is there, or to none: others' are the garbage collector's."""
        owners = job["metadata"].get("ownerReferences")
        uids = {body["metadata"]["uid"] for body in self.cluster.select("Subscription")}
        return not owners or owners[0]["uid"] in uids

    # -- in the end ----------------------------------------------------------------------------------------------

    def unfinished(self, names: Collection[str]) -> dict[Row, str]:
        """What of these Subscriptions is not as the truth says, and how it is."""
        wrong: dict[Row, str] = {}
        for name in names:
            ledger = self.cluster.ledger(name)
            for video in self.internet.channels[name]:
                entry = ledger.get(video.key)
                allowed = self.allowed(name, video)
                if entry is None or entry.state not in allowed:
                    wrong[name, video.key] = f"{entry and entry.state}, and not {sorted(allowed)}"
                elif entry.follow_up is not None:
                    wrong[name, video.key] = f"{entry.follow_up}"
        return wrong

    def allowed(self, name: str, video: Video) -> set[LedgerState]:
        """States that a video may end in."""
        row = (name, video.key)
        states = {_END[video.fate]}
        has_landed = self.nas.has((NAMESPACES[row[0]], *row))
        if has_landed:
            states = {LedgerState.SUCCEEDED}
        if self.burns[row] >= MAX_ATTEMPTS:
            states |= {LedgerState.DEAD_LETTER}
            if video.fate is Fate.FLAKY and not has_landed:
                states -= {LedgerState.SUCCEEDED}
        if row in self.unwanted:
            states |= {LedgerState.SKIPPED}
        elif row in self.rebuilt and has_landed:
            return {LedgerState.SUCCEEDED}
        if row in self.removed:
            states |= {LedgerState.SUCCEEDED, LedgerState.SKIPPED}
        if row in self.windowed or row in self.edited:
            states |= {LedgerState.SKIPPED}
        if row in self.edited:
            states |= {_END[video.fate]}
        return states

    def untouched(self) -> dict[Row, LedgerEntry]:
        """Entries that must be as they would be without any fault."""
        return {
            (name, key): entry
            for name in self.subscriptions()
            for key, entry in self.cluster.ledger(name).items()
            if (name, key) not in self.edited | self.windowed | self.retried | self.unwanted | self.removed
        }


_END = {
    Fate.GOOD: LedgerState.SUCCEEDED,
    Fate.FLAKY: LedgerState.SUCCEEDED,
    Fate.PREMIERE: LedgerState.SUCCEEDED,
    Fate.LATE_PICTURE: LedgerState.SUCCEEDED,
    Fate.MEMBERS: LedgerState.WAITING,
    Fate.REMOVED: LedgerState.DEAD_LETTER,
}
