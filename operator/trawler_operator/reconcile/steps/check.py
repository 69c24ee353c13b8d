"""Middle step of a pass: look at the source, and write what is new to the ledger.

A listing is used only with its trailer and only if that is not an error. What is new is written oldest first, so that
after a crash in the middle the unwritten videos stand on top of the source, where the next check finds them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from trawler_downloader.contract.listing import (
    MAX_IDENTITY_BYTES,
    MAX_KNOWN_PER_SOURCE,
    ListingEnd,
    ListRequest,
    TrailerLine,
)
from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api.reasons import ConditionReason, EventReason, message
from trawler_operator.api.spec import SubscriptionSpec
from trawler_operator.api.subscription import Key, Subscription
from trawler_operator.api.times import format_time
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.checks.readiness import apply_verdict, judge, relisted
from trawler_operator.domain.checks.schedule import audit_due
from trawler_operator.domain.checks.selection import Selection, new_entries, seen_entries, select_new
from trawler_operator.domain.gates.gate import LISTING, Finding, listing_finding
from trawler_operator.domain.jobs.settings import cookies_mode, cookies_secret, proxy
from trawler_operator.domain.ledger.entry import ACTIVE_STATES, LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.requests.grammar import asked_check
from trawler_operator.domain.status.condition_rules import CheckReport
from trawler_operator.domain.status.cookies import cookies_read, cookies_verdict
from trawler_operator.reconcile.observation import Pass, Policy
from trawler_operator.reconcile.places import Places
from trawler_operator.reconcile.ports import Event, KubernetesApi, Lister, ListerError, Measurements, RawListing
from trawler_operator.reconcile.steps.prerequisites import Prerequisites
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerNotWritableError, LedgerStore

logger = logging.getLogger(__name__)

LISTER_FAILED = "lister-error"
AUDIT_RETRY = timedelta(days=1)
"""An audit that failed is tried again then. Ordinary checks go on meanwhile: a source too long for the deadline would
otherwise never be listed again."""


class StaleSubscriptionError(Exception):
    """The Subscription changed while its source was being listed: the pass begins again."""


class Checker:
    """Looks at sources."""

    def __init__(
        self,
        api: KubernetesApi,
        store: LedgerStore,
        lister: Lister,
        places: Places,
        gatekeeper: Gatekeeper,
        policy: Policy,
        measurements: Measurements,
    ) -> None:
        self._api = api
        self._store = store
        self._lister = lister
        self._places = places
        self._gatekeeper = gatekeeper
        self._policy = policy
        self._measurements = measurements
        self._next_audits: dict[Key, datetime] = {}
        """Where the last audit failed: not before this time."""

    def forget(self, key: Key) -> None:
        """The Subscription is gone."""
        self._next_audits.pop(key, None)

    async def check(self, current: Pass, found: Prerequisites) -> CheckReport | None:
        """List the source and record what is new.

        Returns:
            How it went; None: too many listings run, or a gate has closed; the Subscription is woken when it may come
            again.

        Raises:
            StaleSubscriptionError: what was asked for is not what is wanted any more; nothing was written.
        """
        if not self._places.take(current.key):
            current.waits_for_listing = True
            return None
        try:
            gates = await self._gatekeeper.admit_listing(current)
            if gates is None:
                current.waits_for_gate = True
                return None
            request = self._request(current, found)
            listing = await self._list(current, request)
        finally:
            self._places.leave(current.key)
        await self._gatekeeper.settle(current, [(LISTING, gates, _finding(listing))])
        at = current.now
        if request.audit:
            self._note_audit(current, listing)
        subscription = current.subscription
        requested = asked_check(subscription.annotations, subscription.status.last_handled.check)
        if isinstance(listing, ListerError):
            logger.warning("the lister failed for %s/%s: %s", *current.key, listing)
            return CheckReport(at, end=None, detail=str(listing), requested=requested)
        trailer = listing.trailer
        read = cookies_read(trailer, current.subscription.status.conditions) if request.cookies is not None else None
        current.cookies = cookies_verdict(trailer) or read or current.cookies
        if trailer.end is ListingEnd.ERROR:
            detail = trailer.message or trailer.reason or "no reason given"
            logger.warning("the source of %s/%s cannot be listed: %s: %s", *current.key, trailer.reason, detail)
            text = message(EventReason.CHECK_FAILED, detail=f"{trailer.reason}: {detail}")
            current.events.append(Event(EventReason.CHECK_FAILED, text, warning=True))
            return CheckReport(at, trailer.end, trailer.outcome, trailer.reason, detail, requested=requested)
        if trailer.omitted:
            current.events.append(_omitted(trailer))
            logger.warning("%s/%s: %s", *current.key, current.events[-1].message)
        try:
            await self._record(current, listing)
        except LedgerNotWritableError as error:
            return _unrecorded(current, error, at, requested)
        first = listing.sources[0][0] if listing.sources else None
        return CheckReport(
            at,
            trailer.end,
            source_id=first.id if first else None,
            source_title=first.title if first else None,
            requested=requested,
        )

    def _note_audit(self, current: Pass, listing: RawListing | ListerError) -> None:
        if isinstance(listing, ListerError) or listing.trailer.end is ListingEnd.ERROR:
            self._next_audits[current.key] = current.now + AUDIT_RETRY
        else:
            self._next_audits.pop(current.key, None)

    async def _list(self, current: Pass, request: ListRequest) -> RawListing | ListerError:
        began = time.monotonic()
        result = LISTER_FAILED
        try:
            listing = await self._lister.list(request)
            result = listing.trailer.end.value
        except ListerError as error:
            return error
        finally:
            self._measurements.check_finished(result, time.monotonic() - began)
        logger.info(
            "listed %s/%s: %s, %d entries, %d requests",
            *current.key,
            result,
            sum(len(entries) for _, entries in listing.sources),
            listing.trailer.requests,
        )
        return listing

    def _request(self, current: Pass, found: Prerequisites) -> ListRequest:
        subscription = current.subscription
        spec = subscription.spec
        put_off_until = self._next_audits.get(current.key)
        audit = (
            bool(current.ledger.sources)
            and (put_off_until is None or current.now >= put_off_until)
            and audit_due(
                last_audit=subscription.status.last_audit_time,
                created_at=subscription.creation_timestamp,
                uid=subscription.uid,
                interval=timedelta(seconds=self._policy.audit_interval_seconds),
                now=current.now,
            )
        )
        return ListRequest(
            url=spec.url,
            kinds=spec.select.kinds or (),
            newest=spec.select.newest,
            audit=audit,
            known=current.ledger.known_by_source(MAX_KNOWN_PER_SOURCE),
            proxy=proxy(spec, self._policy.defaults) or None,
            ca_bundle=found.ca_bundle,
            cookies=found.secrets.cookies,
            cookies_mode=cookies_mode(spec),
            proxy_username=found.secrets.proxy_username,
            proxy_password=found.secrets.proxy_password,
            allow_generic=spec.access.allow_generic,
            allowed_cidrs=self._policy.defaults.allowed_cidrs,
            deadline_seconds=self._policy.listing_deadline_seconds,
        )

    async def _record(self, current: Pass, listing: RawListing) -> None:
        """Write what is new, then which known videos another source has listed.

        In this order: a video that a source is known to list stops the walk, also above one that was not written yet.
        A first run is over with the last of these writes.
        """
        spec, now = current.subscription.spec, current.now
        has_cookies = bool(cookies_secret(spec))
        lines = [line for _, entries in listing.sources for line in entries]
        selection = Selection((), ())

        def started(ledger: Ledger) -> dict[str, str]:
            keys = [source.key for source, _ in listing.sources if source.key not in ledger.sources]
            return dict.fromkeys(keys, format_time(now))

        def find_new(ledger: Ledger) -> Changes:
            nonlocal selection
            selection = select_new(listing.sources, spec.select, ledger)
            entries = new_entries(selection.new, ledger.next_seq, now)
            for new in selection.new:
                verdict = judge(new.line, now, has_cookies=has_cookies)
                if verdict is not None and new.state is LedgerState.PENDING:
                    entries[new.line.key] = apply_verdict(entries[new.line.key], verdict)
            return Changes(
                entries=entries | relisted(lines, ledger.active, now, has_cookies=has_cookies),
                started_sources={} if selection.seen else started(ledger),
            )

        def find_seen(ledger: Ledger, known: Mapping[str, LedgerEntry]) -> Changes:
            seen = select_new(listing.sources, spec.select, ledger).seen
            return Changes(seen_entries(seen, known, ledger.next_seq), started_sources=started(ledger))

        if not find_new(current.ledger) and not selection.seen:
            return
        await self._refuse_stale(current.subscription)
        written = await self._store.commit(current.subscription, current.ledger, find_new)
        if selection.seen:
            await self._store.rewrite(
                current.subscription, current.ledger, partial(_keys_seen, listing, spec), find_seen
            )
        wanted = sum(1 for new in selection.new if written.entries[new.line.key].state in ACTIVE_STATES)
        skipped = len(selection.new) - wanted
        if selection.new:
            logger.info("%s/%s: %d videos selected, %d skipped", *current.key, wanted, skipped)
        if wanted:
            text = message(EventReason.VIDEOS_FOUND, selected=wanted, skipped=skipped)
            current.events.append(Event(EventReason.VIDEOS_FOUND, text))

    async def _refuse_stale(self, subscription: Subscription) -> None:
        """A listing may take minutes; what it found must not be written for a spec that is not wanted any more."""
        body = await self._api.get_subscription((subscription.namespace, subscription.name))
        metadata = body["metadata"] if body else {}
        same = metadata.get("uid") == subscription.uid and metadata.get("generation") == subscription.generation
        if not same or metadata.get("deletionTimestamp"):
            raise StaleSubscriptionError(f"{subscription.namespace}/{subscription.name} changed during its check")


def _keys_seen(listing: RawListing, spec: SubscriptionSpec, ledger: Ledger) -> set[str]:
    return {key for key, _ in select_new(listing.sources, spec.select, ledger).seen}


def _omitted(trailer: TrailerLine) -> Event:
    """Said at every check: nothing else tells of these videos."""
    reason, example = EventReason.VIDEOS_OMITTED, trailer.omitted_example or "it has no name"
    text = message(reason, count=trailer.omitted, limit=MAX_IDENTITY_BYTES, example=example)
    return Event(reason, text, warning=True)


def _finding(listing: RawListing | ListerError) -> Finding:
    """What the listing says of the site; nothing, where the lister itself failed."""
    if isinstance(listing, ListerError):
        return Finding()
    trailer = listing.trailer
    asked = trailer.requests > 0
    if trailer.end is not ListingEnd.ERROR:
        return listing_finding(None, "", "", None, asked=asked)
    outcome = trailer.outcome or OutcomeClass.TRANSIENT
    reason, text = trailer.reason or outcome.value, trailer.message or ""
    return listing_finding(outcome, reason, text, trailer.retry_at, asked=asked)


def _unrecorded(current: Pass, error: LedgerNotWritableError, at: datetime, requested: str | None) -> CheckReport:
    """What was found cannot be written. It stays unknown, and the next check, which comes no sooner, finds it again."""
    logger.warning("what was found for %s/%s cannot be written: %s", *current.key, error)
    detail = message(ConditionReason.LEDGER_NOT_WRITABLE, detail=error)
    current.blocker = Blocker(ConditionReason.LEDGER_NOT_WRITABLE, detail)
    text = message(EventReason.LEDGER_NOT_WRITABLE, detail=error)
    current.events.append(Event(EventReason.LEDGER_NOT_WRITABLE, text, warning=True))
    return CheckReport(at, end=None, detail=detail, requested=requested)
