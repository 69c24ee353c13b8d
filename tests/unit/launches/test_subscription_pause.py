"""When a Subscription's own downloads pause, and what ends the pause."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import NOON, subscription
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.api.status import Backoff
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.launches.subscription_pause import next_backoff, paused_until, standing_pause

ENVIRONMENT = OutcomeClass.ENVIRONMENT
SEC, MIN, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OVER, ONGOING = NOON - SEC, NOON + SEC


def _ended(outcome: OutcomeClass, reason: str = "Why", **result: Any) -> ObservedOutcome:
    report = DownloadResult(outcome=outcome, reason=reason, **result) if result else None
    return ObservedOutcome(outcome, reason, "words", NOON, report)


def _paused(step: int, until: datetime, reason: str = "Why") -> Backoff:
    return Backoff(outcome=ENVIRONMENT, reason=reason, message="words", step=step, until_time=until)


@pytest.mark.parametrize(
    ("previous", "observed", "expected"),
    [
        pytest.param(None, _ended(OutcomeClass.TRANSIENT), None, id="nothing holds back"),
        pytest.param(None, _ended(ENVIRONMENT), _paused(1, NOON + MIN), id="first trouble"),
        pytest.param(_paused(1, OVER), _ended(ENVIRONMENT), _paused(2, NOON + 2 * MIN), id="again"),
        pytest.param(_paused(50, OVER), _ended(ENVIRONMENT), _paused(51, NOON + HOUR), id="for days"),
        pytest.param(_paused(1, ONGOING), _ended(ENVIRONMENT), _paused(1, ONGOING), id="several met it together"),
        pytest.param(None, _ended(ENVIRONMENT, "NoSpace"), None, id="a full volume is its gate's"),
        pytest.param(
            None,
            _ended(ENVIRONMENT, "MountFailed"),
            _paused(1, NOON + MIN, "MountFailed"),
            id="a volume that does not mount may be its node's",
        ),
        pytest.param(
            None,
            _ended(ENVIRONMENT, "LibraryPathInvalid"),
            _paused(1, NOON + MIN, "LibraryPathInvalid"),
            id="a file in the way of its folder",
        ),
        pytest.param(None, _ended(ENVIRONMENT, "NotEnoughSpace"), None, id="too large: smaller ones may fit"),
        pytest.param(None, _ended(ENVIRONMENT, "NameRefused"), None, id="a name of one video"),
        pytest.param(None, _ended(ENVIRONMENT, "NoFreeName"), None, id="all names of one video"),
        pytest.param(None, _ended(OutcomeClass.RATE_LIMITED), None, id="a limit is its gate's"),
        pytest.param(_paused(5, OVER), _ended(OutcomeClass.PUBLISHED), None, id="published: it is over"),
        pytest.param(
            _paused(5, OVER), _ended(OutcomeClass.PUBLISHED, "AlreadyPublished"), None, id="found there: it is over"
        ),
        pytest.param(_paused(5, OVER), _ended(OutcomeClass.TERMINAL), _paused(5, OVER), id="removed: proves nothing"),
        *(
            pytest.param(
                _paused(5, OVER, reason), _ended(OutcomeClass.TERMINAL, retry_at=1), None, id=f"{reason}: one ran now"
            )
            for reason in ("JobRejected", "ImagePullFailed")
        ),
        *(
            pytest.param(None, _ended(ENVIRONMENT, reason), _paused(1, NOON + MIN, reason), id=f"{reason}: its own")
            for reason in ("VolumeMarkerMissing", "VolumeMarkerMismatch")
        ),
        *(
            pytest.param(
                _paused(5, OVER, reason), _ended(OutcomeClass.TERMINAL, volume_id="v"), None, id=f"{reason}: it is back"
            )
            for reason in ("VolumeMarkerMissing", "VolumeMarkerMismatch")
        ),
        pytest.param(
            _paused(5, OVER, "BelowMinFree"),
            _ended(OutcomeClass.TRANSIENT, volume_id="v"),
            None,
            id="BelowMinFree: there is room again, and the site failed",
        ),
        pytest.param(
            _paused(5, OVER, "BelowMinFree"),
            _ended(ENVIRONMENT, "BelowMinFree", volume_id="v"),
            _paused(6, NOON + 32 * MIN, "BelowMinFree"),
            id="BelowMinFree: there is none",
        ),
        pytest.param(
            _paused(5, OVER, "RequestInvalid"),
            _ended(OutcomeClass.TRANSIENT, volume_id="v"),
            None,
            id="RequestInvalid: it was understood",
        ),
        pytest.param(
            _paused(5, NOON + 365 * DAY, "PermissionDenied"),
            _ended(ENVIRONMENT, "PermissionDenied"),
            _paused(6, NOON + 32 * MIN, "PermissionDenied"),
            id="written by a clock that ran ahead, and met again",
        ),
        pytest.param(
            _paused(5, OVER, "VolumeMarkerMissing"),
            _ended(OutcomeClass.TERMINAL, retry_at=1),
            _paused(5, OVER, "VolumeMarkerMissing"),
            id="VolumeMarkerMissing: one that did not get as far as the volume",
        ),
        pytest.param(
            _paused(5, ONGOING, "VolumeMarkerMissing"),
            _ended(OutcomeClass.TERMINAL, volume_id="v"),
            _paused(5, ONGOING, "VolumeMarkerMissing"),
            id="VolumeMarkerMissing: one that began before",
        ),
        pytest.param(
            _paused(5, OVER, "PermissionDenied"),
            _ended(OutcomeClass.TERMINAL, volume_id="v"),
            _paused(5, OVER, "PermissionDenied"),
            id="PermissionDenied: its folder may refuse it still",
        ),
        pytest.param(
            _paused(5, OVER, "ImagePullFailed"),
            _ended(OutcomeClass.TERMINATED),
            _paused(5, OVER, "ImagePullFailed"),
            id="ImagePullFailed: one was stopped, and said nothing",
        ),
        pytest.param(
            _paused(5, ONGOING, "JobRejected"),
            _ended(OutcomeClass.TERMINAL, retry_at=1),
            _paused(5, ONGOING, "JobRejected"),
            id="JobRejected: one that ran before",
        ),
    ],
)
def test_next_backoff(previous: Backoff | None, observed: ObservedOutcome, expected: Backoff | None) -> None:
    """When a Subscription's downloads pause, and what ends the pause."""
    assert next_backoff(previous, observed, NOON) == expected


