"""Second step of a pass: carry out what users ask for by annotation, in the ledger first and then in the cluster.

This comes before any launch: a request whose writes were cut off then finds its entries unchanged. The entry of a
cancelled launch becomes Skipped before its Job is deleted. If the process is killed in between, the next one finds a
live Job whose launch the ledger has settled, and deletes the Job (see `settle`). The launch is never made again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from trawler_operator.api.labels import PAUSE_ANNOTATION
from trawler_operator.api.reasons import EventReason, message
from trawler_operator.api.status import HandledRequest
from trawler_operator.domain.jobs.cleanup import may_delete
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.requests.grammar import (
    InvalidRequestError,
    Request,
    Verb,
    asked_probe,
    carry_out,
    decode_mark,
    encode_mark,
    is_handled,
    parse_pause,
    parse_request,
    refused,
)
from trawler_operator.reconcile.ports import Event, KubernetesApi
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerStore
from trawler_operator.reconcile.subject import Subject

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Handled:
    """What became of the requests.

    Args:
        requests: those that were carried out or refused, by the last part of their annotation's name.
        deleted: names of the Jobs that were deleted for them.
        events: Events about the Subscription.
    """

    requests: Mapping[str, HandledRequest] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()
    events: tuple[Event, ...] = ()


async def handle_requests(
    subject: Subject, ledger: Ledger, api: KubernetesApi, store: LedgerStore, gatekeeper: Gatekeeper
) -> Handled:
    """Carry out what is asked for and was not carried out yet.

    Args:
        subject: the Subscription.
        ledger: as it is.
        api: the cluster.
        store: writes the ledger.
        gatekeeper: lets probes go.

    Raises:
        ApiError: the API server did not do its part.
        LedgerBusyError: the ledger cannot be written now.
    """
    requests: dict[str, HandledRequest] = {}
    deleted: set[str] = set()
    events: list[Event] = []
    for verb in Verb:
        value = subject.subscription.annotations.get(verb.annotation)
        if value is None:
            continue
        known = decode_mark(ledger.requests.get(verb))
        try:
            request = parse_request(verb, value)
        except InvalidRequestError as error:
            before: HandledRequest | None = getattr(subject.subscription.status.last_handled, verb.value)
            refusal = refused(value, error, subject.now)
            if not is_handled(known, refusal.id) and not is_handled(before, refusal.id, refusal.message):
                requests[verb] = refusal
                events.append(_refused(error))
            continue
        if not is_handled(known, request.id):
            known, cancelled = await _carry_out(subject, ledger, store, request)
            for name in cancelled:
                await _delete_job(subject, api, name)
            deleted |= cancelled
            events.append(_event(subject, request, known))
        if known is not None:  # the ledger knows it even if the status, or the Subscription, was lost since
            requests[verb] = known
    about_gates, more = await _handle_gates(subject, ledger, gatekeeper)
    return Handled({**requests, **about_gates}, frozenset(deleted), (*events, *more))


async def _handle_gates(
    subject: Subject, ledger: Ledger, gatekeeper: Gatekeeper
) -> tuple[dict[str, HandledRequest], list[Event]]:
    """Ask for probes, and refuse a pause by hand that cannot be understood. A valid pause is a gate by itself."""
    annotations, before = subject.subscription.annotations, subject.subscription.status.last_handled
    requests: dict[str, HandledRequest] = {}
    events: list[Event] = []
    wish = asked_probe(annotations, before.probe)
    if wish is not None:
        sites = {subject.download_route(entry.url) for entry in ledger.active.values()}
        gates = subject.own_gates | {gate for route in sites for gate in route.gates}
        await gatekeeper.probe(subject.key, gates, subject.now)
        requests["probe"] = HandledRequest(id=wish, time=subject.now)
    try:
        parse_pause(annotations)
    except InvalidRequestError as error:
        refusal = refused(annotations[PAUSE_ANNOTATION], error, subject.now)
        if not is_handled(before.pause, refusal.id, refusal.message):
            requests["pause"] = refusal
            events.append(_refused(error))
    return requests, events


def _refused(error: InvalidRequestError) -> Event:
    text = message(EventReason.REQUEST_REFUSED, detail=error)
    return Event(EventReason.REQUEST_REFUSED, text, warning=True)


async def _carry_out(
    subject: Subject, ledger: Ledger, store: LedgerStore, request: Request
) -> tuple[HandledRequest, set[str]]:
    """Write the entries that a request changes; also returns the names of the Jobs whose launch is cancelled."""
    accepted: dict[str, LedgerEntry] = {}
    """Entries as they were before, of all attempts: a later attempt does not see those that an earlier one wrote."""
    handled = HandledRequest(id=request.id, time=subject.now)

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

    await store.rewrite(subject.subscription, ledger, choose, compute)
    running = {key: entry for key, entry in accepted.items() if entry.is_claimed}
    return handled, {subject.job_name(key, entry) for key, entry in running.items()}


async def _delete_job(subject: Subject, api: KubernetesApi, name: str) -> None:
    namespace = subject.key[0]
    job = await api.get_job(namespace, name)
    if job is not None and may_delete(job, subject.subscription.uid):
        await api.delete_job(namespace, name, job["metadata"]["uid"])


def _event(subject: Subject, request: Request, handled: HandledRequest) -> Event:
    accepted, unknown = handled.accepted or 0, handled.unknown or 0
    logger.info("%s %s of %s/%s: %d accepted, %d unknown", request.verb, request.id, *subject.key, accepted, unknown)
    reason = EventReason.REQUEST_HANDLED
    text = message(
        reason,
        annotation=request.verb.annotation,
        id=request.id,
        accepted=accepted,
        unknown=unknown,
        unfit=len(request.keys or ()) - accepted - unknown if request.keys else 0,
        states=" or ".join(sorted(request.states)),
    )
    return Event(reason, text, warning=not accepted)
