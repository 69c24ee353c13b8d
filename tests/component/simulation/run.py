"""One run of everything: what may happen, and how it comes to rest."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from component import job_controller
from component.cluster import DOWNLOAD_JOBS, Cluster, end_job, request_of
from component.object_store import Object
from component.simulation.process import Fault, Process, subscription_of
from component.simulation.truth import Fate, Internet, Nas, Trouble, Video
from component.simulation.watchdog import MAX_ATTEMPTS, Watchdog
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api import labels
from trawler_operator.domain.ledger_entry import LedgerEntry
from trawler_operator.reconcile.ports import Key

SPECS: dict[str, Object] = {
    "numberline": {"select": {"newest": 50}, "job": {"parallelism": 2}},
    "fugues": {"select": {"newest": 3}, "job": {"parallelism": 1}},
}
KEYS: tuple[Key, ...] = tuple(("media", name) for name in SPECS)
INTERVAL_SECONDS = 21_600
MOST_PASSES = 600
MOST_CALLS = 40
RESTLESS = {LedgerState.PENDING, LedgerState.RUNNING, LedgerState.FAILED}


class Ending(StrEnum):
    """How a Job ends."""

    TRUTH = "as the downloader ends it"
    REPORT_LOST = "complete, without a report"
    KILLED = "killed before anything"
    KILLED_LATE = "killed after publishing"
    EVICTED = "evicted"
    POD_DELETED = "pod deleted"
    DEADLINE = "beyond its deadline"


@dataclass(frozen=True)
class Wish:
    """What the site does at a time: the part of a run that faults must not change the end of."""

    at: float
    channel: str
    video: Video


class Run:
    """A cluster, a site, a NAS, and operator processes.

    Call `close` at the end.
    """

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.clock = self.cluster.clock
        self.internet = Internet(self.clock)
        self.nas = Nas(self.internet, self.clock)
        newest = {name: spec["select"]["newest"] for name, spec in SPECS.items()}
        self.watchdog = Watchdog(self.cluster, self.internet, self.nas, newest)
        self.monotonic = 0.0
        self.published: list[Wish] = []
        self.opened: list[tuple[float, str]] = []
        self.processes: list[Process] = []
        self.deaf = False
        """The watches of all processes are silent."""
        self.broken: dict[tuple[str, str], str] = {}
        """(ConfigMap, key) → its text before somebody broke it."""
        self._loop = asyncio.new_event_loop()
        self.cluster.claim()
        for name in SPECS:
            self.internet.channels[name] = []
            self.apply(name)
        self.processes.append(self.start())

    def close(self) -> None:
        for process in self.processes:
            process.die()
        self._loop.close()

    # -- processes -----------------------------------------------------------------------------------------------

    def start(self) -> Process:
        return Process(self.cluster, self.internet, self._loop, self.watchdog.look, lambda: self.monotonic)

    def work(self, number: int, key: Key, calls: int, fault: Fault, *, writes: bool = False, finish: bool) -> None:
        """Let a process go on with a pass, or begin one.

        Args:
            number: of the process.
            key: of the Subscription.
            calls: so many API calls happen, over several passes where one has fewer.
            fault: what becomes of the last of them.
            writes: only writes are counted.
            finish: go on to the end of the pass afterwards.
        """
        process = self.processes[number % len(self.processes)]
        process.begin(key)
        left = calls
        for _ in range(MOST_CALLS):
            if process.dead or left == 0:
                break
            process.begin(key)
            if writes and not process.is_about_to_write(key):
                process.step(key)
                continue
            left -= 1
            process.step(key, fault if left == 0 else Fault.NONE)
        if finish and not process.dead:
            process.finish(key)
        self._replace_dead()

    def carry_on(self, seconds: float) -> None:
        """So much time passes, and the first process does what is due meanwhile."""
        self._work_until(self.monotonic + seconds, lambda: None)

    def restart(self, number: int) -> None:
        """A process is killed between two calls."""
        self.processes[number % len(self.processes)].die()
        self._replace_dead()

    def overlap(self, *, on: bool) -> None:
        """A second operator runs, or no more."""
        if on and len(self.processes) == 1:
            self.watchdog.overlap, self.watchdog.draining = True, False
            self.processes.append(self.start())
        elif not on and len(self.processes) == 2:
            self.processes.pop().die()
            self.watchdog.draining = True

    def _replace_dead(self) -> None:
        self.processes = [self.start() if process.dead else process for process in self.processes]

    def silence_watches(self, *, on: bool) -> None:
        """The watches bring nothing for a while: of Subscriptions and Jobs it is lost, of ledgers it comes late."""
        self.deaf = on
        for process in self.processes:
            process.operator.watch_lags = on
            if not on:
                process.operator.catch_up()

    def tell(self, name: str) -> None:
        """The watches tell of a change."""
        if not self.deaf:
            for process in self.processes:
                process.ask(("media", name))

    # -- time ----------------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Both clocks go on; the wall's shows whole seconds, and not those that are not over yet."""
        whole = math.floor(self.monotonic + seconds) - math.floor(self.monotonic)
        self.monotonic += seconds
        self.clock.advance(timedelta(seconds=whole))

    def jump(self, seconds: int) -> None:
        """The wall clock is set."""
        self.clock.advance(timedelta(seconds=seconds))

    # -- the site ------------------------------------------------------------------------------------------------

    def publish(self, channel: str, fate: Fate, number: int) -> None:
        """A new video; `number`: of failures, or of hours until its premiere."""
        name = f"{channel[0]}{len(self.published)}"
        premiere = self.clock.now() + timedelta(hours=number)
        video = Video(name, fate, number if fate is Fate.FLAKY else 0, premiere)
        self.published.append(Wish(self.monotonic, channel, replace(video)))
        self.internet.publish(channel, video)

    def open(self, number: int) -> None:
        """What was for members only is for everyone."""
        closed = [video for video in self._videos() if video.fate is Fate.MEMBERS]
        if closed:
            video = closed[number % len(closed)]
            video.fate = Fate.GOOD
            self.opened.append((self.monotonic, video.key))

    def take_down(self, number: int) -> None:
        """Who has the video, has it."""
        videos = self._videos()
        if videos:
            video = videos[number % len(videos)]
            video.fate = Fate.REMOVED
            self.watchdog.edited |= {(name, video.key) for name in SPECS}

    def rate_limit(self, *, on: bool) -> None:
        self.internet.rate_limited = on

    def upset_listings(self, trouble: Trouble) -> None:
        self.internet.trouble = trouble

    def take_volume_away(self, *, on: bool) -> None:
        self.nas.away = on

    def _videos(self) -> list[Video]:
        return [video for videos in self.internet.channels.values() for video in videos]

    # -- Jobs ----------------------------------------------------------------------------------------------------

    def end(self, number: int, ending: Ending) -> None:
        """A running Job ends."""
        jobs = self.cluster.running_jobs()
        if not jobs:
            return
        job = jobs[number % len(jobs)]
        name, key = subscription_of(job), job["metadata"]["annotations"][labels.VIDEO_ANNOTATION]
        match ending:
            case Ending.TRUTH | Ending.REPORT_LOST:
                result = self.nas.download(request_of(job))
                if result.outcome is OutcomeClass.TRANSIENT:
                    self.watchdog.burns[name, key] += 1
                lost = ending is Ending.REPORT_LOST and result.outcome is OutcomeClass.PUBLISHED
                end_job(self.cluster, job, 0 if lost else result)
            case Ending.KILLED:
                end_job(self.cluster, job, 137)
            case Ending.KILLED_LATE:
                if self.nas.download(request_of(job)).outcome is OutcomeClass.PUBLISHED:
                    end_job(self.cluster, job, 137)
                else:
                    self._burn(name, key)
                    job_controller.exceed_deadline(self.cluster, job)
            case Ending.EVICTED:
                job_controller.evict_pod(self.cluster, job)
            case Ending.POD_DELETED:
                job_controller.delete_pod(self.cluster, job)
            case Ending.DEADLINE:
                self._burn(name, key)
                job_controller.exceed_deadline(self.cluster, job)
        self.tell(name)

    def _burn(self, name: str, key: str) -> None:
        """A try is lost by bad luck: the video may be given up for it."""
        self.watchdog.burns[name, key] += 1
        self.watchdog.edited.add((name, key))

    # -- hands ---------------------------------------------------------------------------------------------------

    def apply(self, name: str) -> None:
        if self.cluster.get("Subscription", "media", name) is not None:
            return
        spec = {
            "url": f"https://www.youtube.com/@{name}/videos",
            "schedule": {"intervalSeconds": INTERVAL_SECONDS},
            "retry": {"maxAttempts": MAX_ATTEMPTS},
            **SPECS[name],
        }
        self.cluster.subscribe(spec, name=name)
        self.tell(name)

    def delete(self, name: str, propagation: str, *, again: bool) -> None:
        """A user deletes a Subscription, and may apply it again at once."""
        self.cluster.delete("Subscription", "media", name, propagation=propagation)
        if again:
            self.apply(name)
        self.tell(name)

    def set(self, name: str, field: str, value: object) -> None:
        self.change(name, {"spec": {field: value}})

    def annotate(self, name: str, annotation: str, value: object) -> None:
        self.change(name, {"metadata": {"annotations": {annotation: str(value)}}})

    def change(self, name: str, patch: Object) -> None:
        """A user patches a Subscription."""
        if self.cluster.get("Subscription", "media", name) is not None:
            self.cluster.merge("Subscription", "media", name, patch)
            self.tell(name)

    def collect_garbage(self) -> None:
        self.cluster.collect_garbage()
        self.watchdog.forget_lost()

    def delete_job(self, number: int, propagation: str) -> None:
        jobs = self.cluster.list("Job", **DOWNLOAD_JOBS)
        if jobs:
            job = jobs[number % len(jobs)]
            key = job["metadata"]["annotations"][labels.VIDEO_ANNOTATION]
            self.watchdog.edited.add((subscription_of(job), key))
            self.cluster.delete("Job", "media", job["metadata"]["name"], propagation=propagation)
            self.tell(subscription_of(job))

    def orphan_job(self, number: int) -> None:
        jobs = self.cluster.list("Job", **DOWNLOAD_JOBS)
        if jobs:
            name = jobs[number % len(jobs)]["metadata"]["name"]
            self.cluster.merge("Job", "media", name, {"metadata": {"ownerReferences": None}})

    def delete_shard(self, number: int) -> None:
        shards = self._shards()
        if shards:
            self.cluster.delete("ConfigMap", "media", shards[number % len(shards)]["metadata"]["name"])
            self.watchdog.forget_lost()

    def delete_entry(self, number: int) -> None:
        self._edit(number, lambda _: None)
        self.watchdog.forget_lost()

    def break_entry(self, number: int) -> None:
        self._edit(number, lambda text: "{" + text)

    def mend_entries(self) -> None:
        """Whoever broke entries puts them back as they were."""
        for (shard, key), text in self.broken.items():
            body = self.cluster.get("ConfigMap", "media", shard)
            if body is not None and (body.get("data") or {}).get(key, "").startswith("{{"):
                self.cluster.merge("ConfigMap", "media", shard, {"data": {key: text}})
        self.broken.clear()

    def touch_shard(self, number: int) -> None:
        shards = self._shards()
        if shards:
            note = {"metadata": {"annotations": {"note": str(self.monotonic)}}}
            self.cluster.merge("ConfigMap", "media", shards[number % len(shards)]["metadata"]["name"], note)

    def _shards(self) -> list[Object]:
        return [shard for name in SPECS for shard in self.cluster.shards(name)]

    def _edit(self, number: int, edit: Callable[[str], str | None]) -> None:
        values = [(shard, key) for shard in self._shards() for key in shard.get("data") or {}]
        if not values:
            return
        shard, key = values[number % len(values)]
        text, name = shard["data"][key], shard["metadata"]["name"]
        if text.startswith("{{"):
            return
        edited = edit(text)
        if edited is not None:
            self.broken[name, key] = text
        self.watchdog.edited.add((shard["metadata"]["labels"][labels.SUBSCRIPTION_LABEL], key))
        self.cluster.merge("ConfigMap", "media", name, {"data": {key: edited}})

    def limit(self, what: str, hard: int | None) -> None:
        """A quota comes (`hard`), or goes."""
        self.cluster.delete("ResourceQuota", "media", "tight")
        if hard is not None:
            metadata = {"namespace": "media", "name": "tight"}
            self.cluster.put("ResourceQuota", {"metadata": metadata, "spec": {"hard": {what: str(hard)}}})

    def have_claim(self, *, there: bool) -> None:
        self.cluster.delete("PersistentVolumeClaim", "media", "library")
        if there:
            self.cluster.claim()

    # -- the end -------------------------------------------------------------------------------------------------

    def end_trouble(self) -> None:
        """Nothing goes wrong any more, and nobody wants anything else any more."""
        self.overlap(on=False)
        self.silence_watches(on=False)
        self.internet.trouble, self.internet.rate_limited, self.nas.away = Trouble.NONE, False, False
        self.limit("", None)
        self.have_claim(there=True)
        self.mend_entries()
        for name in SPECS:
            self.apply(name)
            self.change(name, {"spec": {"suspend": False}})

    def come_to_rest(self) -> None:
        """Passes when they are due, endings and time, until everything is as the truth says.

        Raises:
            AssertionError: that does not happen.
        """
        process = self.processes[0]
        for key in KEYS:
            process.finish(key)
        for _ in range(MOST_PASSES):
            self.collect_garbage()
            self._end_jobs()
            self.advance(max(0.0, process.next_due() - self.monotonic))
            for key in process.take_due():
                process.begin(key)
                process.finish(key)
            if self.is_at_rest():
                return
            if not self._restless():
                self.jump(86_400)  # only waits are left
        raise AssertionError(f"did not come to rest: {self.watchdog.unfinished()}, {self._restless()}")

    def is_at_rest(self) -> bool:
        return not self._restless() and not self.watchdog.unfinished() and not self.cluster.running_jobs()

    def _restless(self) -> set[str]:
        states = {(name, key): state for name in SPECS for key, state in self.cluster.states(name).items()}
        return {f"{name} {key}: {state}" for (name, key), state in states.items() if state in RESTLESS}

    def check_the_end(self) -> None:
        """What must hold at rest: the status tells the ledger, and passes have nothing to write any more."""
        process = self.processes[0]
        for key in KEYS:
            for _ in range(2):
                process.begin(key)
                process.finish(key)
            writes = len(self.cluster.writes)
            process.begin(key)
            process.finish(key)
            assert writes == len(self.cluster.writes), f"{key} writes at rest: {self.cluster.writes[writes:]}"
            states = [*self.cluster.states(key[1]).values()]
            counts = self.cluster.subscription(key)["status"]["counts"]
            assert counts["downloaded"] == states.count(LedgerState.SUCCEEDED)
            assert self.cluster.condition("UpToDate", key) == ("True", "AllDownloaded")

    def compare_with_an_undisturbed_run(self) -> None:
        """The same site without any trouble: what no hand has touched must have ended alike."""
        other = Run()
        try:
            for wish in self.published:
                other.work_undisturbed(wish.at)
                other.internet.publish(wish.channel, replace(wish.video))
            for at, key in self.opened:
                other.work_undisturbed(at)
                other.internet.find(key).fate = Fate.GOOD
            other.come_to_rest()
            expected = other.watchdog.untouched()
        finally:
            other.close()
        untouched = self.watchdog.untouched()
        assert {row: _end_of(expected[row]) for row in untouched if row in expected} == {
            row: _end_of(entry) for row, entry in untouched.items() if row in expected
        }

    def work_undisturbed(self, until: float) -> None:
        """Passes when they are due, and all goes well."""
        self._work_until(until, self._end_jobs)

    def _work_until(self, until: float, after: Callable[[], None]) -> None:
        process = self.processes[0]
        for _ in range(MOST_PASSES):
            if process.next_due() > until:
                break
            self.advance(max(0.0, process.next_due() - self.monotonic))
            for key in process.take_due():
                process.begin(key)
                process.finish(key)
            after()
        else:
            raise AssertionError(f"passes without end before {until}: {process.due}")
        self.advance(max(0.0, until - self.monotonic))

    def _end_jobs(self) -> None:
        while self.cluster.running_jobs():
            self.end(0, Ending.TRUTH)


def _end_of(entry: LedgerEntry) -> tuple[LedgerState, int, str | None]:
    """What must not depend on trouble."""
    return entry.state, entry.failures, entry.path
