"""The texts that sites and yt-dlp use, in the order in which they are tried.

The order matters: YouTube wraps a rate limit in "Video unavailable", a country's block in "copyright grounds", and the
end of a channel in "multiple third-party claims of copyright infringement". What asks us to stop is tried first. The
texts are English because yt-dlp asks for `hl=en`; the extractor argument `youtube:lang` must never be set, or nothing
here matches. They are those of yt-dlp 2026.10.26 and of YouTube's answers that it passes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from trawler_downloader.access.guard import HOW_TO_TRUST
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.outcomes.messages import missing_tool


@dataclass(frozen=True)
class Row:
    """One situation: the text that tells it, and what it means."""

    pattern: re.Pattern[str]
    reason: Reason
    message: str | None
    """For people. None: the error's own words say it best."""


def _row(pattern: str, reason: Reason, message: str | None = None) -> Row:
    return Row(re.compile(pattern, re.IGNORECASE), reason, message)


ASKED_TO_STOP: tuple[Row, ...] = (
    _row(r"not a bot\b", Reason.BOT_CHECK, "The site asks for a sign-in to prove that we are not a bot."),
    _row(
        r"rate.?limited by|content isn.t available, try again later",
        Reason.RATE_LIMITED,
        "The site limits this address for up to an hour.",
    ),
    _row(r"captcha", Reason.CAPTCHA, "The site asks for a captcha."),
    _row(
        r"IP is likely being blocked",
        Reason.ADDRESS_BLOCKED,
        "The site answers with the wrong videos, which it does to addresses that it blocks.",
    ),
    _row(r"HTTP Error 429|too many requests", Reason.RATE_LIMITED, "The site asked for fewer requests."),
)
"""Says nothing about the video; tried first."""

PROXY: tuple[Row, ...] = (
    _row(
        r"spec\.access\.proxy .* is not a public address",
        Reason.PROXY_NOT_ALLOWED,
        f"spec.access.proxy leads to an address that is not public; {HOW_TO_TRUST}.",
    ),
    _row(
        r"407 Proxy Authentication|HTTP Error 407|SOCKS5? authentication|unknown username or invalid password",
        Reason.PROXY_LOGIN_REFUSED,
        "The proxy asks for a user and password, or refuses those that it was given.",
    ),
)
"""What a proxy says. Never looked for where there is none: a site may answer so by itself."""

NETWORK: tuple[Row, ...] = (
    _row(r"is not a public address", Reason.ADDRESS_REFUSED),
    _row(
        r"CERTIFICATE_VERIFY_FAILED|certificate verify failed",
        Reason.TLS_NOT_TRUSTED,
        "The certificate of the site or proxy is not trusted; an authority of one's own goes into access.caBundleRef.",
    ),
    _row(
        r"Tunnel connection failed",
        Reason.UNREACHABLE,
        "The proxy could not, or would not, connect to the site.",
    ),
    _row(
        r"Failed to resolve|Name or service not known|Temporary failure in name resolution|getaddrinfo failed"
        r"|No address associated|name resolution",
        Reason.UNREACHABLE,
        "The name of the site or proxy cannot be resolved.",
    ),
    _row(
        r"Incomplete data received|Incomplete yt initial data|content too short|downloaded file is empty"
        r"|Did not get any data blocks|bytes read|more expected",
        Reason.TRUNCATED,
        "The site's answer was cut short.",
    ),
    _row(
        r"timed out|Connection (?:reset|aborted)|Remote end closed|Connection broken|EOF occurred|Server disconnected"
        r"|UNEXPECTED_EOF",
        Reason.UNREACHABLE,
        "The connection to the site broke or timed out.",
    ),
    _row(
        r"\[SSL\b|WRONG_VERSION_NUMBER|handshake failure",
        Reason.TLS_FAILED,
        "No encrypted connection to the site or proxy came about.",
    ),
    _row(
        r"Connection refused|Network is unreachable|No route to host|Unable to connect to proxy|Could not connect",
        Reason.UNREACHABLE,
        "The site or proxy cannot be reached.",
    ),
)
"""What went wrong on the way. Of warnings only these rows, PROXY and ASKED_TO_STOP count: others are advice."""

OF_THIS_MACHINE: tuple[Row, ...] = (
    _row(r"No space left on device|Disk quota exceeded", Reason.NO_SPACE, "The disk is full."),
    _row(r"Read-only file system", Reason.READ_ONLY, "The volume is read-only."),
    _row(r"Stale file handle", Reason.STALE_VOLUME, "The volume's server lost the file handle."),
    _row(
        r"unable to (?:open for writing|write data): \[Errno 27\]|File too large",
        Reason.FILE_TOO_LARGE,
        "The volume takes no file this large; a lower media.maxHeight makes a smaller one.",
    ),
    _row(r"Unable to create directory|unable to open for writing|unable to write data", Reason.VOLUME_ERROR),
    _row(
        r"ffmpeg is not installed|ffmpeg not found|ffprobe not found|ffprobe and ffmpeg not found",
        Reason.IMAGE_INCOMPLETE,
        missing_tool("ffmpeg"),
    ),
)
"""What yt-dlp and ffmpeg say of the volume and the image. Never looked for in what came over the network."""

