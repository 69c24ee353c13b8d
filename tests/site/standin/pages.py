"""Listings: the JSON inside channel and playlist pages and in their continuations, as YouTube's tab extractor reads it.

Shapes follow what yt-dlp 2026.10.26 reads today: `lockupViewModel` on tabs, `shortsLockupViewModel` on the shorts
tab, `playlistVideoRenderer` in playlists. Page sizes are YouTube's: 30 on a tab, 100 in a playlist. Pure functions.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from standin.catalogue import Catalogue, Channel, Playlist, Video
from standin.hosts import AVATARS, IMAGES

Json = dict[str, Any]
TAB_PAGE = 30
PLAYLIST_PAGE = 100
_TAB_TITLES = {"videos": "Videos", "shorts": "Shorts", "streams": "Live"}
_UNITS = (
    ("year", 31_536_000),
    ("month", 2_592_000),
    ("week", 604_800),
    ("day", 86_400),
    ("hour", 3600),
    ("minute", 60),
)


def ago(published: datetime, now: datetime) -> str:
    """`3 days ago`, as coarse as the site says it."""
    seconds = max(1, int((now - published).total_seconds()))
    for unit, length in _UNITS:
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{seconds} second{'s' if seconds > 1 else ''} ago"


def clock(seconds: int) -> str:
    """`1:02:03` or `0:05`."""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def thumbnail(video: Video) -> list[Json]:
    """The thumbnails that a listing and the player name."""
    base = f"https://{IMAGES}/vi/{video.id}"
    return [
        {"url": f"{base}/hqdefault.jpg", "width": 480, "height": 360},
        {"url": f"{base}/maxresdefault.jpg", "width": 1280, "height": 720},
    ]


def avatar(channel: Channel) -> list[Json]:
    """The channel's picture."""
    return [{"url": f"https://{AVATARS}/avatar/{channel.id}=s900", "width": 900, "height": 900}]


def continuation_token(kind: str, name: str, offset: int, page: int) -> str:
    """An opaque token of a further page."""
    return base64.urlsafe_b64encode(json.dumps([kind, name, offset, page]).encode()).decode()


def read_token(token: str) -> tuple[str, str, int, int]:
    """Kind (a tab or `playlist`), channel or playlist id, offset, page number.

    Raises:
        ValueError: the token is none of ours.
    """
    kind, name, offset, page = json.loads(base64.urlsafe_b64decode(token.encode()))
    return str(kind), str(name), int(offset), int(page)


def _continuation(kind: str, name: str, offset: int, page: int) -> Json:
    command = {"token": continuation_token(kind, name, offset, page), "request": "CONTINUATION_REQUEST_TYPE_BROWSE"}
    return {"continuationItemRenderer": {"continuationEndpoint": {"continuationCommand": command}}}


def _badge(video: Video, state: str) -> Json:
    if state in ("premiere", "live_later"):
        return {"text": "Upcoming", "badgeStyle": "THUMBNAIL_OVERLAY_BADGE_STYLE_DEFAULT"}
    if state == "live":
        return {"text": "LIVE", "badgeStyle": "THUMBNAIL_OVERLAY_BADGE_STYLE_LIVE"}
    return {"text": clock(video.duration), "badgeStyle": "THUMBNAIL_OVERLAY_BADGE_STYLE_DEFAULT"}


def _lockup(video: Video, now: datetime) -> Json:
    state = video.state_at(now)
    when = ("Streamed " if state in ("was_live", "post_live") else "") + ago(video.published, now)
    rows: list[Json] = [
        {
            "metadataParts": [
                {"text": {"content": f"{video.views:,} views"}},
                {"text": {"content": when}, "accessibilityLabel": when},
            ]
        }
    ]
    if state == "members_only":
        rows.append({"badges": [{"badgeViewModel": {"badgeText": "Members only", "badgeStyle": "BADGE_MEMBERS_ONLY"}}]})
    overlay = {"thumbnailBottomOverlayViewModel": {"badges": [{"thumbnailBadgeViewModel": _badge(video, state)}]}}
    return {
        "lockupViewModel": {
            "contentId": video.id,
            "contentType": "LOCKUP_CONTENT_TYPE_VIDEO",
            "contentImage": {"thumbnailViewModel": {"image": {"sources": thumbnail(video)}, "overlays": [overlay]}},
            "metadata": {
                "lockupMetadataViewModel": {
                    "title": {"content": video.title},
                    "metadata": {"contentMetadataViewModel": {"metadataRows": rows}},
                }
            },
        }
    }


