"""The clocks."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """Now, in whole seconds: what is computed from it equals what is read back from the API."""

    def now(self) -> datetime:
        """The time, UTC."""
        return datetime.now(UTC).replace(microsecond=0)

    def monotonic(self) -> float:
        """Seconds since some time, as the event loop counts them."""
        return time.monotonic()
