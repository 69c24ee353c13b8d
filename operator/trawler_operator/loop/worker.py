"""Takes keys from the queue and has them reconciled, whatever happens in a pass."""

from __future__ import annotations

import logging
import time

from trawler_operator.api.subscription import Key
from trawler_operator.loop.queue import KeyedDelayQueue
from trawler_operator.reconcile.ports import ApiError, Measurements, PassWatch
from trawler_operator.reconcile.reconciler import PassFailedError, Reconciler

logger = logging.getLogger(__name__)


async def work(
    number: int,
    queue: KeyedDelayQueue[Key],
    reconciler: Reconciler,
    measurements: Measurements,
    watch: PassWatch,
) -> None:
    """Work until the queue is closed.

    Args:
        number: of this worker.
        queue: of Subscriptions.
        reconciler: makes the passes.
        measurements: counts them.
        watch: is told when one begins and ends.
    """
    while (key := await queue.get()) is not None:
        began = time.monotonic()
        watch.pass_started(number)
        failed = True
        try:
            pause = await reconciler.reconcile(key)
            failed = False
            queue.succeeded(key)
            if pause is not None:
                queue.add(key, pause.total_seconds())
        except ApiError as error:
            delay = queue.retry(key)
            if isinstance(error, PassFailedError) and error.again_in is not None:
                queue.add(key, error.again_in.total_seconds())
            logger.warning("%s/%s: %s: %s; again in %.0f s", *key, type(error).__name__, error, delay)
        except Exception:  # one Subscription must not take the others down, whatever is wrong with it
            delay = queue.retry(key)
            logger.exception("%s/%s: the pass failed; again in %.0f s", *key, delay)
        finally:
            queue.done(key)
            watch.pass_ended(number)
            measurements.pass_finished(time.monotonic() - began, failed=failed)
