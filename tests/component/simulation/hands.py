"""What people do to the cluster: users to their Subscriptions, admins to quotas and claims, and slips of either."""

from __future__ import annotations

from collections.abc import Callable

from component.cluster import DOWNLOAD_JOBS, Cluster
from component.object_store import Object
from component.simulation.cast import NAMESPACES, OWNERS, SPECS, key_of
from component.simulation.process import subscription_of
from component.simulation.truth import Internet
from component.simulation.watchdog import MAX_ATTEMPTS, Watchdog
from component.world import GATES
from trawler_operator.api import labels
from trawler_operator.api.subscription import Key
from trawler_operator.domain.requests.grammar import Verb

INTERVAL_SECONDS = 21_600


class Hands:
    """Whoever has kubectl.

    Args:
        cluster: what they act upon.
        internet: has the videos that they name.
        watchdog: is told what they change.
        tell: the watches tell of a change that concerns a Subscription.
    """

    def __init__(
        self,
        cluster: Cluster,
        internet: Internet,
        watchdog: Watchdog,
        tell: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._internet = internet
        self._watchdog = watchdog
        self._tell = tell
        self._broken: dict[tuple[Key, str], str] = {}
        """ConfigMap and key → its text before somebody broke it."""

    # -- Subscriptions -------------------------------------------------------------------------------------------

    def apply(self, name: str) -> None:
        if self._cluster.get("Subscription", *key_of(name)) is not None:
            return
        spec = {
            "schedule": {"intervalSeconds": INTERVAL_SECONDS},
            "retry": {"maxAttempts": MAX_ATTEMPTS},
            **SPECS[name],
        }
        self._cluster.subscribe(spec, name=name, namespace=NAMESPACES[name])
        self._tell(name)

    def delete(self, name: str, propagation: str, *, again: bool) -> None:
        """A user deletes a Subscription, and may apply it again at once."""
        self._cluster.delete("Subscription", *key_of(name), propagation=propagation)
        if again:
            self.apply(name)
        self._tell(name)

    def set(self, name: str, field: str, value: object) -> None:
        self._change(name, {"spec": {field: value}})

    def annotate(self, name: str, annotation: str, value: object) -> None:
        self._change(name, {"metadata": {"annotations": {annotation: str(value)}}})

    def request(self, name: str, verb: Verb, number: int, what: str, first: int) -> None:
        """A user asks for something about videos: those that `what` says, or two of the channel's from `first` on."""
        rows = {(name, video.key) for video in self._internet.channels[name]}
        if what == "keys":
            named = sorted(rows)[first : first + 2]
            what = "keys=" + ",".join(key for _, key in named)
            rows = {*named}
        marks = self._watchdog.retried if verb is Verb.RETRY else self._watchdog.unwanted
        marks |= rows
        self.annotate(name, verb.annotation, f"{number};{what}" if what else number)

    def _change(self, name: str, patch: Object) -> None:
        """A user patches a Subscription."""
        if self._cluster.get("Subscription", *key_of(name)) is not None:
            self._cluster.merge("Subscription", *key_of(name), patch)
            self._tell(name)

    # -- Jobs ----------------------------------------------------------------------------------------------------

    def delete_job(self, number: int, propagation: str) -> None:
        jobs = self._cluster.list("Job", **DOWNLOAD_JOBS)
        if jobs:
            job = jobs[number % len(jobs)]
            key = job["metadata"]["annotations"][labels.VIDEO_ANNOTATION]
            self._watchdog.edited.add((subscription_of(job), key))
            self._cluster.delete("Job", *_place(job), propagation=propagation)
            self._tell(subscription_of(job))

    def orphan_job(self, number: int) -> None:
        jobs = self._cluster.list("Job", **DOWNLOAD_JOBS)
        if jobs:
            self._cluster.merge("Job", *_place(jobs[number % len(jobs)]), {"metadata": {"ownerReferences": None}})

    # -- the ledger ----------------------------------------------------------------------------------------------

    def delete_shard(self, number: int) -> None:
        shards = self._shards()
        if shards:
            self._cluster.delete("ConfigMap", *_place(shards[number % len(shards)]))
            self._watchdog.forget_lost()

    def lose_ledger(self, name: str) -> None:
        """All of it: `kubectl delete configmap -l trawler.dev/subscription=...`."""
        for shard in self._cluster.shards(name):
            self._cluster.delete("ConfigMap", *_place(shard))
        self._watchdog.forget_lost()

    def delete_entry(self, number: int) -> None:
        self._edit(number, lambda _: None)
        self._watchdog.forget_lost()

    def break_entry(self, number: int) -> None:
        self._edit(number, lambda text: "{" + text)

    def mend_entries(self) -> None:
        """Whoever broke entries puts them back as they were."""
        for (shard, key), text in self._broken.items():
            body = self._cluster.get("ConfigMap", *shard)
            if body is not None and (body.get("data") or {}).get(key, "").startswith("{{"):
                self._cluster.merge("ConfigMap", *shard, {"data": {key: text}})
        self._broken.clear()

    def touch_shard(self, number: int) -> None:
        shards = self._shards()
        if shards:
            shard = shards[number % len(shards)]
            note = {"metadata": {"annotations": {"note": f"after {shard['metadata']['resourceVersion']}"}}}
            self._cluster.merge("ConfigMap", *_place(shard), note)

    def _shards(self) -> list[Object]:
        return [shard for name in SPECS for shard in self._cluster.shards(name)]

    def _edit(self, number: int, edit: Callable[[str], str | None]) -> None:
        values = [(shard, key) for shard in self._shards() for key in shard.get("data") or {}]
        if not values:
            return
        shard, key = values[number % len(values)]
        text, place = shard["data"][key], _place(shard)
        if text.startswith("{{"):
            return
        edited = edit(text)
        if edited is not None:
            self._broken[place, key] = text
        self._watchdog.edited.add((shard["metadata"]["labels"][labels.SUBSCRIPTION_LABEL], key))
        self._cluster.merge("ConfigMap", *place, {"data": {key: edited}})

    # -- the surroundings ----------------------------------------------------------------------------------------

    def limit(self, namespace: str, what: str, hard: int | None) -> None:
        """A quota comes (`hard`), or goes."""
        self._cluster.delete("ResourceQuota", namespace, "tight")
        if hard is not None:
            metadata = {"namespace": namespace, "name": "tight"}
            self._cluster.put("ResourceQuota", {"metadata": metadata, "spec": {"hard": {what: str(hard)}}})

    def have_claim(self, claim: str, *, there: bool) -> None:
        self._cluster.delete("PersistentVolumeClaim", OWNERS[claim], claim)
        if there:
            self._cluster.claim(claim, OWNERS[claim])

    def open_gate(self, number: int) -> None:
        """An admin removes a gate by hand."""
        body = self._cluster.get("ConfigMap", *GATES)
        names = sorted((body or {}).get("data") or {})
        if names:
            self._cluster.merge("ConfigMap", *GATES, {"data": {names[number % len(names)]: None}})
            self._watchdog.gates.gate_removed()

    def put_right(self) -> None:
        """Nothing is in the way any more, and nobody wants anything else than all Subscriptions at work."""
        for namespace in sorted({*NAMESPACES.values()}):
            self.limit(namespace, "", None)
        for claim in OWNERS:
            self.have_claim(claim, there=True)
        self.mend_entries()
        for name in SPECS:
            self.apply(name)
            self._change(name, {"spec": {"suspend": False, "surprise": None}})


def _place(body: Object) -> Key:
    """Its namespace and name."""
    return body["metadata"]["namespace"], body["metadata"]["name"]
