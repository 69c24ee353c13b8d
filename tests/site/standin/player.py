"""The player: its responses, the stream addresses in them, and the JavaScript challenge that guards these.

As on the site, most addresses arrive scrambled: `s` (a signature) and `n` must be put through functions of the
player's own script, and the media server refuses (403) whoever did not. Without a JavaScript runtime yt-dlp asks
another client, which here gets plain addresses up to 360p only: so a picture of 720 lines or more proves that the
challenge was solved.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from standin.catalogue import Channel, Video
from standin.hosts import MEDIA, WEB
from standin.live import MASTERS
from standin.media import AUDIO_ITAG, HEIGHTS, MediaStore
from standin.pages import byline, thumbnail
from standin.playability import playability

Json = dict[str, Any]
PLAYER_PATH = "/s/player/57a4d1e0/player_ias.vflset/en_US/base.js"
IFRAME_API = f"var scriptUrl = 'https:\\/\\/{WEB}{PLAYER_PATH}';"
SIGNATURE_TIMESTAMP = 20400
ADDRESS_LIFETIME = timedelta(hours=6)
JSLESS_MAX_HEIGHT = 360
WRONG_BY_SECONDS = 60
_SECRET = b"a test double keeps no secrets"

BASE_JS = Path(__file__).with_name("base.js").read_bytes()


def config(visitor: str = "standin") -> Json:
    """The site's configuration: which script is the player, and the client's context."""
    client = {"clientName": "WEB", "clientVersion": "2.20260708.00.00", "hl": "en", "gl": "US", "visitorData": visitor}
    return {
        "PLAYER_JS_URL": PLAYER_PATH,
        "STS": SIGNATURE_TIMESTAMP,
        "INNERTUBE_CONTEXT": {"client": client},
        "INNERTUBE_CONTEXT_CLIENT_NAME": 1,
        "INNERTUBE_CLIENT_VERSION": client["clientVersion"],
        "VISITOR_DATA": visitor,
    }


def _mark(*parts: object) -> str:
    return hmac.new(_SECRET, "/".join(map(str, parts)).encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Address:
    """What a stream's address must prove: right signature, solved `n` when it had one, not expired."""

    video_id: str
    itag: int
    expires: int

    @property
    def signature(self) -> str:
        """The unscrambled signature."""
        return _mark("sig", self.video_id, self.itag, self.expires)

    @property
    def challenge(self) -> str:
        """The unsolved `n`."""
        return _mark("n", self.video_id, self.itag, self.expires)[:18]

    def scrambled(self) -> str:
        """`signatureCipher` of a client that has the player's script."""
        url = f"https://{MEDIA}/videoplayback?{urlencode(self._query() | {'n': self.challenge})}"
        return urlencode({"s": self.signature[::-1], "sp": "sig", "url": url})

    def plain(self) -> str:
        """The address for a client without the script."""
        return f"https://{MEDIA}/videoplayback?{urlencode(self._query() | {'sig': self.signature})}"

    def _query(self) -> dict[str, str]:
        return {"expire": str(self.expires), "id": self.video_id, "itag": str(self.itag), "source": "youtube"}

    def allows(self, query: Mapping[str, str], now: float) -> bool:
        """Whether the address proves what it must."""
        solved = query.get("n", self.challenge[::-1]) == self.challenge[::-1]
        return solved and query.get("sig") == self.signature and now < self.expires


def address_of(query: Mapping[str, str]) -> Address | None:
    """The stream that an address names; None when it is no address of ours."""
    try:
        return Address(query["id"], int(query["itag"]), int(query["expire"]))
    except (KeyError, ValueError):
        return None


def _formats(video: Video, media: MediaStore, scrambled: bool, expires: int) -> list[Json]:
    formats: list[Json] = []
    for itag, height in (*HEIGHTS.items(), (AUDIO_ITAG, None)):
        if height is not None and (not media.offers(video, height) or (not scrambled and height > JSLESS_MAX_HEIGHT)):
            continue
        address = Address(video.id, itag, expires)
        entry: Json = {"itag": itag, "approxDurationMs": str(video.duration * 1000)}
        if height is None:
            entry |= {"mimeType": 'audio/mp4; codecs="mp4a.40.2"', "audioQuality": "AUDIO_QUALITY_MEDIUM"}
            entry |= {"bitrate": 64_000, "audioSampleRate": "44100", "audioChannels": 1, "quality": "tiny"}
        else:
            entry |= {"mimeType": 'video/mp4; codecs="avc1.4d401e"', "qualityLabel": f"{height}p", "fps": 10}
            entry |= {
                "height": height,
                "width": height * 16 // 9,
                "bitrate": height * 1000,
                "quality": _QUALITY[height],
            }
        size = media.size(video, itag)
        if size is not None:
            entry["contentLength"] = str(size)
        formats.append(entry | ({"signatureCipher": address.scrambled()} if scrambled else {"url": address.plain()}))
    return formats


