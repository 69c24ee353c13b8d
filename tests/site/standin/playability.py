"""The words with which the player refuses: `playabilityStatus` per state of a video.

yt-dlp hands these words on, and whoever classifies errors reads them: so they are the site's, not ours.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

Json = dict[str, Any]
PLAYABLE = frozenset(
    {
        "ok",
        "was_live",
        "live",
        "post_live",
        "wrong_video",
        "drm",
        "no_formats",
        "picture_only",
        "in_parts",
        "wrong_length",
    }
)
"""States in which the status is OK; what is wrong then, if anything, is in the rest of the response."""

_UNAVAILABLE = {
    "removed": ("ERROR", "This video has been removed by the uploader"),
    "account_terminated": (
        "ERROR",
        "This video is no longer available because the YouTube account associated with this video has been terminated.",
    ),
    "copyright": ("UNPLAYABLE", "This video is no longer available due to a copyright claim by Example Pictures"),
    "not_available": ("ERROR", "This video is not available"),
    "geo": ("UNPLAYABLE", "The uploader has not made this video available in your country"),
    "rate_limit": ("UNPLAYABLE", "This content isn't available, try again later."),
    "no_recording": ("ERROR", "This live stream recording is not available."),
}


def _screen(reason: str, subreason: str) -> Json:
    return {"playerErrorMessageRenderer": {"reason": {"simpleText": reason}, "subreason": {"simpleText": subreason}}}


def _refused(status: str, reason: str, subreason: str | None = None) -> Json:
    refusal: Json = {"status": status, "reason": reason}
    if subreason is not None:
        refusal["errorScreen"] = _screen(reason, subreason)
    return refusal


def in_words(seconds: float) -> str:
    """`3 hours`, `2 days`: the largest whole unit, rounded up."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds > length:
            count = -int(-seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "moments"


def playability(state: str, starts_at: datetime | None, now: datetime) -> Json:
    """The player's verdict on a video in this state."""
    if state in PLAYABLE:
        return {"status": "OK", "playableInEmbed": True}
    if state in _UNAVAILABLE:
        status, subreason = _UNAVAILABLE[state]
        return _refused(status, "Video unavailable", subreason)
    if state in ("premiere", "live_later"):
        wait = in_words((starts_at - now).total_seconds()) if starts_at else "2 days"
        text = f"Premieres in {wait}" if state == "premiere" else f"This live event will begin in {wait}."
        return {**_refused("LIVE_STREAM_OFFLINE", text), "liveStreamability": {"liveStreamabilityRenderer": {}}}
    if state == "captcha":
        screen: Json = {"playerCaptchaViewModel": {"captchaData": "stand-in"}}
        return {"status": "LOGIN_REQUIRED", "reason": "Video unavailable", "errorScreen": screen}
    return {
        "private": _refused("LOGIN_REQUIRED", "Private video", "Sign in if you've been granted access to this video"),
        "members_only": _refused(
            "UNPLAYABLE",
            "Join this channel to get access to members-only content like this video, and other exclusive perks.",
        ),
        "members_by_level": _refused(
            "UNPLAYABLE", "This video is available to this channel's members on level: Crew (or any higher level)."
        ),
        "sign_in": _refused("LOGIN_REQUIRED", "Please sign in"),
        "processing": _refused("UNPLAYABLE", "We're processing this video. Check back later."),
        "age": {
            **_refused(
                "LOGIN_REQUIRED", "Sign in to confirm your age", "This video may be inappropriate for some users."
            ),
            "desktopLegacyAgeGateReason": 1,
        },
        "bot_check": _refused("LOGIN_REQUIRED", "Sign in to confirm you’re not a bot"),
        "payment": _refused("UNPLAYABLE", "This video requires payment to watch."),
    }[state]
