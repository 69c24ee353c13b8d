"""What the spec says and what the operator adds to it."""

from __future__ import annotations

from builders import subscription
from trawler_operator.api.status import LibraryStatus
from trawler_operator.domain.jobs.settings import JobDefaults, place


def test_where_new_files_go() -> None:
    """With the operator's claim filled in, for the status to compare."""
    assert place(
        subscription({"library": {"path": "tim"}}).spec, JobDefaults(image="i", claim_name="library")
    ) == LibraryStatus(claim_name="library", path="tim", layout="Show")
