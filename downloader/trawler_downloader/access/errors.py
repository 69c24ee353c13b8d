"""What is wrong with a Secret or a bundle of authorities, in words that never repeat any of it."""

from __future__ import annotations

from trawler_downloader.contract.reasons import Reason


class AccessError(Exception):
    """A Secret or a bundle of authorities cannot be used as it is; a person must act.

    Args:
        reason: of the ending that it leads to.
        message: for people; names the key and, at most, a line number.
    """

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