def _short(video: Video) -> Json:
    return {
        "shortsLockupViewModel": {
            "entityId": f"shorts-shelf-item-{video.id}",
            "onTap": {"innertubeCommand": {"reelWatchEndpoint": {"videoId": video.id}}},
            "overlayMetadata": {
                "primaryText": {"content": video.title},
                "secondaryText": {"content": f"{video.views:,} views"},
            },
            "thumbnailViewModel": {"thumbnailViewModel": {"image": {"sources": thumbnail(video)}}},
        }
    }


def tab_items(channel: Channel, tab: str, videos: Sequence[Video], offset: int, page: int, now: datetime) -> list[Json]:
    """One page of a tab and, when there is more, the way to the next."""
    shown = videos[offset : offset + TAB_PAGE]
    items: list[Json] = [
        {"richItemRenderer": {"content": _short(v) if tab == "shorts" else _lockup(v, now)}} for v in shown
    ]
    if offset + TAB_PAGE < len(videos):
        items.append(_continuation(tab, channel.id, offset + TAB_PAGE, page + 1))
    return items


def _tab(channel: Channel, title: str, path: str, content: Json | None) -> Json:
    url = f"/{channel.handle}/{path}"
    renderer: Json = {"title": title, "endpoint": {"commandMetadata": {"webCommandMetadata": {"url": url}}}}
    if content is not None:
        renderer |= {"selected": True, "content": content}
    return {"tabRenderer": renderer}


def channel_data(catalogue: Catalogue, channel: Channel, tab: str, now: datetime) -> Json:
    """A channel page with this tab selected; a tab that the channel lacks leads to its home, as on the site."""
    grids: dict[str, Json] = {}
    if tab in channel.tabs:
        items = tab_items(channel, tab, catalogue.listing(channel.id, (tab,)), 0, 1, now)
        grids[tab] = {"richGridRenderer": {"contents": items}}
    else:
        grids["featured"] = {"sectionListRenderer": {"contents": []}}
    tabs = [_tab(channel, "Home", "featured", grids.get("featured"))]
    tabs += [_tab(channel, _TAB_TITLES[t], t, grids.get(t)) for t in channel.tabs]
    banner = {"url": f"https://{AVATARS}/banner/{channel.id}=w2560", "width": 2560, "height": 424}
    return {
        "contents": {"twoColumnBrowseResultsRenderer": {"tabs": tabs}},
        "header": {
            "pageHeaderRenderer": {
                "pageTitle": channel.title,
                "content": {
                    "pageHeaderViewModel": {"banner": {"imageBannerViewModel": {"image": {"sources": [banner]}}}}
                },
            }
        },
        "metadata": {
            "channelMetadataRenderer": {
                "title": channel.title,
                "description": channel.description,
                "externalId": channel.id,
                "channelUrl": f"https://www.youtube.com/channel/{channel.id}",
                "vanityChannelUrl": f"http://www.youtube.com/{channel.handle}",
                "ownerUrls": [f"http://www.youtube.com/{channel.handle}"],
                "avatar": {"thumbnails": avatar(channel)},
            }
        },
        "microformat": {"microformatDataRenderer": {"noindex": False, "unlisted": False}},
    }


def byline(channel: Channel) -> Json:
    """The channel's name with the way to it."""
    browse = {"browseId": channel.id, "canonicalBaseUrl": f"/{channel.handle}"}
    command = {"webCommandMetadata": {"url": f"/{channel.handle}"}}
    return {
        "runs": [{"text": channel.title, "navigationEndpoint": {"browseEndpoint": browse, "commandMetadata": command}}]
    }


NOT_SHOWN = {"private": "[Private video]", "removed": "[Deleted video]"}
"""What stands in a playlist in a video's place; YouTube tells no more of it."""


