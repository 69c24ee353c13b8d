"""The texts that sites and yt-dlp use, in the order in which they are tried.

The order matters: YouTube wraps a rate limit in "Video unavailable", so what asks us to stop is tried before what says
that a video is gone. The texts are English because yt-dlp asks for `hl=en`; the extractor argument `youtube:lang` must
never be set, or nothing here matches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trawler_downloader.contract.outcomes import OutcomeClass


@dataclass(frozen=True)
class Row:
    """One situation: the text that tells it, and what it means."""

    pattern: re.Pattern[str]
    outcome: OutcomeClass
    reason: str
    """CamelCase."""
    message: str | None
    """For people. None: the error's own words say it best."""


def _row(pattern: str, outcome: OutcomeClass, reason: str, message: str | None = None) -> Row:
    return Row(re.compile(pattern, re.IGNORECASE), outcome, reason, message)


ASKED_TO_STOP: tuple[Row, ...] = (
    _row(
        r"not a bot\b",
        OutcomeClass.RATE_LIMITED,
        "BotCheck",
        "The site asks for a sign-in to prove that we are not a bot.",
    ),
    _row(
        r"rate.?limited by|content isn.t available, try again later",
        OutcomeClass.RATE_LIMITED,
        "RateLimited",
        "The site limits this address for up to an hour.",
    ),
    _row(r"captcha", OutcomeClass.RATE_LIMITED, "Captcha", "The site asks for a captcha."),
    _row(
        r"IP is likely being blocked",
        OutcomeClass.RATE_LIMITED,
        "AddressBlocked",
        "The site answers with the wrong videos, which it does to addresses that it blocks.",
    ),
    _row(
        r"HTTP Error 429|too many requests",
        OutcomeClass.RATE_LIMITED,
        "RateLimited",
        "The site asked for fewer requests.",
    ),
)
"""Says nothing about the video; tried first."""

