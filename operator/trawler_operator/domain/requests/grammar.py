"""Requests by annotation: what a user may ask for about single videos, and what becomes of their entries. Pure.

    kubectl annotate --overwrite subscription 3blue1brown trawler.dev/retry="$(date +%s)"
    kubectl annotate --overwrite subscription 3blue1brown trawler.dev/skip="7;keys=youtube.dQw4w9WgXcQ,youtube.abc"

A value is a new id, then what is meant: `;keys=<keys of videos>`, `;state=<state>`, `;class=<class of last ending>`.
Several of these narrow it down. A request is carried out once per id. The ledger notes that, in the same write as the
last of the request's entries. The status alone would not do: it is lost if its write fails or the Subscription is
deleted and applied again.

| verb | of entries that are | makes them |
|---|---|---|
| retry | DeadLetter (the default), Failed, Waiting, Skipped | Pending, as if never tried |
| skip | Pending, Failed, Waiting, DeadLetter | Skipped, SkippedByUser |
| cancel | Running | Skipped, CancelledByUser; the Job is deleted |
| cancel | Pending, Failed, Waiting, DeadLetter | Skipped, SkippedByUser |
| cancel, by `keys=` alone | Succeeded, with a follow-up | Succeeded without it; its Job is deleted |
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from pydantic import ValidationError

from trawler_downloader.contract.outcomes import LedgerState, OutcomeClass
from trawler_operator.api import labels
from trawler_operator.api.fitting import cut_characters
from trawler_operator.api.reasons import SkipReason, message
from trawler_operator.api.status import MAX_KEY, MAX_TEXT, HandledRequest, LastHandled
from trawler_operator.api.times import format_time, in_range
from trawler_operator.domain.launches.transitions import queue_anew
from trawler_operator.domain.ledger.entry import Found, LedgerEntry
from trawler_operator.domain.pauses import FOREVER

MAX_VALUE_BYTES = 16_384
"""Longest value of an annotation: some 600 keys. All annotations of an object together may take 256 KiB."""
_ID = re.compile(rf"[^\s;,=]{{1,{MAX_KEY}}}")
_KEY = re.compile(rf"[-._a-zA-Z0-9]{{1,{MAX_KEY}}}")
_SYNTAX = "<new id>;keys=<video keys, comma separated>, ;state=<state> or ;class=<class>"


class Verb(StrEnum):
    """What may be asked for."""

    RETRY = "retry"
    SKIP = "skip"
    CANCEL = "cancel"

    @property
    def annotation(self) -> str:
        """Name of the Subscription's annotation."""
        return _ANNOTATIONS[self]


_ANNOTATIONS: Mapping[Verb, str] = {
    Verb.RETRY: labels.RETRY_ANNOTATION,
    Verb.SKIP: labels.SKIP_ANNOTATION,
    Verb.CANCEL: labels.CANCEL_ANNOTATION,
}


_NOT_BEGUN = frozenset({LedgerState.PENDING, LedgerState.FAILED, LedgerState.WAITING, LedgerState.DEAD_LETTER})
STATES: Mapping[Verb, frozenset[LedgerState]] = {
    Verb.RETRY: frozenset({LedgerState.DEAD_LETTER, LedgerState.FAILED, LedgerState.WAITING, LedgerState.SKIPPED}),
    Verb.SKIP: _NOT_BEGUN,
    Verb.CANCEL: _NOT_BEGUN | {LedgerState.RUNNING},
}
"""States of the entries that a verb applies to."""


_LEFT_OUT = {SkipReason.BACK_CATALOGUE, SkipReason.BEFORE_WINDOW}
"""Rules for what was there before the source's first check, so that a file of it says nothing about what is new."""


class InvalidRequestError(ValueError):
    """The value cannot be understood. The message names the annotation and what is wrong. The user acts."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Args:
        verb: what to do.
        id: distinguishes requests; each id is carried out once.
        keys: only these videos; None: any.
        states: only entries in one of these states.
        outcome: only entries whose last launch ended in this class; None: any.
    """

    verb: Verb
    id: str
    keys: frozenset[str] | None
    states: frozenset[LedgerState]
    outcome: OutcomeClass | None

    def is_for(self, entry: LedgerEntry) -> bool:
        """Whether the request is for an entry, whose key is one of `keys`."""
        if entry.follow_up is not None:
            is_by_key_alone = self.keys is not None and self.states == STATES[self.verb] and self.outcome is None
            return self.verb is Verb.CANCEL and is_by_key_alone
        return entry.state in self.states and (self.outcome is None or entry.outcome is self.outcome)


def parse_request(verb: Verb, value: str) -> Request:
    """Read an annotation's value.

    Raises:
        InvalidRequestError: the value cannot be understood. The message names the annotation and the wrong part.
    """
    if len(value.encode("utf-8", "replace")) > MAX_VALUE_BYTES:
        raise _refusal(
            verb.annotation,
            f"is longer than {MAX_VALUE_BYTES} bytes: name fewer keys at a time, each time with a new id",
        )
    first, *rest = (part.strip() for part in value.split(";"))
    if not _ID.fullmatch(first):
        raise _refusal(verb.annotation, f"must begin with a new id of at most {MAX_KEY} characters, as in {_SYNTAX}")
    parts: dict[str, str] = {}
    for part in rest:
        name, equals, text = (piece.strip() for piece in part.partition("="))
        if not equals or name not in {"keys", "state", "class"}:
            raise _refusal(verb.annotation, f"has {part[:60]!r} where one of keys=, state= and class= is understood")
        if name in parts:
            raise _refusal(verb.annotation, f"has {name}= twice")
        parts[name] = text
    if not parts and verb is not Verb.RETRY:
        raise _refusal(verb.annotation, f"does not say which videos: {_SYNTAX}")
    states = _states(verb, parts)
    keys = _keys(verb, parts["keys"]) if "keys" in parts else None
    outcome = OutcomeClass(_one_of(verb, "class", parts["class"], set(OutcomeClass))) if "class" in parts else None
    return Request(verb, first, keys, states, outcome)


