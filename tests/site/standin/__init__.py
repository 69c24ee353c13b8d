"""A stand-in for YouTube: yt-dlp's own youtube extractors list, page and download from it, unmodified.

Standard library only (and ffmpeg for media), so that its image is Debian and these files. It is a test double: it
must never be reachable from the internet, and it answers what the extractors read, not all that a browser would.
"""