_QUALITY = {144: "tiny", 360: "medium", 720: "hd720", 1080: "hd1080"}


def _streaming(video: Video, state: str, client: str, media: MediaStore, now: float) -> Json:
    expires = int(now + ADDRESS_LIFETIME.total_seconds())
    if state == "drm":
        return {"licenseInfos": [{"drmFamily": "WIDEVINE", "url": f"https://{WEB}/api/drm/widevine"}]}
    if state == "no_formats" or client == "WEB":
        # The web client gets no addresses without a proof-of-origin token.
        return {}
    if state in MASTERS:
        return {"hlsManifestUrl": f"https://{MEDIA}/api/manifest/{video.id}/{MASTERS[state]}"}
    formats = _formats(video, media, scrambled=client != "VISIONOS", expires=expires)
    if state == "picture_only":
        formats = [entry for entry in formats if entry["itag"] != AUDIO_ITAG]
    return {"expiresInSeconds": "21540", "adaptiveFormats": formats}


def _announced(video: Video, state: str) -> int:
    """Seconds that the video is said to last."""
    return video.duration + (WRONG_BY_SECONDS if state == "wrong_length" else 0)


def player_response(
    video: Video,
    channel: Channel,
    state: str,
    client: str,
    media: MediaStore,
    now: datetime,
    starts_at: datetime | None,
) -> Json:
    """What the player API, or the watch page, answers to this client about a video in this state."""
    upcoming = state in ("premiere", "live_later")
    broadcast = state in ("was_live", "live", "post_live", "live_later")
    published = (starts_at if upcoming and starts_at else video.published).isoformat()
    response: Json = {"playabilityStatus": playability(state, starts_at, now)}
    if state in ("removed", "account_terminated", "not_available"):
        return response | {"videoDetails": {"videoId": video.id}}
    details: Json = {
        "videoId": video.id,
        "title": video.title,
        "lengthSeconds": "0" if upcoming or state == "live" else str(_announced(video, state)),
        "channelId": channel.id,
        "author": channel.title,
        "shortDescription": video.description,
        "viewCount": str(video.views),
        "thumbnail": {"thumbnails": thumbnail(video)},
        "isLiveContent": broadcast,
        "isPrivate": False,
    }
    microformat: Json = {
        "title": {"simpleText": video.title},
        "ownerProfileUrl": f"http://www.youtube.com/{channel.handle}",
        "ownerChannelName": channel.title,
        "externalChannelId": channel.id,
        "publishDate": published,
        "uploadDate": published,
        "category": "Education",
        "isFamilySafe": True,
        "isUnlisted": False,
        "isShortsEligible": video.tab == "shorts",
    }
    if state == "wrong_video":
        details["videoId"] = "aQvGIIdgFDM"
    if upcoming:
        details["isUpcoming"] = True
    if state in ("live", "post_live"):
        details["isLive" if state == "live" else "isPostLiveDvr"] = True
    if upcoming or broadcast:
        microformat["liveBroadcastDetails"] = {"isLiveNow": state == "live", "startTimestamp": published}
    response |= {"videoDetails": details, "microformat": {"playerMicroformatRenderer": microformat}}
    if response["playabilityStatus"]["status"] == "OK":
        response["streamingData"] = _streaming(video, state, client, media, time.time())
    return response


def next_data(video: Video, channel: Channel) -> Json:
    """What stands around the player: title, owner."""
    owner = {
        "videoOwnerRenderer": {"title": byline(channel), "subscriberCountText": {"simpleText": "1.2K subscribers"}}
    }
    contents = [
        {"videoPrimaryInfoRenderer": {"title": {"runs": [{"text": video.title}]}}},
        {"videoSecondaryInfoRenderer": {"owner": owner}},
    ]
    return {"contents": {"twoColumnWatchNextResults": {"results": {"results": {"contents": contents}}}}}
