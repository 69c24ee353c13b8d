"""Prints the manifests of one Subscription, for a ledger that is made anew. Changes nothing on the volume.

`python -m trawler_downloader.inventory` writes one chunk (see `contract.volume_job`) to its standard output.
"""
