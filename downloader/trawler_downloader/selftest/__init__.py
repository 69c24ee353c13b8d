"""`python -m trawler_downloader.selftest PATH`: does this volume have what landing a file relies on?

For people with a NAS of their own: the checks use the very operations of a download, in a folder that is removed
afterwards, and say of each finding what it means and what to do.
"""
