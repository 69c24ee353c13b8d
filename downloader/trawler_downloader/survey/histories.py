"""The Subscriptions of a namespace that have a history on a volume, in the order of their names.

A folder counts as a history as soon as one manifest lies in it. Whether that manifest is committed, or can be read, is
for the Subscription's own inventory to find out: here it would cost a read of a file for each Subscription, and a
history that is taken for none would be downloaded again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from trawler_downloader.contract.download import SubscriptionRef
from trawler_downloader.contract.survey import NAME_PATTERN, HistoryLine, SurveyRequest
from trawler_downloader.download.volume import look
from trawler_downloader.inventory.manifests import has_manifests
from trawler_downloader.library.state import ClaimPaths
from trawler_downloader.volume_jobs.chunk import Item, names_in, write_chunk

_NAME = re.compile(NAME_PATTERN)


def print_survey(request: SurveyRequest, claim: Path, output: BinaryIO, monotonic: Callable[[], float]) -> None:
    """Write the chunk, header to trailer.

    Args:
        request: which part.
        claim: root of the volume.
        output: takes the lines.
        monotonic: seconds of a clock that never jumps.

    Raises:
        LaunchError: Environment: the volume is not the one that was expected.
        OSError: the volume does not answer.
    """
    # Any Subscription's paths do: state folder and marker are shared by all.
    volume_id = look(_paths(request, claim, "any"), request.volume_id)
    write_chunk(request, volume_id, _items(request, claim), output, monotonic)


def _items(request: SurveyRequest, claim: Path) -> Iterator[Item]:
    """A namespace holds no dot, so the first one ends it: `media.a.b` is the Subscription `a.b` of `media`."""
    prefix = f"{request.namespace}."
    folders = names_in(_paths(request, claim, "any").state)
    names = (folder.removeprefix(prefix) for folder in folders if folder.startswith(prefix))
    for name in sorted(name for name in names if _NAME.fullmatch(name) and name > request.after):
        yield Item(name, f"{prefix}{name}", partial(_history, _paths(request, claim, name), name))


def _history(paths: ClaimPaths, name: str) -> HistoryLine | None:
    return HistoryLine(name=name) if has_manifests(paths) else None


def _paths(request: SurveyRequest, claim: Path, name: str) -> ClaimPaths:
    return ClaimPaths(claim, SubscriptionRef(namespace=request.namespace, name=name))
