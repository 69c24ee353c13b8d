"""Whose histories are on a volume: a record for each Subscription of a namespace that has any manifest there.

One Job answers for all Subscriptions of a namespace that share a claim, so that a new one needs no inventory of its
own to learn that it has no history (see `contract.volume_job`).
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trawler_downloader.contract.volume_job import VolumeRecord, VolumeRequest

NAME_PATTERN = r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?"
"""Of a Subscription: Kubernetes' rule for names of custom resources (RFC 1123 subdomain), a little wider."""


class SurveyRequest(VolumeRequest):
    """Which namespace's histories to name. The cursor is the last name."""

    namespace: Annotated[str, Field(min_length=1)]

    @property
    def scope(self) -> str:
        """The namespace."""
        return self.namespace


class HistoryLine(VolumeRecord):
    """A Subscription whose folder on the volume holds a manifest."""

    name: Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
    """Of the Subscription, in the request's namespace."""
