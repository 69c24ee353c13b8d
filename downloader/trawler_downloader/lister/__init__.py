"""Answers listing requests, each in a worker process that can be killed.

`server` speaks HTTP and never imports yt-dlp; `pool` starts workers from a fork server that `preload` has warmed;
`worker` is what runs in the child: limits, then `engine` (yt-dlp with our options), `sources` (which listings a URL
means) and `walk` (entries to lines, and where to stop). A crash or a hang of yt-dlp costs one listing, not the server.
"""
