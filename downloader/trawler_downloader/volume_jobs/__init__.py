"""What the programs of all Jobs over a volume have in common: one request in, one chunk of lines out.

How one failed, if it did, is its termination message and exit code, as with a download. Needs no yt-dlp.
"""
