"""Which Subscriptions have a history on a volume at all: one Job answers for all that wait. Pure.

A Subscription without any shard that the survey does not name is new, and needs no inventory of its own. Three
conditions must hold. Each closes a way in which a history could be overlooked:

- Nothing was ever checked or counted for the Subscription (`may_be_new`). Otherwise its ledger was deleted while it
  lives. Then its downloads may be younger than the survey, and a volume without a marker is not mounted.
- The survey began after the Subscription was created, or after it asked (`Survey.counts_for`). Otherwise an earlier
  Subscription of its name may have downloaded in between.
- The survey was read within LONGEST_AGE: people mount volumes, swap them, and fill them from backups.

A Subscription that fails the first condition reads its own inventory. One that fails another waits for the next survey,
which takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trawler_downloader.contract.survey import HistoryLine, SurveyRequest
from trawler_downloader.contract.volume_job import Chunk
from trawler_operator.api import labels
from trawler_operator.api.status import Counts
from trawler_operator.api.subscription import Subscription
from trawler_operator.domain.jobs.naming import digest
from trawler_operator.domain.jobs.settings import JobDefaults
from trawler_operator.domain.ledger.ledger import Ledger
from trawler_operator.domain.volume_jobs.order import VolumeJobKind, VolumeJobOrder, build_volume_pod

SURVEY = VolumeJobKind(name="survey", command=("python", "-m", "trawler_downloader.survey"), record=HistoryLine)
LONGEST_AGE = timedelta(minutes=1)
"""Longest age of an answer, from its reading on. Subscriptions that were applied together either are through by then or
soon ask once more, which costs one Job a minute. A change that a person makes to a volume is seen by any Subscription
that comes a minute later.
"""

SurveyId = tuple[str, str]
"""(namespace, hash of the claim and of the pod that reads it)."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the surveys of a volume have found so far.

    Args:
        began_at: when the first Job was created, by the API server's clock.
        asked: uids of the Subscriptions that had asked before that.
        volume_id: the volume's marker; None if it has none.
        names: names of the Subscriptions that have a history.
        after: cursor of the next part; None if all parts have come.
    """

    began_at: datetime
    asked: AbstractSet[str]
    volume_id: str | None = None
    names: frozenset[str] = frozenset()
    after: str | None = ""

    def plus(self, chunk: Chunk[HistoryLine]) -> Survey:
        """The survey with one more part."""
        names = self.names | {record.name for record in chunk.records}
        return replace(self, volume_id=chunk.header.volume_id, names=names, after=chunk.trailer.next_after)

    def counts_for(self, subscription: Subscription) -> bool:
        """Whether the survey is valid for this Subscription: none of its name can have downloaded since it began.

        Within one second, the two times do not show which came first; then it is not valid.
        """
        return subscription.uid in self.asked or subscription.creation_timestamp < self.began_at


def may_be_new(subscription: Subscription, ledger: Ledger) -> bool:
    """Whether a survey may decide that a Subscription has no history.

    Args:
        subscription: as read, with what is known of its status.
        ledger: as it is.
    """
    status = subscription.status
    return not ledger.has_shards and status.last_check_time is None and status.counts == Counts()


def survey_id(subscription: Subscription, claim: str, defaults: JobDefaults) -> SurveyId:
    """Which Subscriptions can share a survey: those whose pods see the same claim in the same way.

    All of the pod counts. User, groups, node selector and tolerations decide whether it may read the volume and where
    it runs. Resources decide whether the namespace admits it. The spec's labels and annotations decide what is injected
    into it.
    """
    pod = build_volume_pod(SURVEY, subscription, claim, {}, defaults)
    wishes = subscription.spec.job
    return subscription.namespace, digest(json.dumps([pod, wishes.pod_labels, wishes.pod_annotations], sort_keys=True))


def order_survey(
    subscription: Subscription,
    claim: str,
    survey: SurveyId,
    so_far: Survey | None,
    *,
    at_once: bool,
    one_node: bool = False,
) -> VolumeJobOrder[HistoryLine]:
    """The order for the next part.

    Args:
        subscription: one of those that wait.
        claim: the volume.
        survey: `survey_id(...)`.
        so_far: the parts that have come; None: none.
        at_once: whether a failed try is repeated without a pause.
        one_node: whether the claim's volume is attached to one node at a time.
    """
    namespace, name = survey
    return VolumeJobOrder(
        kind=SURVEY,
        request=SurveyRequest(
            namespace=namespace,
            after=(so_far.after if so_far else None) or "",
            volume_id=so_far.volume_id if so_far else None,
        ),
        subscription=subscription,
        claim=claim,
        title=claim,
        identity=survey,
        labels=labels.survey_labels(name),
        one_node=one_node,
        owned=False,
        at_once=at_once,
    )
