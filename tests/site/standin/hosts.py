"""The host names that the stand-in answers for; DNS or a proxy leads them here, and the certificate names them."""

from __future__ import annotations

WEB = "www.youtube.com"
MEDIA = "rr1---sn-standin.googlevideo.com"
"""Media servers have names of this shape; yt-dlp takes whatever the player response says."""
IMAGES = "i.ytimg.com"
AVATARS = "yt3.googleusercontent.com"

HOSTS: tuple[str, ...] = (WEB, "youtube.com", "m.youtube.com", "youtu.be", IMAGES, AVATARS, MEDIA)