@pytest.mark.parametrize(
    ("pause", "expected"),
    [
        pytest.param(None, None, id="none"),
        pytest.param(_paused(1, OVER), None, id="over"),
        pytest.param(_paused(1, NOON), None, id="over just now"),
        pytest.param(_paused(1, ONGOING), ONGOING, id="goes on"),
        pytest.param(_paused(9, NOON + HOUR), NOON + HOUR, id="the longest"),
        pytest.param(_paused(9, NOON + HOUR + 5 * MIN), NOON + HOUR + 5 * MIN, id="of a clock a little ahead"),
        pytest.param(_paused(9, NOON + 2 * HOUR), None, id="of a clock that ran ahead"),
    ],
)
def test_paused_until(pause: Backoff | None, expected: datetime | None) -> None:
    """A pause ends by its time, however the clock is set meanwhile."""
    assert paused_until(pause, NOON) == expected


@pytest.mark.parametrize(("observed", "stands"), [(3, True), (2, False), (None, False)])
def test_a_new_generation_of_the_spec_ends_the_pause(observed: int | None, stands: bool) -> None:
    """It may be what mends the trouble."""
    pause = _paused(5, ONGOING)
    status = {"backoff": pause.model_dump(mode="json", by_alias=True), "observedGeneration": observed}
    found = subscription(status=status, generation=3)
    assert standing_pause(found) == (pause if stands else None)
