"""One gate: what closes it, for how long, and what opens it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from builders import NOON
from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.domain.gates.budget import Budget
from trawler_operator.domain.gates.endings import download_finding, listing_finding
from trawler_operator.domain.gates.gate import (
    Closing,
    Finding,
    Gate,
    GatePolicy,
    Probe,
    close,
    count,
    hand_over,
    launch_task,
    reopen,
)
from trawler_operator.domain.gates.route import GateId, GateKind
from trawler_operator.domain.jobs.outcome import ObservedOutcome
from trawler_operator.domain.pauses import Pause

SECOND, MINUTE, HOUR, DAY = (timedelta(**{unit: 1}) for unit in ("seconds", "minutes", "hours", "days"))
POLICY = GatePolicy(Pause(15 * MINUTE, 6 * HOUR), Pause(MINUTE, 30 * MINUTE), Pause(MINUTE, HOUR), 30 * MINUTE)
EGRESS = Gate(GateId(GateKind.EGRESS, "youtube.com"))
COOKIES = Gate(GateId(GateKind.COOKIES, "youtube.com"))
VOLUME = Gate(GateId(GateKind.VOLUME, claim="media/library"))
LIMITED = Finding("RateLimited", "HTTP 429", is_limit=True)
UNREACHED = Finding("Unreachable", "no such host", is_unclear=True)
STALE = Finding("StaleVolume", "ESTALE", is_volume_trouble=True)
AT = int(NOON.timestamp())


def shut(gate: Gate, since: datetime = NOON, length: timedelta = HOUR, **fields: Any) -> Gate:
    """The gate, closed."""
    closing = Closing(since, since, since + length, 1, "RateLimited", "HTTP 429", "media/a")
    return replace(gate, epoch=int(since.timestamp()), changed=since, closing=closing, **fields)


def ended(outcome: OutcomeClass, reason: str = "Why", **report: Any) -> ObservedOutcome:
    """The ending of a launch, with a report if anything of it is named."""
    result = DownloadResult(outcome=outcome, reason=reason, **report) if report else None
    return ObservedOutcome(outcome, reason, "words", NOON, result)


@pytest.mark.parametrize(
    ("reason", "readable"),
    [("StaleVolume", False), ("MountFailed", False), ("NoSpace", True), ("ReadOnly", True)],
)
def test_a_closed_volume_may_be_read_where_it_merely_takes_nothing_more(reason: str, readable: bool) -> None:
    """Otherwise when it may be written to, too."""
    gate = close(VOLUME, Finding(reason, is_volume_trouble=True), "media/a", POLICY, NOON)
    assert gate.passable_at(NOON) > NOON
    assert gate.readable_at(NOON) == (NOON if readable else gate.passable_at(NOON))
    assert VOLUME.readable_at(NOON) == NOON


# --- what an ending says ---


@pytest.mark.parametrize(
    ("observed", "trouble", "well"),
    [
        pytest.param(ended(OutcomeClass.PUBLISHED, path="a"), "", "site volume", id="published"),
        pytest.param(
            ended(OutcomeClass.PUBLISHED, "AlreadyPublished", path="a"), "", "volume", id="found on the volume"
        ),
        pytest.param(ended(OutcomeClass.TERMINAL), "", "site", id="removed, by exit code"),
        pytest.param(ended(OutcomeClass.TERMINAL, volume_id="v"), "", "site volume", id="removed, with a report"),
        pytest.param(ended(OutcomeClass.NOT_YET, volume_id="v"), "", "site volume", id="a premiere"),
        pytest.param(ended(OutcomeClass.NEEDS_ACCESS, volume_id="v"), "", "site volume", id="members only"),
        pytest.param(
            ended(OutcomeClass.NEEDS_ACCESS, "CookiesMissing", volume_id="v"), "", "volume", id="cookies are missing"
        ),
        pytest.param(
            ended(OutcomeClass.NEEDS_ACCESS, "CookiesMalformed", volume_id="v"),
            "",
            "volume",
            id="cookies are malformed",
        ),
        pytest.param(ended(OutcomeClass.RATE_LIMITED, "RateLimited"), "visitor", "", id="429"),
        pytest.param(ended(OutcomeClass.RATE_LIMITED, "Exited"), "visitor", "", id="429, by exit code"),
        pytest.param(
            ended(OutcomeClass.RATE_LIMITED, "RateLimited", volume_id="v"), "visitor", "volume", id="429, told"
        ),
        pytest.param(ended(OutcomeClass.RATE_LIMITED, "BotCheck"), "address", "", id="bot check"),
        pytest.param(ended(OutcomeClass.RATE_LIMITED, "Captcha"), "address", "", id="captcha"),
        pytest.param(ended(OutcomeClass.RATE_LIMITED, "AddressBlocked"), "address", "", id="address blocked"),
        pytest.param(ended(OutcomeClass.ENVIRONMENT, "StaleVolume"), "volume", "", id="stale volume"),
        pytest.param(ended(OutcomeClass.ENVIRONMENT, "NoSpace", volume_id="v"), "volume", "volume", id="full volume"),
        pytest.param(ended(OutcomeClass.ENVIRONMENT, "PermissionDenied"), "", "", id="may not write"),
        pytest.param(ended(OutcomeClass.ENVIRONMENT, "VolumeMarkerMissing"), "", "", id="no marker where it had one"),
        pytest.param(ended(OutcomeClass.ENVIRONMENT, "VolumeMarkerMismatch"), "", "", id="another volume than before"),
        pytest.param(
            ended(OutcomeClass.ENVIRONMENT, "VolumeMarkerUnreadable"), "volume", "", id="a marker nobody can read"
        ),
        pytest.param(
            ended(OutcomeClass.ENVIRONMENT, "BelowMinFree", volume_id="v"), "", "volume", id="below its floor"
        ),
        pytest.param(ended(OutcomeClass.TRANSIENT), "", "", id="transient"),
        pytest.param(ended(OutcomeClass.TRANSIENT, volume_id="v"), "", "volume", id="transient, with a report"),
        pytest.param(ended(OutcomeClass.TERMINATED), "", "", id="evicted"),
        pytest.param(ended(OutcomeClass.CONFIGURATION), "", "", id="unsupported"),
    ],
)
def test_what_a_download_says(observed: ObservedOutcome, trouble: str, well: str) -> None:
    """Which of the open gates it troubles, and which it proves well."""
    finding = download_finding(observed)
    gates = {"address": EGRESS, "visitor": COOKIES, "volume": VOLUME}
    assert trouble.split() == [name for name, gate in gates.items() if finding.is_trouble_for(gate)]
    assert ("site" in well) == finding.proves_well(EGRESS) == finding.proves_well(COOKIES)
    assert ("volume" in well) == finding.proves_well(VOLUME)


@pytest.mark.parametrize(
    ("outcome", "reason", "trouble", "well"),
    [
        pytest.param(None, "", "", True, id="listed"),
        pytest.param(OutcomeClass.RATE_LIMITED, "RateLimited", "visitor", False, id="429"),
        pytest.param(OutcomeClass.RATE_LIMITED, "BotCheck", "address", False, id="bot check"),
        pytest.param(OutcomeClass.TERMINAL, "SourceGone", "", True, id="no such channel"),
        pytest.param(OutcomeClass.NEEDS_ACCESS, "Private", "", True, id="private"),
        pytest.param(OutcomeClass.TRANSIENT, "Unreachable", "", False, id="unreachable"),
        pytest.param(OutcomeClass.CONFIGURATION, "UnsupportedUrl", "", False, id="unsupported"),
    ],
)
def test_what_a_listing_says(outcome: OutcomeClass | None, reason: str, trouble: str, well: bool) -> None:
    """Of the site alone."""
    finding = listing_finding(outcome, reason, "words", None)
    gates = {"address": EGRESS, "visitor": COOKIES, "volume": VOLUME}
    assert trouble.split() == [name for name, gate in gates.items() if finding.is_trouble_for(gate)]
    assert (well, False) == (finding.proves_well(EGRESS), finding.proves_well(VOLUME))


@pytest.mark.parametrize(
    ("outcome", "reason", "unclear"),
    [
        (OutcomeClass.TRANSIENT, "VideoUnavailable", True),
        (OutcomeClass.CONFIGURATION, "FormatUnavailable", True),
        (OutcomeClass.NEEDS_ACCESS, "CookiesMissing", True),
        (OutcomeClass.ENVIRONMENT, "NotEnoughSpace", True),
        (OutcomeClass.ENVIRONMENT, "ImagePullFailed", False),
        (OutcomeClass.TERMINATED, "Killed", False),
    ],
)
def test_what_puts_off_the_next_probe(outcome: OutcomeClass, reason: str, unclear: bool) -> None:
    """Whatever most likely asked the site, and may meet the next video as well; not what was stopped or never began."""
    assert (unclear, unclear) == (
        download_finding(ended(outcome, reason)).is_unclear,
        listing_finding(outcome, reason, "words", None).is_unclear,
    )


def test_a_listing_without_a_request_says_nothing() -> None:
    """Of a single video that is known."""
    assert not listing_finding(None, "", "", None, asked=False).proves_well(EGRESS)


def test_a_limit_of_whatever_kind_troubles_a_gate_that_is_closed_already() -> None:
    """The probe was refused, the words do not matter."""
    bot_check = replace(LIMITED, reason="BotCheck")
    assert LIMITED.is_trouble_for(shut(EGRESS))
    assert bot_check.is_trouble_for(shut(COOKIES))
    assert not bot_check.is_trouble_for(shut(VOLUME))


@pytest.mark.parametrize("seconds", [-1, 10**11])
def test_a_time_that_no_clock_shows_is_none(seconds: int) -> None:
    """A report is from a program that met the internet."""
    assert download_finding(ended(OutcomeClass.RATE_LIMITED, retry_at=seconds)).not_before is None


# --- closing and opening ---


@pytest.mark.parametrize(
    ("gate", "finding", "pauses"),
    [(COOKIES, LIMITED, [15, 30, 60, 120, 240, 360, 360]), (VOLUME, STALE, [1, 2, 4, 8, 16, 30, 30])],
    ids=["site", "volume"],
)
def test_pauses_double_up_to_the_longest(gate: Gate, finding: Finding, pauses: list[int]) -> None:
    """Each a little longer than that, by its jitter; since when it is closed, and by whom, stays."""
    now = NOON
    for step, minutes in enumerate(pauses, 1):
        gate = close(gate, finding, f"media/{step}", POLICY, now)
        assert gate.closing is not None
        assert minutes * MINUTE <= gate.closing.until - now <= 1.2 * minutes * MINUTE
        assert (gate.closing.since, gate.closing.by, gate.closing.step) == (NOON, "media/1", step)
        now = gate.closing.until


@pytest.mark.parametrize(
    ("retry_at", "soonest"),
    [(2 * HOUR, 2 * HOUR), (3650 * DAY, DAY), (-HOUR, 15 * MINUTE)],
    ids=["later than the pause", "in ten years", "in the past"],
)
def test_never_before_the_site_allows(retry_at: timedelta, soonest: timedelta) -> None:
    """A Retry-After is obeyed for up to a day."""
    gate = close(COOKIES, replace(LIMITED, not_before=NOON + retry_at), "media/a", POLICY, NOON)
    assert gate.closing is not None
    assert soonest <= gate.closing.until - NOON <= max(1.2 * 15 * MINUTE, soonest)


def test_every_move_has_an_epoch_of_its_own() -> None:
    """Whatever the clock does in between."""
    gate, epochs = COOKIES, []
    for now in (NOON, NOON, NOON - DAY, NOON + DAY):
        gate = close(gate, LIMITED, "media/a", POLICY, now)
        epochs.append(gate.epoch)
        gate = reopen(gate, now)
        epochs.append(gate.epoch)
    assert epochs == sorted(set(epochs))


def test_a_gate_that_was_forgotten_does_not_repeat_an_epoch() -> None:
    """Its next closing is numbered by the clock."""
    first = close(COOKIES, LIMITED, "media/a", POLICY, NOON)
    again = close(COOKIES, LIMITED, "media/a", POLICY, NOON + 9 * DAY)
    assert again.epoch > first.epoch


def test_opening_forgets_the_pauses() -> None:
    """The next closing begins with the first pause again."""
    opened = reopen(shut(COOKIES, probe=Probe("media/a", "v#1", NOON, NOON + HOUR)), NOON + HOUR)
    assert (opened.closing, opened.probe, opened.changed) == (None, None, NOON + HOUR)
    closed = close(opened, LIMITED, "media/a", POLICY, NOON + HOUR)
    assert closed.closing is not None
    assert closed.closing.step == 1


def test_long_words_are_cut() -> None:
    """A gate stays small."""
    gate = close(COOKIES, replace(LIMITED, message="x" * 5000), "media/a", POLICY, NOON)
    assert gate.closing is not None
    assert len(gate.closing.message) == 300


# --- passing ---


def test_a_launch_as_a_probe() -> None:
    """What the gate shows to people."""
    assert launch_task("youtube.abc", 3) == "youtube.abc#3"


PROBED = Probe("media/a", "v#1", NOON + HOUR, NOON + 2 * HOUR)


@pytest.mark.parametrize(
    ("gate", "now", "at"),
    [
        pytest.param(COOKIES, NOON, NOON, id="open"),
        pytest.param(shut(COOKIES), NOON + MINUTE, NOON + HOUR, id="pausing"),
        pytest.param(shut(COOKIES), NOON + HOUR, NOON + HOUR, id="the pause is over"),
        pytest.param(shut(COOKIES, probe=PROBED), NOON + HOUR, NOON + 2 * HOUR, id="probed"),
        pytest.param(shut(COOKIES, probe=PROBED), NOON + 2 * HOUR, NOON + 2 * HOUR, id="the probe took too long"),
        pytest.param(shut(COOKIES), NOON - MINUTE, NOON + HOUR, id="the clock was set back by a little"),
        pytest.param(shut(COOKIES), NOON - DAY, NOON - DAY, id="the clock was set back by a day: one may probe"),
        pytest.param(shut(COOKIES, probe=PROBED), NOON - DAY, NOON - DAY, id="the same, while probed"),
        pytest.param(shut(COOKIES), NOON + DAY, NOON + DAY, id="the clock was set forward by a day"),
    ],
)
def test_passable_at(gate: Gate, now: datetime, at: datetime) -> None:
    """From when on a launch may pass."""
    assert at == gate.passable_at(now)


@pytest.mark.parametrize(
    ("holder", "task", "handed_over"),
    [("media/a", "v#1", True), ("media/b", "v#1", False), ("media/a", "v#2", False)],
    ids=["its own", "another's", "an earlier one's"],
)
def test_hand_over(holder: str, task: str, handed_over: bool) -> None:
    """Only who holds the probe gives it back."""
    gate = shut(COOKIES, probe=PROBED)
    assert handed_over == (hand_over(gate, holder, task).probe is None)
    assert hand_over(COOKIES, holder, task) is COOKIES


@pytest.mark.parametrize(
    ("gate", "forgettable"),
    [
        pytest.param(EGRESS, True, id="never used"),
        pytest.param(replace(EGRESS, budget=Budget({AT: 1}, NOON)), False, id="its budget counts"),
        pytest.param(shut(EGRESS), False, id="closed"),
        pytest.param(shut(EGRESS, since=NOON - 7 * DAY), False, id="closed for days: who is suspended may come back"),
        pytest.param(shut(EGRESS, since=NOON - 9 * DAY), True, id="closed, and probed by nobody any more"),
        pytest.param(replace(EGRESS, changed=NOON - 7 * DAY), False, id="a Job may still carry an older epoch"),
        pytest.param(replace(EGRESS, changed=NOON - 9 * DAY), True, id="no Job can"),
        pytest.param(replace(EGRESS, changed=NOON + 9 * DAY), True, id="the clock was set back by days"),
        pytest.param(
            count(EGRESS, UNREACHED, "media/a", "v#1", POLICY, NOON - DAY), False, id="counted an ending yesterday"
        ),
    ],
)
def test_forgettable(gate: Gate, forgettable: bool) -> None:
    """What nothing depends on is dropped."""
    assert forgettable == gate.is_forgettable(NOON)
