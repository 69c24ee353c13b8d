"""The wall clock."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """Now, in whole seconds: what is computed from it equals what is read back from the API."""

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.now(UTC).replace(microsecond=0)
