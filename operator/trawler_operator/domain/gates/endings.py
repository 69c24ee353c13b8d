"""What the ending of a launch or listing says of the gates that it passed: the table in `gate`, row by row. Pure."""

from __future__ import annotations

from trawler_downloader.contract.outcomes import VIDEO_REASONS, VOLUME_REASONS, OutcomeClass
from trawler_downloader.contract.reasons import Reason
from trawler_operator.api.reasons import EndReason
from trawler_operator.api.times import from_unix
from trawler_operator.domain.gates.gate import Finding
from trawler_operator.domain.jobs.outcome import ObservedOutcome

_SITE_ANSWERED = frozenset({OutcomeClass.TERMINAL, OutcomeClass.NOT_YET, OutcomeClass.NEEDS_ACCESS})
_UNCLEAR = frozenset({OutcomeClass.TRANSIENT, OutcomeClass.CONFIGURATION})
_UNUSABLE_COOKIES = frozenset({Reason.COOKIES_MISSING, Reason.COOKIES_MALFORMED})
"""The site was not asked, or was not asked again with the cookies: we stopped, and the site gave no answer."""
_SITE_NOT_ASKED = _UNUSABLE_COOKIES | {Reason.ALREADY_PUBLISHED, Reason.FILE_GONE}
_UNCLEAR_REASONS = _UNUSABLE_COOKIES | VIDEO_REASONS
"""The next video of the queue may also end like this after its site was asked."""


def is_own_trouble(reason: str) -> bool:
    """Whether an Environment ending of this reason is the trouble of one Subscription and all of its downloads.

    Trouble with one video's size or name is not, nor is trouble that a Volume gate covers. A volume that does not mount
    is both: the Subscription's one node may have no mount, while another Subscription's probe opens the Volume gate.
    """
    return reason == EndReason.MOUNT_FAILED or reason not in VOLUME_REASONS | VIDEO_REASONS


def download_finding(observed: ObservedOutcome) -> Finding:
    """What the ending of a launch says of its gates."""
    result = observed.result
    published = observed.outcome is OutcomeClass.PUBLISHED
    is_environment = observed.outcome is OutcomeClass.ENVIRONMENT
    return Finding(
        reason=observed.reason,
        message=observed.message,
        is_limit=observed.outcome is OutcomeClass.RATE_LIMITED,
        is_volume_trouble=is_environment and observed.reason in VOLUME_REASONS,
        is_own_trouble=is_environment and is_own_trouble(observed.reason),
        is_published=published,
        has_report=result is not None,
        # Only the downloader's report or exit code can name these classes: the operator's own words never do.
        proves_site=(published or observed.outcome in _SITE_ANSWERED) and observed.reason not in _SITE_NOT_ASKED,
        proves_volume=published or (result is not None and result.volume_id is not None),
        is_unclear=observed.outcome in _UNCLEAR or observed.reason in _UNCLEAR_REASONS,
        not_before=from_unix(result.retry_at) if result else None,
    )


def listing_finding(
    outcome: OutcomeClass | None, reason: str, message: str, retry_at: int | None, *, asked: bool = True
) -> Finding:
    """What the ending of a listing says of its gates.

    Args:
        outcome: class in its trailer; None: the listing went well.
        reason: reason in its trailer.
        message: message in its trailer.
        retry_at: time in its trailer (Unix seconds).
        asked: whether the listing made a request. A listing of a single known video makes none, nor does one with
            unreadable cookies.
    """
    return Finding(
        reason=reason,
        message=message,
        is_limit=outcome is OutcomeClass.RATE_LIMITED,
        proves_site=asked and (outcome is None or outcome in _SITE_ANSWERED) and reason not in _SITE_NOT_ASKED,
        is_unclear=outcome in _UNCLEAR or reason in _UNCLEAR_REASONS,
        not_before=from_unix(retry_at),
    )
