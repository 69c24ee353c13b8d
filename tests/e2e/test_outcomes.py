"""Every way in which a site answers: what the ledger, the status and the next attempt make of it, on the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e.place import Place
from e2e.waiting import until


@dataclass(frozen=True)
class Row:
    """A fault of one video, and what becomes of its entry after the first attempt.

    Args:
        fault: of the stand-in.
        outcome: class of the ending.
        reason: CamelCase.
        state: of the entry.
        failures: tries used.
        soonest: shortest pause until the next attempt; None: none by itself.
        latest: longest pause.
    """

    fault: dict[str, Any]
    outcome: str
    reason: str
    state: str
    failures: int = 0
    soonest: timedelta | None = None
    latest: timedelta = timedelta(0)


def _player(kind: str, **fields: Any) -> dict[str, Any]:
    return {"kind": kind, **fields}


def _dead(fault: dict[str, Any], reason: str) -> Row:
    return Row(fault, "Terminal", reason, "DeadLetter")


def _again(fault: dict[str, Any], reason: str) -> Row:
    return Row(fault, "Transient", reason, "Failed", 1, timedelta(seconds=30), timedelta(seconds=80))


def _not_for_us(fault: dict[str, Any], reason: str) -> Row:
    return Row(fault, "NeedsAccess", reason, "Waiting", 0, timedelta(hours=23), timedelta(hours=30))


def _not_yet(fault: dict[str, Any], reason: str, soonest: timedelta, latest: timedelta) -> Row:
    return Row(fault, "NotYet", reason, "Waiting", 0, soonest, latest)


HOUR = timedelta(hours=1)
ROWS = {
    "private": _not_for_us(_player("private"), "Private"),
    "removed": _dead(_player("removed"), "VideoRemoved"),
    "account terminated": _dead(_player("account_terminated"), "AccountTerminated"),
    "copyright": _dead(_player("copyright"), "Copyright"),
    "not available": _again(_player("not_available"), "VideoUnavailable"),
    "another country": _not_for_us(_player("geo"), "GeoRestricted"),
    "members only": _not_for_us(_player("members_only"), "MembersOnly"),
    "age": _not_for_us(_player("age"), "AgeRestricted"),
    "payment": _dead(_player("payment"), "Payment"),
    "DRM": _dead(_player("drm"), "Drm"),
    "no formats": _again(_player("no_formats"), "NoFormats"),
    "premiere": _not_yet(_player("premiere", seconds=7200), "Premiere", HOUR, 3 * HOUR),
    "on air": _not_yet(_player("live"), "Live", HOUR * 0.9, 2 * HOUR),
    "just over": _not_yet(_player("post_live"), "PostLive", HOUR * 0.9, 2 * HOUR),
    "player fails": _again({"kind": "status", "status": 500, "endpoint": "player"}, "ServerError"),
    "media forbidden": _again({"kind": "status", "status": 403, "endpoint": "media"}, "MediaForbidden"),
    "media fails": _again({"kind": "status", "status": 503, "endpoint": "media"}, "ServerError"),
    "media is not what was announced": _again({"kind": "corrupt", "endpoint": "media"}, "ProcessingFailed"),
}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _seen(entry: dict[str, Any]) -> dict[str, Any]:
    return {"state": entry["state"], "failures": entry.get("failures", 0)} | {
        name: entry.get(name) for name in ("outcome", "reason")
    }


@pytest.fixture
def subscriptions(place: Place, site: StandIn, handle: str) -> dict[str, str]:
    """A Subscription per row, each to a playlist of one video with that row's fault; row → Subscription."""
    site.add_channel(handle=handle, videos=len(ROWS))
    names = {}
    for number, (video, (title, row)) in enumerate(zip(site.videos(handle), ROWS.items(), strict=True)):
        site.fault(**row.fault, video=video["id"])
        playlist = site.add_playlist(name=f"{handle.strip('@')}-{number}", owner=handle, videos=[video["id"]])
        names[title] = f"row-{number}"
        place.subscribe(names[title], {"url": f"https://www.youtube.com/playlist?list={playlist['id']}"})
    return names


