"""What must hold of listings: each has a reason of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from component.cluster import Cluster
from component.simulation.calls import UnderWay, this_pass
from component.simulation.cast import key_of
from component.simulation.hands import INTERVAL_SECONDS
from component.simulation.process import mark_time
from component.simulation.truth import Internet
from trawler_operator.api import labels
from trawler_operator.domain.checks.schedule import FIRST_BACKOFF, MAX_BACKOFF
from trawler_operator.domain.pauses import backoff


@dataclass
class _Listed:
    """A listing, and what it was made for.

    Args:
        number: of the pass.
        uid: of the Subscription.
        at: when the pass began, by the clock.
        asked: value of the annotation that asks for a check.
        digest: of what the listing is made from.
        failures: in a row, it among them.
        unclear: a call of its pass failed: it may count as failed.
        again: the next one needs no reason: nobody may know of this one.
    """

    number: int
    uid: str
    at: datetime
    asked: str | None
    digest: str
    failures: int = 0
    unclear: bool = False
    again: bool = False


@dataclass
class ListingWatch:
    """Looks at what is listed, and why.

    Args:
        cluster: has the Subscriptions.
        internet: knows whether a listing can go well.
        alone: whether one operator works: another one may list once more.
    """

    cluster: Cluster
    internet: Internet
    alone: Callable[[], bool]
    _last: dict[str, _Listed] = field(default_factory=dict)
    _forgiven: int = 0
    """Passes that began before it list by another clock."""

    def look(self, name: str) -> None:
        """A source is about to be listed."""
        this, last = this_pass.get(), self._last.get(name)
        if this.body is None:  # it was applied after the pass had begun
            this = replace(this, body=self.cluster.get("Subscription", *this.key))
        assert this.body is not None, "a Subscription that is gone is not listed"
        metadata = this.body["metadata"]
        asked = (metadata.get("annotations") or {}).get(labels.CHECK_ANNOTATION)
        listed = _Listed(this.number, metadata["uid"], this.at, asked, this.digests[0])
        is_known = last is not None and last.uid == listed.uid and not last.again
        if last is not None and is_known and self.alone():
            self._find_reason(name, last, listed)
        if self.internet.fails(name):
            listed.failures = last.failures + 1 if last is not None and is_known and not last.unclear else 1
        self._last[name] = listed

    def ended(self, this: UnderWay) -> None:
        """After a pass."""
        last = self._last.get(this.key[1])
        if last is None or last.number != this.number:
            return
        body = self.cluster.get("Subscription", *this.key)
        known = body is not None and this.body is not None
        is_stale = not known or body["metadata"]["generation"] != this.body["metadata"]["generation"]
        last.again = last.again or this.was_cut or is_stale or this.number < self._forgiven or not self.alone()
        last.unclear = bool(this.failed)

    def forgive(self) -> None:
        """A process died, or the clock was set: the next listing of each needs no reason."""
        self._forgiven = mark_time()
        for last in self._last.values():
            last.again = True

    def _find_reason(self, name: str, last: _Listed, listed: _Listed) -> None:
        if (listed.asked is not None and listed.asked != last.asked) or listed.digest != last.digest:
            return
        failures = 1 if last.unclear else last.failures
        pause = backoff(FIRST_BACKOFF, MAX_BACKOFF, failures) if failures else timedelta(seconds=INTERVAL_SECONDS)
        now = self.cluster.clock.now()
        assert now >= last.at + pause, f"{key_of(name)} is listed again after {now - last.at}, without any reason"
