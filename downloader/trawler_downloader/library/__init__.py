"""What a library on a volume looks like: names, layouts, metadata files, manifests.

Pure: computes names and contents, touches no disk. What is done with them is `trawler_downloader.download`.
"""
