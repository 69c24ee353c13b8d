"""Lands one video: `request → fetch: stage, verify, staging record → publish → report`.

`python -m trawler_downloader.download` runs fetch and publish back to back; each is a command of its own as well, over
the staging record on the volume. A launch may be killed between any two operations: the next one finishes its work.
"""