def test_each_answer_of_the_site_has_its_ending(place: Place, subscriptions: dict[str, str]) -> None:
    """Class, reason, ledger state, tries, next attempt and conditions of every row."""
    entries = {}
    for title, name in subscriptions.items():
        entries[title] = until(
            f"the first attempt of {title!r} has ended",
            lambda name=name: next(iter(place.ledger(name).values()), {}),
            lambda entry: entry.get("outcome") is not None and entry["state"] != "Running",
            timeout=400,
        )
    wanted = {
        title: {"state": row.state, "failures": row.failures, "outcome": row.outcome, "reason": row.reason}
        for title, row in ROWS.items()
    }
    assert {title: _seen(entry) for title, entry in entries.items()} == wanted
    wrong_pauses = {}
    for title, row in ROWS.items():
        ended, again = entries[title]["times"]["finished"], entries[title].get("retryAt")
        pause = None if again is None else _moment(again) - _moment(ended)
        if (pause is None) != (row.soonest is None) or (
            pause is not None and row.soonest is not None and not row.soonest <= pause <= row.latest
        ):
            wrong_pauses[title] = pause
    assert wrong_pauses == {}
    for title, row in ROWS.items():
        # A site's answer about one video says nothing against the Subscription, but where it is all that there is.
        ready = place.condition(subscriptions[title], "Ready")["reason"]
        assert ready == ("AccessNeeded" if row.outcome == "NeedsAccess" else "Watching"), title
        until(
            f"UpToDate is right for {title!r}",
            lambda title=title: place.condition(subscriptions[title], "UpToDate")["status"],
            lambda status, row=row: status == ("False" if row.state == "Failed" else "True"),
        )


def _ended(place: Place, name: str, reason: str) -> dict[str, Any]:
    """The only entry, as soon as a launch ended for that reason."""
    return until(
        f"{name} ended with {reason}",
        lambda: next(iter(place.ledger(name).values()), {}),
        lambda entry: entry.get("reason") == reason,
        timeout=400,
    )


def _one_video(site: StandIn, handle: str) -> str:
    """The id of a channel's only video."""
    site.add_channel(handle=handle, videos=1)
    return str(site.videos(handle)[0]["id"])


def _subscribe(place: Place, name: str, handle: str, **spec: Any) -> None:
    place.subscribe(name, {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}, **spec})


def test_a_transfer_that_stands_still(place: Place, site: StandIn, handle: str) -> None:
    """Given back after `job.stallTimeoutSeconds`; the next launch downloads it, and nothing of the first is left."""
    fault = site.fault("hang", endpoint="media", video=_one_video(site, handle), seconds=600)
    _subscribe(place, "still", handle, job={"stallTimeoutSeconds": 30})
    entry = _ended(place, "still", "Stalled")
    assert (entry["outcome"], entry["state"], entry["failures"]) == ("Transient", "Failed", 1)
    site.clear_faults(fault)
    place.wait_up_to_date("still", 1)
    assert place.staged() == []


def test_an_error_that_the_user_calls_fatal(place: Place, site: StandIn, handle: str) -> None:
    """`retry.fatalErrors` makes a dead letter of the first try that says so."""
    site.fault("not_available", video=_one_video(site, handle))
    _subscribe(place, "fatal", handle, retry={"fatalErrors": ["NOT available"]})
    entry = _ended(place, "fatal", "FatalError")
    assert (entry["state"], entry["launches"]) == ("DeadLetter", 1)
    assert "retryAt" not in entry
    place.wait_events("DownloadGivenUp")


def test_a_source_that_is_gone(place: Place, site: StandIn, handle: str) -> None:
    """The third check in a row that says so is believed: a condition, in the columns as well; the files stay."""
    _one_video(site, handle)
    _subscribe(place, "lost", handle)
    place.wait_up_to_date("lost", 1)
    site.fault("alert", channel=handle, text="This channel does not exist.")
    for number in (1, 2, 3):
        place.check("lost", f"check-{number}")
    place.wait_condition("lost", "SourceReachable", "False", "SourceGone")
    assert "SourceGone" in k.kubectl("-n", place.namespace, "get", "ytsub", "lost")
    assert len(place.media()) == 1