def _states(verb: Verb, parts: Mapping[str, str]) -> frozenset[LedgerState]:
    allowed = STATES[verb]
    if "state" in parts:
        return frozenset({LedgerState(_one_of(verb, "state", parts["state"], allowed))})
    if verb is Verb.RETRY and not parts:
        return frozenset({LedgerState.DEAD_LETTER})
    # Skipped videos come back only if they are named: a source's whole past may be among them.
    return allowed if "keys" in parts else allowed - {LedgerState.SKIPPED}


def _keys(verb: Verb, text: str) -> frozenset[str]:
    keys = [key for part in text.split(",") if (key := part.strip())]
    wrong = next((key for key in keys if not _KEY.fullmatch(key)), None)
    if wrong is not None:
        raise _refusal(
            verb.annotation, f"has {wrong[:60]!r} in keys=, which is no video's key (as in status.recentFailures)"
        )
    if not keys:
        raise _refusal(verb.annotation, "has no key in keys=")
    return frozenset(keys)


def _one_of(verb: Verb, name: str, text: str, allowed: Collection[str]) -> str:
    if text not in allowed:
        raise _refusal(
            verb.annotation, f"has {name}={text[:60]} where one of {', '.join(sorted(allowed))} is understood"
        )
    return text


def _refusal(annotation: str, text: str) -> InvalidRequestError:
    # The text is cut as the status cuts it, because it is compared with the text there.
    return InvalidRequestError(cut_characters(f"annotation {annotation} {text}", MAX_TEXT))


def carry_out(request: Request, entry: LedgerEntry) -> LedgerEntry:
    """The entry after a request for it was carried out."""
    if request.verb is Verb.RETRY:
        found = Found.BACK_CATALOGUE if entry.reason in _LEFT_OUT else entry.found
        return replace(queue_anew(entry), found=found)
    if entry.follow_up is not None:
        return replace(entry, follow_up=None)
    running = entry.state is LedgerState.RUNNING
    reason = SkipReason.CANCELLED_BY_USER if running else SkipReason.SKIPPED_BY_USER
    text = message(reason, annotation=request.verb.annotation, id=request.id)
    return replace(
        entry,
        state=LedgerState.SKIPPED,
        failures=0,
        deferrals=0,
        retry_at=None,
        reason=reason.value,
        message=text,
        built_from=None,
    )


def encode_mark(handled: HandledRequest) -> str:
    """The mark of a request that was carried out, for the ledger."""
    return f"{format_time(handled.time)} {handled.accepted} {handled.unknown} {handled.id}"


def decode_mark(text: str | None) -> HandledRequest | None:
    """Read a mark. An unreadable mark counts as none: the status knows the request as well."""
    parts = (text or "").split(" ")
    if len(parts) != 4:
        return None
    try:
        return HandledRequest.model_validate(dict(zip(("time", "accepted", "unknown", "id"), parts, strict=True)))
    except ValidationError:
        return None


def refused(value: str, error: InvalidRequestError, now: datetime) -> HandledRequest:
    """What the status shows of a value that cannot be understood."""
    first = value.partition(";")[0].strip()
    return HandledRequest(id=first, time=now, accepted=0, unknown=0, message=str(error))


def is_handled(handled: HandledRequest | None, request_id: str, error: str | None = None) -> bool:
    """Whether a request was carried out already, or refused for the same error."""
    if handled is None or handled.id != request_id:
        return False
    return handled.message is None or handled.message == error


def asked_check(annotations: Mapping[str, str], handled: HandledRequest | None) -> str | None:
    """Value of the annotation that asks for a check; None if none does, or that check was made.

    The annotation stays on the object for ever, so its presence alone says nothing.
    """
    return _asked(annotations.get(labels.CHECK_ANNOTATION), handled)


def asked_probe(annotations: Mapping[str, str], handled: HandledRequest | None) -> str | None:
    """Value of the annotation that asks for a probe; None if none does, or that was done."""
    return _asked(annotations.get(labels.PROBE_ANNOTATION), handled)


def _asked(wish: str | None, handled: HandledRequest | None) -> str | None:
    return None if wish is None or is_handled(handled, cut_characters(wish, MAX_KEY)) else wish


def parse_pause(annotations: Mapping[str, str]) -> datetime | None:
    """Until when a person wants no download to begin; None if nobody does.

    Raises:
        InvalidRequestError: the annotation's value is neither a time with its zone nor one of the words.
    """
    value = annotations.get(labels.PAUSE_ANNOTATION, "none").strip()
    match value:
        case "none":
            return None
        case "forever":
            return FOREVER
    try:
        time = datetime.fromisoformat(value)
        until = in_range(time) if time.tzinfo is not None else None
    except ValueError:
        until = None
    if until is None:
        raise _refusal(
            labels.PAUSE_ANNOTATION,
            f"is {value[:60]!r}: understood are a time with its zone, such as 2026-12-24T18:00:00Z, and the words "
            "forever and none",
        )
    return until


def last_handled(previous: LastHandled, handled: Mapping[str, HandledRequest]) -> LastHandled:
    """The requests that the status remembers, by the last part of their annotations' names."""
    return previous.model_copy(update=dict(handled))
