"""What people do to the cluster: users to their Subscriptions, admins to quotas and claims, and slips of either."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from component.cluster import DOWNLOAD_JOBS, Cluster
from component.object_store import Object
from component.simulation.process import subscription_of
from component.simulation.watchdog import MAX_ATTEMPTS, Watchdog
from trawler_operator.api import labels

INTERVAL_SECONDS = 21_600


class Hands:
    """Whoever has kubectl.

    Args:
        cluster: what they act upon.
        specs: by Subscription, what its spec says beside what all of them do.
        watchdog: is told what they change.
        tell: the watches tell of a change that concerns a Subscription.
    """

    def __init__(
        self, cluster: Cluster, specs: Mapping[str, Object], watchdog: Watchdog, tell: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._specs = specs
        self._watchdog = watchdog
        self._tell = tell
        self._broken: dict[tuple[str, str], str] = {}
        """(ConfigMap, key) → its text before somebody broke it."""

    # -- Subscriptions -------------------------------------------------------------------------------------------

    def apply(self, name: str) -> None:
        if self._cluster.get("Subscription", "media", name) is not None:
            return
        spec = {
            "url": f"https://www.youtube.com/@{name}/videos",
            "schedule": {"intervalSeconds": INTERVAL_SECONDS},
            "retry": {"maxAttempts": MAX_ATTEMPTS},
            **self._specs[name],
        }
        self._cluster.subscribe(spec, name=name)
        self._tell(name)

    def delete(self, name: str, propagation: str, *, again: bool) -> None:
        """A user deletes a Subscription, and may apply it again at once."""
        self._cluster.delete("Subscription", "media", name, propagation=propagation)
        if again:
            self.apply(name)
        self._tell(name)

    def set(self, name: str, field: str, value: object) -> None:
        self._change(name, {"spec": {field: value}})

    def annotate(self, name: str, annotation: str, value: object) -> None:
        self._change(name, {"metadata": {"annotations": {annotation: str(value)}}})

    def _change(self, name: str, patch: Object) -> None:
        """A user patches a Subscription."""
        if self._cluster.get("Subscription", "media", name) is not None:
            self._cluster.merge("Subscription", "media", name, patch)
            self._tell(name)

    # -- Jobs ----------------------------------------------------------------------------------------------------

    def delete_job(self, number: int, propagation: str) -> None:
        jobs = self._cluster.list("Job", **DOWNLOAD_JOBS)
        if jobs:
            job = jobs[number % len(jobs)]
            key = job["metadata"]["annotations"][labels.VIDEO_ANNOTATION]
            self._watchdog.edited.add((subscription_of(job), key))
            self._cluster.delete("Job", "media", job["metadata"]["name"], propagation=propagation)
            self._tell(subscription_of(job))

    def orphan_job(self, number: int) -> None:
        jobs = self._cluster.list("Job", **DOWNLOAD_JOBS)
        if jobs:
            name = jobs[number % len(jobs)]["metadata"]["name"]
            self._cluster.merge("Job", "media", name, {"metadata": {"ownerReferences": None}})

    # -- the ledger ----------------------------------------------------------------------------------------------

    def delete_shard(self, number: int) -> None:
        shards = self._shards()
        if shards:
            self._cluster.delete("ConfigMap", "media", shards[number % len(shards)]["metadata"]["name"])
            self._watchdog.forget_lost()

    def delete_entry(self, number: int) -> None:
        self._edit(number, lambda _: None)
        self._watchdog.forget_lost()

    def break_entry(self, number: int) -> None:
        self._edit(number, lambda text: "{" + text)

    def mend_entries(self) -> None:
        """Whoever broke entries puts them back as they were."""
        for (shard, key), text in self._broken.items():
            body = self._cluster.get("ConfigMap", "media", shard)
            if body is not None and (body.get("data") or {}).get(key, "").startswith("{{"):
                self._cluster.merge("ConfigMap", "media", shard, {"data": {key: text}})
        self._broken.clear()

    def touch_shard(self, number: int) -> None:
        shards = self._shards()
        if shards:
            shard = shards[number % len(shards)]["metadata"]
            note = {"metadata": {"annotations": {"note": f"after {shard['resourceVersion']}"}}}
            self._cluster.merge("ConfigMap", "media", shard["name"], note)

    def _shards(self) -> list[Object]:
        return [shard for name in self._specs for shard in self._cluster.shards(name)]

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
            self._broken[name, key] = text
        self._watchdog.edited.add((shard["metadata"]["labels"][labels.SUBSCRIPTION_LABEL], key))
        self._cluster.merge("ConfigMap", "media", name, {"data": {key: edited}})

    # -- the surroundings ----------------------------------------------------------------------------------------

    def limit(self, what: str, hard: int | None) -> None:
        """A quota comes (`hard`), or goes."""
        self._cluster.delete("ResourceQuota", "media", "tight")
        if hard is not None:
            metadata = {"namespace": "media", "name": "tight"}
            self._cluster.put("ResourceQuota", {"metadata": metadata, "spec": {"hard": {what: str(hard)}}})

    def have_claim(self, *, there: bool) -> None:
        self._cluster.delete("PersistentVolumeClaim", "media", "library")
        if there:
            self._cluster.claim()

    def put_right(self) -> None:
        """Nothing is in the way any more, and nobody wants anything else than all Subscriptions at work."""
        self.limit("", None)
        self.have_claim(there=True)
        self.mend_entries()
        for name in self._specs:
            self.apply(name)
            self._change(name, {"spec": {"suspend": False}})