def _playlist_video(catalogue: Catalogue, video: Video, index: int, now: datetime) -> Json:
    state = video.state_at(now)
    if state in NOT_SHOWN:
        title = {"runs": [{"text": NOT_SHOWN[state]}]}
        return {"playlistVideoRenderer": {"videoId": video.id, "title": title, "index": {"simpleText": str(index)}}}
    info = [f"{video.views:,} views", " • ", ago(video.published, now)]
    renderer: Json = {
        "videoId": video.id,
        "title": {"runs": [{"text": video.title}]},
        "index": {"simpleText": str(index)},
        "shortBylineText": byline(catalogue.channel(video.channel_id)),
        "lengthSeconds": str(video.duration),
        "thumbnail": {"thumbnails": thumbnail(video)},
        "videoInfo": {"runs": [{"text": text} for text in info]},
    }
    if state in ("premiere", "live_later") and video.starts_at is not None:
        renderer["upcomingEventData"] = {"startTime": str(int(video.starts_at.timestamp()))}
    if state == "live":
        renderer["badges"] = [{"metadataBadgeRenderer": {"style": "BADGE_STYLE_TYPE_LIVE_NOW", "label": "LIVE"}}]
    if state == "members_only":
        renderer["badges"] = [{"metadataBadgeRenderer": {"style": "BADGE_STYLE_TYPE_MEMBERS_ONLY"}}]
    if video.tab == "shorts":
        renderer["thumbnailOverlays"] = [{"thumbnailOverlayTimeStatusRenderer": {"style": "SHORTS"}}]
    return {"playlistVideoRenderer": renderer}


def playlist_items(
    catalogue: Catalogue, playlist_id: str, videos: Sequence[Video], offset: int, page: int, now: datetime
) -> list[Json]:
    """One page of a playlist and, when there is more, the way to the next."""
    shown = videos[offset : offset + PLAYLIST_PAGE]
    items = [_playlist_video(catalogue, v, offset + n, now) for n, v in enumerate(shown, 1)]
    if offset + PLAYLIST_PAGE < len(videos):
        items.append(_continuation("playlist", playlist_id, offset + PLAYLIST_PAGE, page + 1))
    return items


def playlist_data(catalogue: Catalogue, playlist: Playlist, videos: Sequence[Video], now: datetime) -> Json:
    """A playlist page."""
    items = playlist_items(catalogue, playlist.id, videos, 0, 1, now)
    section = {"playlistVideoListRenderer": {"playlistId": playlist.id, "contents": items}}
    content = {"sectionListRenderer": {"contents": [{"itemSectionRenderer": {"contents": [section]}}]}}
    count = {"playlistBylineRenderer": {"text": {"simpleText": f"{len(videos)} videos"}}}
    return {
        "contents": {
            "twoColumnBrowseResultsRenderer": {"tabs": [{"tabRenderer": {"selected": True, "content": content}}]}
        },
        "header": {
            "playlistHeaderRenderer": {
                "playlistId": playlist.id,
                "title": {"simpleText": playlist.title},
                "ownerText": byline(catalogue.channel(playlist.owner_id)),
                "numVideosText": {"runs": [{"text": str(len(videos))}, {"text": " videos"}]},
                "byline": [count],
                "privacy": "PUBLIC",
            }
        },
        "metadata": {"playlistMetadataRenderer": {"title": playlist.title, "description": playlist.description}},
    }


def continuation_data(items: list[Json]) -> Json:
    """The answer to a continuation."""
    return {"onResponseReceivedActions": [{"appendContinuationItemsAction": {"continuationItems": items}}]}


def home_data() -> Json:
    """The site's home page: what a channel that does not exist any more may redirect to."""
    content: Json = {"richGridRenderer": {"contents": []}}
    tab = {"title": "Home", "selected": True, "tabIdentifier": "FEwhat_to_watch", "content": content}
    return {"contents": {"twoColumnBrowseResultsRenderer": {"tabs": [{"tabRenderer": tab}]}}}


def alert_data(text: str) -> Json:
    """A page that holds nothing but an error."""
    return {"alerts": [{"alertRenderer": {"type": "ERROR", "text": {"simpleText": text}}}], "contents": {}}


def html(config: Json, **initial: Json) -> bytes:
    """A page with the site's configuration and its initial objects, as scripts."""
    scripts = [f"ytcfg.set({_script(config)});"]
    scripts += [f"var {name} = {_script(data)};" for name, data in initial.items()]
    body = "".join(f"<script>{script}</script>" for script in scripts)
    return f"<!DOCTYPE html><html><head><title>YouTube</title></head><body>{body}</body></html>".encode()


def _script(data: Json) -> str:
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
