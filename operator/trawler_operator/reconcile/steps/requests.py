"""Second step of a pass: what users ask for by annotation, carried out in the ledger, and only then in the cluster.

Before anything is launched, so that a request whose writes were cut off meets the entries as it left them. A launch
that is cancelled is Skipped first and its Job deleted after that: killed in between, the next process finds a live Job
whose launch the ledger has settled, and deletes it (see `settle`). It is never launched again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.reasons import EventReason, message
from trawler_operator.api.status import HandledRequest
from trawler_operator.domain.jobs.cleanup import may_delete
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.requests.grammar import (
    InvalidRequestError,
    Request,
    Verb,
    carry_out,
    decode_mark,
    encode_mark,
    is_handled,
    parse_request,
    refused,
)
from trawler_operator.reconcile.observation import Pass
from trawler_operator.reconcile.ports import Event, KubernetesApi
from trawler_operator.reconcile.stores.ledger_store import LedgerStore

logger = logging.getLogger(__name__)


async def handle_requests(current: Pass, api: KubernetesApi, store: LedgerStore) -> None:
    """Carry out what is asked for and was not carried out yet.

    Args:
        current: the pass; gets `handled` and Events, and `missing` loses what was cancelled.
        api: the cluster.
        store: writes the ledger.
    """
    for verb in Verb:
        value = current.subscription.annotations.get(verb.annotation)
        if value is None:
            continue
        known = decode_mark(current.ledger.requests.get(verb))
        try:
            request = parse_request(verb, value)
        except InvalidRequestError as error:
            _refuse(current, verb, value, error, known)
            continue
        if not is_handled(known, request.id):
            known = await _carry_out(current, api, store, request)
        if known is not None:  # from the ledger if the status, or the Subscription, was lost since
            current.handled[verb] = known


def _refuse(current: Pass, verb: Verb, value: str, error: InvalidRequestError, known: HandledRequest | None) -> None:
    refusal = refused(value, error, current.now)
    before: HandledRequest | None = getattr(current.subscription.status.last_handled, verb.value)
    if is_handled(known, refusal.id) or is_handled(before, refusal.id, refusal.message):
        return
    current.handled[verb] = refusal
    reason = EventReason.REQUEST_REFUSED
    current.events.append(Event(reason, message(reason, detail=error), warning=True))


async def _carry_out(current: Pass, api: KubernetesApi, store: LedgerStore, request: Request) -> HandledRequest:
    accepted: dict[str, LedgerEntry] = {}
    """Entries as they were before. Over all attempts: those of a write that went through are not met again."""
    handled = HandledRequest(id=request.id, time=current.now)

    def choose(ledger: Ledger) -> frozenset[str]:
        return request.keys if request.keys is not None else ledger.keys_in(request.states)

    def compute(ledger: Ledger, entries: Mapping[str, LedgerEntry]) -> Changes:
        nonlocal handled
        meant = {key: entry for key, entry in entries.items() if request.is_for(entry)}
        accepted.update(meant)
        unknown = sum(1 for key in request.keys or () if not ledger.knows(key))
        handled = handled.model_copy(update={"accepted": len(accepted), "unknown": unknown})
        return Changes(
            entries={key: carry_out(request, entry) for key, entry in meant.items()},
            requests={request.verb.value: encode_mark(handled)},
        )

    await store.rewrite(current.subscription, current.ledger, choose, compute)
    running = current.ledger.running()
    current.missing = [video for video in current.missing if video in running]
    for video, entry in accepted.items():
        if entry.state is LedgerState.RUNNING:
            await _delete_job(current, api, current.job_name(video, entry))
    _tell(current, request, handled)
    return handled


async def _delete_job(current: Pass, api: KubernetesApi, name: str) -> None:
    namespace = current.key[0]
    job = await api.get_job(namespace, name)
    if job is not None and may_delete(job, current.subscription.uid):
        await api.delete_job(namespace, name, job["metadata"]["uid"])


def _tell(current: Pass, request: Request, handled: HandledRequest) -> None:
    accepted, unknown = handled.accepted or 0, handled.unknown or 0
    logger.info("%s %s of %s/%s: %d accepted, %d unknown", request.verb, request.id, *current.key, accepted, unknown)
    reason = EventReason.REQUEST_HANDLED
    text = message(
        reason,
        annotation=request.verb.annotation,
        id=request.id,
        accepted=accepted,
        unknown=unknown,
        unfit=len(request.keys or ()) - accepted - unknown if request.keys else 0,
        states=", ".join(sorted(request.states)),
    )
    current.events.append(Event(reason, text, warning=not accepted))
