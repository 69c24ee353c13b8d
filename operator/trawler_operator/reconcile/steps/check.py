"""Middle step of a pass: look at the source, and write what is new to the ledger.

A listing is used only if its trailer came and is not an error. New videos are written oldest first. So after a crash in
the middle the unwritten videos are on top of the source, where the next check finds them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from trawler_operator.api.reasons import EventReason, message
from trawler_operator.api.spec import SubscriptionSpec
from trawler_operator.api.subscription import Key, Subscription
from trawler_operator.api.times import format_time
from trawler_operator.domain.blocker import Blocker
from trawler_operator.domain.checks.readiness import apply_verdict, judge, relisted
from trawler_operator.domain.checks.schedule import audit_due
from trawler_operator.domain.checks.selection import Selection, new_entries, seen_entries, select_new
from trawler_operator.domain.gates.endings import listing_finding
from trawler_operator.domain.gates.gate import LISTING, Finding
from trawler_operator.domain.gates.route import GateId
from trawler_operator.domain.jobs.settings import cookies_mode, cookies_secret, is_proxy_trusted, proxy
from trawler_operator.domain.ledger.entry import ACTIVE_STATES, LedgerEntry
from trawler_operator.domain.ledger.ledger import Changes, Ledger
from trawler_operator.domain.line import Line
from trawler_operator.domain.requests.grammar import asked_check
from trawler_operator.domain.status.condition_rules import CheckReport
from trawler_operator.domain.status.cookies import CookiesVerdict, cookies_read, cookies_verdict
from trawler_operator.domain.status.punctuality import Turn
from trawler_operator.reconcile.failures import Step, StepFailure
from trawler_operator.reconcile.ports import (
    ApiError,
    Event,
    KubernetesApi,
    Lister,
    ListerError,
    Measurements,
    NotLeadingError,
    RawListing,
)
from trawler_operator.reconcile.steps.prerequisites import ListingNeeds
from trawler_operator.reconcile.stores.gatekeeper import AboutGate, Gatekeeper
from trawler_operator.reconcile.stores.ledger_store import LedgerBusyError, LedgerStore
from trawler_operator.reconcile.subject import Subject

logger = logging.getLogger(__name__)

LISTER_FAILED = "lister-error"
AUDIT_RETRY = timedelta(days=1)
"""Time from a failed audit to the next try. Ordinary checks go on meanwhile: otherwise a source that is too long for
the deadline would never be listed again.
"""


class _StaleError(Exception):
    """The Subscription changed while its source was being listed."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a check that was due.

    Args:
        report: how the check went; None: it was not made.
        turn: how long it stood in line, or stands there still; None: no check was due.
        waits_for_gate: whether a closed gate holds the check back.
        is_stale: whether the Subscription changed meanwhile. Then nothing was written, and another pass is due at once.
        blocker: why the result could not be recorded.
        cookies: what the check found out about the cookies.
        events: Events about the Subscription.
        gate_events: Events about gates that moved.
    """

    report: CheckReport | None = None
    turn: Turn | None = None
    waits_for_gate: bool = False
    is_stale: bool = False
    blocker: Blocker | None = None
    cookies: CookiesVerdict | None = None
    events: tuple[Event, ...] = ()
    gate_events: tuple[AboutGate, ...] = ()


class Checker:
    """Looks at sources."""

    def __init__(
        self,
        api: KubernetesApi,
        store: LedgerStore,
        lister: Lister,
        line: Line,
        gatekeeper: Gatekeeper,
        measurements: Measurements,
    ) -> None:
        self._api = api
        self._store = store
        self._lister = lister
        self._line = line
        self._gatekeeper = gatekeeper
        self._measurements = measurements
        self._next_audits: dict[Key, datetime] = {}
        """Earliest time of the next audit, for Subscriptions whose last audit failed."""

    def forget(self, key: Key) -> None:
        """Forget a Subscription that is gone."""
        self._next_audits.pop(key, None)

    async def check(self, subject: Subject, ledger: Ledger, needs: ListingNeeds) -> Checked:
        """List the source and record what is new.

        Raises:
            GatesUnavailableError: the gates cannot be written.
        """
        turn, lane = self._turn(subject), subject.listing_route.egress
        if not self._line.take(subject.key, lane):
            return Checked(turn=turn)
        try:
            gates = await self._gatekeeper.admit_listing(subject)
            if gates is None:
                return Checked(waits_for_gate=True)
            request = self._request(subject, ledger, needs)
            listing = await self._list(subject, request)
        finally:
            self._line.leave(subject.key)
        return replace(await self._take_up(subject, ledger, request, gates, listing), turn=replace(turn, has_come=True))

    async def _take_up(
        self,
        subject: Subject,
        ledger: Ledger,
        request: ListRequest,
        gates: Mapping[GateId, int],
        listing: RawListing | ListerError,
    ) -> Checked:
        """Move gates by the listing, and record what it found."""
        gate_events = await self._gatekeeper.settle(subject, [(LISTING, gates, _finding(listing))])
        if request.audit:
            self._note_audit(subject, listing)
        subscription = subject.subscription
        requested = asked_check(subscription.annotations, subscription.status.last_handled.check)
        if isinstance(listing, ListerError):
            logger.warning("the lister failed for %s/%s: %s", *subject.key, listing)
            report = CheckReport(subject.now, end=None, detail=str(listing), requested=requested)
            return Checked(report, gate_events=gate_events)
        trailer = listing.trailer
        read = cookies_read(trailer, subscription.status.conditions) if request.cookies is not None else None
        cookies = cookies_verdict(trailer) or read
        if trailer.end is ListingEnd.ERROR:
            report = _failed(subject, trailer, requested)
            text = message(EventReason.CHECK_FAILED, detail=f"{trailer.reason}: {report.detail}")
            failed = Event(EventReason.CHECK_FAILED, text, warning=True)
            return Checked(report, cookies=cookies, events=(failed,), gate_events=gate_events)
        omitted = _omitted(subject, trailer)
        try:
            events = await self._record(subject, ledger, listing)
        except NotLeadingError:
            raise
        except _StaleError:
            logger.info("%s/%s changed during its check", *subject.key)
            return Checked(is_stale=True, cookies=cookies, gate_events=gate_events)
        except (LedgerBusyError, ApiError) as error:
            return _unrecorded(subject, error, requested, cookies, omitted, gate_events)
        first = listing.sources[0][0] if listing.sources else None
        report = CheckReport(
            subject.now,
            trailer.end,
            source_id=first.id if first else subject.subscription.spec.url,
            source_title=first.title if first else None,
            requested=requested,
        )
        return Checked(report, cookies=cookies, events=(*omitted, *events), gate_events=gate_events)

    def _turn(self, subject: Subject) -> Turn:
        lane, limits = subject.listing_route.egress, self._line.limits
        length = self._line.lengths().get(lane)
        return Turn(
            waited=timedelta(seconds=self._line.waited(subject.key)),
            lane=str(lane),
            due=length.due if length is not None else 0,
            places=limits.places,
            spacing=limits.spacing,
        )

    def _note_audit(self, subject: Subject, listing: RawListing | ListerError) -> None:
        if isinstance(listing, ListerError) or listing.trailer.end is ListingEnd.ERROR:
            self._next_audits[subject.key] = subject.now + AUDIT_RETRY
        else:
            self._next_audits.pop(subject.key, None)

    async def _list(self, subject: Subject, request: ListRequest) -> RawListing | ListerError:
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
            *subject.key,
            result,
            sum(len(entries) for _, entries in listing.sources),
            listing.trailer.requests,
        )
        return listing

    def _request(self, subject: Subject, ledger: Ledger, needs: ListingNeeds) -> ListRequest:
        subscription, policy = subject.subscription, subject.policy
        spec = subscription.spec
        put_off_until = self._next_audits.get(subject.key)
        audit = (
            bool(ledger.sources)
            and (put_off_until is None or subject.now >= put_off_until)
            and audit_due(
                last_audit=subscription.status.last_audit_time,
                created_at=subscription.creation_timestamp,
                uid=subscription.uid,
                interval=policy.checks.audit_interval,
                now=subject.now,
            )
        )
        return ListRequest(
            url=spec.url,
            kinds=spec.select.kinds or (),
            newest=spec.select.newest,
            audit=audit,
            known=ledger.known_by_source(MAX_KNOWN_PER_SOURCE),
            proxy=proxy(spec, policy.defaults) or None,
            proxy_trusted=is_proxy_trusted(spec, policy.defaults, policy.access),
            ca_bundle=needs.ca_bundle,
            cookies=needs.secrets.cookies,
            cookies_mode=cookies_mode(spec),
            proxy_username=needs.secrets.proxy_username,
            proxy_password=needs.secrets.proxy_password,
            allow_generic=spec.access.allow_generic,
            allowed_cidrs=policy.access.allowed_cidrs,
            deadline_seconds=policy.checks.listing_deadline_seconds,
        )

    async def _record(self, subject: Subject, ledger: Ledger, listing: RawListing) -> tuple[Event, ...]:
        """Write the new videos, then the known ones that another source has listed.

        The order matters: a video that the source is known to list stops a walk, and it must not stand above a video
        that was not written yet. The last of these writes also ends a source's first run.

        Raises:
            _StaleError: the Subscription changed while its source was being listed.
        """
        spec, now = subject.subscription.spec, subject.now
        has_cookies = bool(cookies_secret(spec))
        lines = [line for _, entries in listing.sources for line in entries]
        selection = Selection((), ())

        def started(ledger: Ledger) -> dict[str, str]:
            keys = [source.key for source, _ in listing.sources if not ledger.was_listed(source.key)]
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

        if not find_new(ledger) and not selection.seen:
            return ()
        await self._refuse_stale(subject.subscription)
        written = await self._store.commit(subject.subscription, ledger, find_new)
        if selection.seen:
            await self._store.rewrite(subject.subscription, ledger, partial(_keys_seen, listing, spec), find_seen)
        wanted = sum(1 for new in selection.new if written.entries[new.line.key].state in ACTIVE_STATES)
        skipped = len(selection.new) - wanted
        if selection.new:
            logger.info("%s/%s: %d videos selected, %d skipped", *subject.key, wanted, skipped)
        if not wanted:
            return ()
        text = message(EventReason.VIDEOS_FOUND, selected=wanted, skipped=skipped)
        return (Event(EventReason.VIDEOS_FOUND, text),)

    async def _refuse_stale(self, subscription: Subscription) -> None:
        """Check that the spec is still wanted: a listing may take minutes.

        Raises:
            _StaleError: the Subscription changed or is being deleted.
        """
        body = await self._api.get_subscription((subscription.namespace, subscription.name))
        metadata = body["metadata"] if body else {}
        same = metadata.get("uid") == subscription.uid and metadata.get("generation") == subscription.generation
        if not same or metadata.get("deletionTimestamp"):
            raise _StaleError


def _keys_seen(listing: RawListing, spec: SubscriptionSpec, ledger: Ledger) -> set[str]:
    return {key for key, _ in select_new(listing.sources, spec.select, ledger).seen}


def _omitted(subject: Subject, trailer: TrailerLine) -> tuple[Event, ...]:
    """The Event about videos that the listing left out, posted at every check: nothing else shows these videos."""
    if not trailer.omitted:
        return ()
    reason, example = EventReason.VIDEOS_OMITTED, trailer.omitted_example or "it has no name"
    text = message(reason, count=trailer.omitted, limit=MAX_IDENTITY_BYTES, example=example)
    logger.warning("%s/%s: %s", *subject.key, text)
    return (Event(reason, text, warning=True),)


def _finding(listing: RawListing | ListerError) -> Finding:
    """What the listing says of the site; nothing if the lister itself failed."""
    if isinstance(listing, ListerError):
        return Finding()
    trailer = listing.trailer
    asked = trailer.requests > 0
    if trailer.end is not ListingEnd.ERROR:
        return listing_finding(None, "", "", None, asked=asked)
    outcome = trailer.outcome or OutcomeClass.TRANSIENT
    reason, text = trailer.reason or outcome.value, trailer.message or ""
    return listing_finding(outcome, reason, text, trailer.retry_at, asked=asked)


def _failed(subject: Subject, trailer: TrailerLine, requested: str | None) -> CheckReport:
    detail = trailer.message or trailer.reason or "no reason given"
    logger.warning("the source of %s/%s cannot be listed: %s: %s", *subject.key, trailer.reason, detail)
    return CheckReport(subject.now, trailer.end, trailer.outcome, trailer.reason, detail, requested=requested)


def _unrecorded(
    subject: Subject,
    error: LedgerBusyError | ApiError,
    requested: str | None,
    cookies: CookiesVerdict | None,
    omitted: tuple[Event, ...],
    gate_events: tuple[AboutGate, ...],
) -> Checked:
    """A check whose result cannot be written. The next check finds it again, and comes no sooner than usual."""
    logger.warning("what was found for %s/%s cannot be written: %s", *subject.key, error)
    blocker = StepFailure(Step.CHECK, error).blocker
    return Checked(
        CheckReport(subject.now, end=None, detail=blocker.message, requested=requested),
        blocker=blocker,
        cookies=cookies,
        events=(*omitted, Event(blocker.reason.value, blocker.message, warning=True)),
        gate_events=gate_events,
    )
