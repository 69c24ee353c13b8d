"""Names the Subscriptions of a namespace that have a history on a volume. Changes nothing on the volume.

`python -m trawler_downloader.survey` writes one chunk (see `contract.volume_job`) to its standard output.
"""
