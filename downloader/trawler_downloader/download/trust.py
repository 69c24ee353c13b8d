"""The certificate authorities of a Subscription, as they are mounted into its download pods."""

from __future__ import annotations

from pathlib import Path

from trawler_downloader.access.errors import AccessError
from trawler_downloader.access.trust import trust
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.download.errors import LaunchError


def trust_file(extra: Path | None) -> None:
    """Makes this process trust the public authorities, and those of the file `extra` where one is named.

    Raises:
        LaunchError: Configuration, the file is missing or holds no certificate.
    """
    try:
        pem = None if extra is None else extra.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        message = f"access.caBundleRef: its key ca.crt cannot be read ({error})"
        raise LaunchError(Reason.CA_BUNDLE_INVALID, message) from error
    try:
        trust(pem)
    except AccessError as error:
        raise LaunchError(error.reason, error.message) from error
