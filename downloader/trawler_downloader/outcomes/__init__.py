"""What an error of yt-dlp, of the network or of the system means: who has to act, and when to try again.

Shared by the lister and the downloader. `classify` is the way in; `rows` holds what is known about texts, so that a new
phrase of a site is one more row. Nothing here does I/O, and nothing decides what to do: that is the operator's.
"""

from trawler_downloader.outcomes.classify import Classified, classify

__all__ = ["Classified", "classify"]