SITUATIONS: tuple[Row, ...] = (
    # The volume and the image.
    _row(r"No space left on device|Disk quota exceeded", OutcomeClass.ENVIRONMENT, "NoSpace", "The disk is full."),
    _row(r"Read-only file system", OutcomeClass.ENVIRONMENT, "ReadOnly", "The volume is read-only."),
    _row(r"Stale file handle", OutcomeClass.ENVIRONMENT, "StaleVolume", "The volume's server lost the file handle."),
    _row(r"Unable to create directory", OutcomeClass.ENVIRONMENT, "VolumeError"),
    _row(
        r"ffmpeg is not installed|ffmpeg not found|ffprobe not found|ffprobe and ffmpeg not found",
        OutcomeClass.ENVIRONMENT,
        "NoFfmpeg",
        "ffmpeg is missing in the downloader's image.",
    ),
    # What the Subscription asks for.
    _row(
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed",
        OutcomeClass.CONFIGURATION,
        "TlsNotTrusted",
        "The certificate of the site or proxy is not trusted; an authority of one's own goes into access.caBundleRef.",
    ),
    _row(
        r"Unsupported URL|No suitable extractor",
        OutcomeClass.CONFIGURATION,
        "UnsupportedUrl",
        "yt-dlp knows no site for this URL.",
    ),
    _row(r"Requested format is not available", OutcomeClass.CONFIGURATION, "FormatUnavailable", "No such format."),
    _row(r"channel does not have a .+ tab", OutcomeClass.CONFIGURATION, "NoSuchTab", "The channel has no such tab."),
    # Not now.
    _row(r"Premieres? (?:in|will begin|shortly)|Premiere will begin", OutcomeClass.NOT_YET, "Premiere"),
    _row(r"live event will begin|will begin in a few moments", OutcomeClass.NOT_YET, "LiveScheduled"),
    _row(r"is not currently live|channel is offline", OutcomeClass.NOT_YET, "NotLive", "The channel is not live now."),
    _row(
        r"live event has ended|live stream recording is not available",
        OutcomeClass.NOT_YET,
        "RecordingNotReady",
        "The live stream ended and its recording is not there yet.",
    ),
    # Not for us.
    _row(r"Private video|video is private", OutcomeClass.NEEDS_ACCESS, "Private", "The video is private."),
    _row(
        r"members.only|available to this channel.s members|Join this channel",
        OutcomeClass.NEEDS_ACCESS,
        "MembersOnly",
        "Only members of the channel may see the video.",
    ),
    _row(
        r"confirm your age|age.restricted|inappropriate for some users",
        OutcomeClass.NEEDS_ACCESS,
        "AgeRestricted",
        "The site asks for a sign-in that proves the age.",
    ),
    _row(
        r"not made this video available in your country|not available (?:from|in) your (?:location|country|region)"
        r"|geo.?restrict",
        OutcomeClass.NEEDS_ACCESS,
        "GeoRestricted",
        "The video is not available in the country that our requests come from.",
    ),
    # Never.
    _row(
        r"removed by the uploader|uploader has (?:removed|deleted)|uploader has closed",
        OutcomeClass.TERMINAL,
        "VideoRemoved",
        "The uploader removed the video.",
    ),
    _row(
        r"account associated with this video has been terminated|account has been terminated|channel was removed",
        OutcomeClass.TERMINAL,
        "AccountTerminated",
        "The account behind the video is gone.",
    ),
    _row(r"copyright", OutcomeClass.TERMINAL, "Copyright", "The video was taken down by a copyright claim."),
    _row(
        r"removed for violating|violat\w+ YouTube.s",
        OutcomeClass.TERMINAL,
        "VideoRemoved",
        "The site removed the video.",
    ),
    _row(
        r"requires? payment|Premium members only|must rent|purchase",
        OutcomeClass.TERMINAL,
        "Payment",
        "It costs money.",
    ),
    _row(r"DRM.protected|protected by DRM", OutcomeClass.TERMINAL, "Drm", "The video is protected by DRM."),
    _row(
        r"channel/playlist does not exist|playlist does not exist|channel does not exist",
        OutcomeClass.TERMINAL,
        "SourceGone",
        "The channel or playlist does not exist.",
    ),
    # A site says this of videos that come back as well as of those that never do: the tries decide.
    _row(r"Video unavailable|video is not available", OutcomeClass.TRANSIENT, "VideoUnavailable"),
    _row(
        r"Use --cookies|Use --username|only available (?:for|to) registered",
        OutcomeClass.NEEDS_ACCESS,
        "LoginRequired",
        "The site asks for a sign-in.",
    ),
    _row(
        r"Incomplete data received|content too short|downloaded file is empty|Did not get any data blocks"
        r"|unable to continue|bytes read",
        OutcomeClass.TRANSIENT,
        "Truncated",
        "The site's answer was cut short.",
    ),
    _row(
        r"Failed to resolve|Name or service not known|Temporary failure in name resolution|getaddrinfo failed"
        r"|No address associated",
        OutcomeClass.TRANSIENT,
        "Unreachable",
        "The name of the site or proxy cannot be resolved.",
    ),
    _row(
        r"Connection refused|Network is unreachable|No route to host|Unable to connect to proxy|Could not connect",
        OutcomeClass.TRANSIENT,
        "Unreachable",
        "The site or proxy cannot be reached.",
    ),
    _row(
        r"timed out|Connection (?:reset|aborted)|Remote end closed|Connection broken|EOF occurred|Server disconnected",
        OutcomeClass.TRANSIENT,
        "Unreachable",
        "The connection to the site broke or timed out.",
    ),
    _row(
        r"No video formats found",
        OutcomeClass.TRANSIENT,
        "NoFormats",
        "The site offered no format that this version of yt-dlp can read.",
    ),
)
"""Tried in order, after what asks us to stop."""
