"""Prints the manifests of one Subscription, for a ledger that is made anew. Changes nothing on the volume.

`python -m trawler_downloader.inventory` writes one chunk (see `contract.inventory`) to its standard output; how it
failed, if it did, is its termination message and exit code, as with a download. Needs no yt-dlp.
"""