SITUATIONS: tuple[Row, ...] = (
    # What the Subscription asks for.
    _row(
        r'Unsupported url scheme: "(?!https?")',
        Reason.UNSUPPORTED_STREAM,
        "The site gives the media by another protocol than http and https.",
    ),
    _row(
        r"Unsupported URL|No suitable extractor|no longer supported since|not supported for this (?:site|URL)"
        r"|playlist type is unviewable",
        Reason.UNSUPPORTED_URL,
        "yt-dlp can read nothing at this URL.",
    ),
    _row(
        r"Requested format is not available",
        Reason.FORMAT_UNAVAILABLE,
        "The site offers nothing that fits media.type: no sound, or neither sound nor picture.",
    ),
    _row(r"channel does not have a .+ tab", Reason.NO_SUCH_TAB, "The channel has no such tab."),
    # The source is gone. Before "copyright" and "violation", which its words may hold.
    _row(
        r"(?:channel/playlist|playlist|channel|account) does not exist"
        r"|this (?:account|channel) (?:has been|was) (?:terminated|removed|deleted|suspended|closed)",
        Reason.SOURCE_GONE,
        "The channel or playlist does not exist any more.",
    ),
    # Not now.
    _row(r"Premieres? (?:in|will begin|shortly)", Reason.PREMIERE),
    _row(r"live event will begin|will begin in a few moments", Reason.LIVE_SCHEDULED),
    _row(r"is not currently live|channel is offline", Reason.NOT_LIVE, "The channel is not live now."),
    _row(
        r"live event has ended|live stream recording is not available",
        Reason.RECORDING_NOT_READY,
        "The live stream ended and its recording is not there yet.",
    ),
    _row(
        r"processing this video|video is (?:still )?being processed",
        Reason.PROCESSING,
        "The site is still processing the video.",
    ),
    # Not for us.
    _row(r"playlist is private", Reason.PRIVATE, "The playlist is private."),
    _row(r"Private video|video is private", Reason.PRIVATE, "The video is private."),
    _row(
        r"members.only|available to this channel.s members|Join this channel",
        Reason.MEMBERS_ONLY,
        "Only members of the channel may see the video.",
    ),
    _row(
        r"confirm your age|age.restricted|inappropriate for some users",
        Reason.AGE_RESTRICTED,
        "The site asks for a sign-in that proves the age.",
    ),
    _row(
        r"not made this video available in your country|blocked it in your country"
        r"|not available (?:from|in) your (?:location|country|region)|geo.?restrict",
        Reason.GEO_RESTRICTED,
        "The video is not available in the country that our requests come from.",
    ),
    # Never.
    _row(
        r"account associated with this video has been terminated|uploader has closed",
        Reason.ACCOUNT_TERMINATED,
        "The account behind the video is gone.",
    ),
    _row(r"copyright", Reason.COPYRIGHT, "The video was taken down by a copyright claim."),
    _row(
        r"removed by the uploader|uploader has (?:removed|deleted)",
        Reason.VIDEO_REMOVED,
        "The uploader removed the video.",
    ),
    _row(
        r"removed for violating|violat\w+ YouTube.s|video (?:has been|was) (?:removed|deleted)",
        Reason.VIDEO_REMOVED,
        "The site removed the video.",
    ),
    _row(
        r"requires? payment|Premium members|must rent|purchase",
        Reason.PAYMENT,
        "The video costs money.",
    ),
    _row(r"DRM.protect|protected by DRM|known to use DRM", Reason.DRM, "The video is protected by DRM."),
    _row(
        r"Video unavailable|video is not available|video is unavailable",
        Reason.VIDEO_UNAVAILABLE,
        "The site says no more than that the video is not available.",
    ),
    _row(
        r"Use --cookies|Use --username|only available (?:for|to) registered",
        Reason.LOGIN_REQUIRED,
        "The site asks for a sign-in.",
    ),
    *NETWORK,
    # What was downloaded.
    _row(
        r"fragment \d+ not found|unable to continue",
        Reason.FRAGMENT_MISSING,
        "A part of the media is missing at the site.",
    ),
    _row(
        r"No video formats found",
        Reason.NO_FORMATS,
        "The site offered no format that this version of yt-dlp can read.",
    ),
    _row(r"Postprocessing: ", Reason.PROCESSING_FAILED),
)
"""Tried in order, after what asks us to stop and what is wrong here."""

FORMATS_MISSED: tuple[Row, ...] = (
    _row(
        r"Only images are available|challenge solving failed|formats may be missing|have been skipped",
        Reason.NO_FORMATS,
        "The site offered no format that this version of yt-dlp can read.",
    ),
)
"""Warnings that tell why no format fits: not the wish is to blame, but what yt-dlp could read."""
