"""Takes keys from the queue and has them reconciled, whatever happens in a pass."""

from __future__ import annotations

import asyncio
import logging
import time

from trawler_operator.api.subscription import Key
from trawler_operator.loop.queue import KeyedDelayQueue
from trawler_operator.reconcile.ports import ApiError, Measurements, PassWatch
from trawler_operator.reconcile.reconciler import Reconciler
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError

logger = logging.getLogger(__name__)

PASS_SLACK_SECONDS = 120
"""What a pass may take beside its listing: API calls with their retries."""


async def work(
    number: int,
    queue: KeyedDelayQueue[Key],
    reconciler: Reconciler,
    measurements: Measurements,
    watch: PassWatch,
    deadline_seconds: float,
) -> None:
    """Work until the queue is closed.

    Args:
        number: of this worker.
        queue: of Subscriptions.
        reconciler: makes the passes.
        measurements: counts them.
        watch: is told when one begins and ends.
        deadline_seconds: of one pass; beyond it is cut (at any point: that is like a crash) and made again.
    """
    while (key := await queue.get()) is not None:
        began = time.monotonic()
        watch.pass_started(number)
        failed = True
        try:
            async with asyncio.timeout(deadline_seconds):
                pause = await reconciler.reconcile(key)
            failed = False
            queue.succeeded(key)
            if pause is not None:
                queue.add(key, pause.total_seconds())
        except (ApiError, LedgerBusyError, TimeoutError) as error:
            delay = queue.retry(key)
            logger.warning("%s/%s: %s: %s; again in %.0f s", *key, type(error).__name__, error, delay)
        except Exception:  # one Subscription must not take the others down, whatever is wrong with it
            delay = queue.retry(key)
            logger.exception("%s/%s: the pass failed; again in %.0f s", *key, delay)
        finally:
            queue.done(key)
            watch.pass_ended(number)
            measurements.pass_finished(time.monotonic() - began, failed=failed)
