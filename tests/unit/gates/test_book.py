"""Gates together: who may pass, who probes, and what endings change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from builders import NOON
from trawler_operator.domain.gates.book import Evidence, GateBook, GateChanges, Move
from trawler_operator.domain.gates.budget import Budget, BudgetLimits
from trawler_operator.domain.gates.gate import LISTING, Closing, Finding, Gate, GatePolicy, Probe
from trawler_operator.domain.gates.route import download_route, listing_route, own_gates
from trawler_operator.domain.pauses import Pause

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
POLICY = GatePolicy(Pause(15 * MINUTE, 6 * HOUR), Pause(MINUTE, 30 * MINUTE), Pause(MINUTE, HOUR), 30 * MINUTE)
LIMITS = BudgetLimits(max_parallel=2, max_per_hour=3, spacing=timedelta(0))
ROUTE = download_route("https://youtu.be/x", "", "media/library", "media/a")
OTHER_JAR = download_route("https://youtu.be/x", "", "media/library", "media/a", "media/jar")
OTHER_SITE = download_route("https://example.com/x", "", "media/library", "media/a")
EGRESS, COOKIES, VOLUME = ROUTE.shared
LIMITED = Finding("RateLimited", "HTTP 429", is_limit=True)
BOT_CHECK = Finding("BotCheck", "not a bot?", is_limit=True)
STALE = Finding("StaleVolume", "ESTALE", is_volume_trouble=True)
PUBLISHED = Finding("Published", proves_site=True, proves_volume=True)
REMOVED = Finding("VideoRemoved", proves_site=True)
SILENT = Finding("Killed")
UNCLEAR = Finding("Unreachable", is_unclear=True)
REFUSED = Finding("AddressRefused", is_unclear=True)
FAILED = Finding("ServerError", is_unclear=True)
A, B = "media/a", "media/b"
OPEN = dict.fromkeys(ROUTE.shared, 0)


def after(book: GateBook, changes: GateChanges) -> GateBook:
    """The book with changes written to it."""
    return GateBook({**book.gates, **changes.gates})


def told(book: GateBook, finding: Finding, now: datetime = NOON, **fields: object) -> GateBook:
    """The book after an ending of a launch of a that passed open gates."""
    ending = Evidence(**{"holder": A, "task": "v#1", "gates": OPEN, "finding": finding, **fields})  # type: ignore[arg-type]
    return after(book, book.settle([ending], POLICY, now))


def closed(book: GateBook) -> set[str]:
    """Kinds of the gates that are closed."""
    return {gate.id.kind for gate in book.gates.values() if gate.is_closed}


def probing(book: GateBook, now: datetime | None = None) -> tuple[GateBook, Evidence]:
    """The book once all pauses are over and a launch probes; and its ending, to be completed."""
    route, holder, task = ROUTE, A, "v#2"
    generous = replace(LIMITS, max_per_hour=99)
    changes = book.admit_downloads(route, holder, [task], generous, POLICY, now or LATER)
    assert changes.epochs is not None
    return after(book, changes), Evidence(holder, task, changes.epochs, SILENT)


LATER = NOON + 7 * HOUR
"""After the longest first pause."""


# --- what endings change ---


@pytest.mark.parametrize(
    ("finding", "kinds"),
    [
        pytest.param(LIMITED, {"Cookies"}, id="429: this visitor"),
        pytest.param(BOT_CHECK, {"Egress"}, id="bot check: every visitor of the address"),
        pytest.param(STALE, {"Volume"}, id="stale volume: all that write there"),
        pytest.param(SILENT, set(), id="killed: nothing"),
        pytest.param(PUBLISHED, set(), id="published: nothing"),
    ],
)
def test_what_closes(finding: Finding, kinds: set[str]) -> None:
    """The gate that the trouble is about."""
    assert kinds == closed(told(GateBook(), finding))


def test_a_bot_check_holds_other_cookies_and_a_429_does_not() -> None:
    """With whatever jar the same address would be asked."""
    assert told(GateBook(), BOT_CHECK).passable_at(OTHER_JAR, NOON) > NOON
    assert told(GateBook(), LIMITED).passable_at(OTHER_JAR, NOON) == NOON


def test_another_site_passes_unless_the_volume_is_the_trouble() -> None:
    """What they share is the claim."""
    assert told(GateBook(), BOT_CHECK).passable_at(OTHER_SITE, NOON) == NOON
    assert told(GateBook(), STALE).passable_at(OTHER_SITE, NOON) > NOON


def test_launches_that_meet_a_block_together_close_it_once() -> None:
    """One pass or several, the later endings carry an old epoch."""
    endings = [Evidence(A, f"v#{number}", OPEN, LIMITED) for number in range(5)]
    changes = GateBook().settle(endings, POLICY, NOON)
    assert [happening.move for happening in changes.happenings] == [Move.CLOSED]
    book = after(GateBook(), changes)
    assert book.settle(endings, POLICY, NOON + MINUTE) == GateChanges()
    assert book.gate(COOKIES).closing.step == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("finding", [LIMITED, PUBLISHED, SILENT], ids=["trouble", "well", "silent"])
def test_stragglers_change_nothing(finding: Finding) -> None:
    """Launches of the time before the gate closed say nothing of the time after."""
    book = told(GateBook(), LIMITED)
    assert book.gate(COOKIES) == told(book, finding, task="v#9").gate(COOKIES)


def test_stragglers_change_nothing_after_the_opening_either() -> None:
    """A block that is over is not brought back by who met it then."""
    book, probe = probing(told(GateBook(), LIMITED))
    book = after(book, book.settle([replace(probe, finding=PUBLISHED)], POLICY, LATER))
    assert closed(book) == set()
    assert closed(told(book, LIMITED, LATER, task="v#9")) == set()


@pytest.mark.parametrize(
    ("trouble", "finding", "move"),
    [
        pytest.param(LIMITED, PUBLISHED, Move.OPENED, id="site, published"),
        pytest.param(LIMITED, REMOVED, Move.OPENED, id="site, removed"),
        pytest.param(LIMITED, LIMITED, Move.LENGTHENED, id="site, 429 again"),
        pytest.param(BOT_CHECK, LIMITED, Move.LENGTHENED, id="address, 429 now"),
        pytest.param(BOT_CHECK, PUBLISHED, Move.OPENED, id="address, published"),
        pytest.param(STALE, STALE, Move.LENGTHENED, id="volume, stale again"),
        pytest.param(STALE, PUBLISHED, Move.OPENED, id="volume, published"),
        pytest.param(STALE, REMOVED, None, id="volume, the site answered"),
        pytest.param(LIMITED, SILENT, None, id="site, killed"),
        pytest.param(STALE, SILENT, None, id="volume, killed"),
    ],
)
def test_what_a_probe_brings(trouble: Finding, finding: Finding, move: Move | None) -> None:
    """Open, closed for longer, or free for the next candidate."""
    book, probe = probing(told(GateBook(), trouble))
    changes = book.settle([replace(probe, finding=finding)], POLICY, LATER)
    moves = [happening.move for happening in changes.happenings if happening.gate.id.name in book.pauses]
    assert ([move] if move else []) == moves
    assert all(gate.probe is None for gate in after(book, changes).gates.values())
    if move is None:
        assert after(book, changes).passable_at(ROUTE, LATER) == LATER


@pytest.mark.parametrize(
    ("trouble", "minutes"),
    [
        pytest.param(LIMITED, [1, 2, 4, 8, 15, 15], id="site"),
        pytest.param(STALE, [1, 1, 1], id="volume: never longer than its first pause"),
    ],
)
def test_unclear_probes_put_off_the_next_one_ever_longer(trouble: Finding, minutes: list[int]) -> None:
    """The gate does not move, and a killed one in between hands over at once. Trouble begins anew."""
    book, now = told(GateBook(), trouble), LATER
    for expected in minutes:
        before = book
        book, probe = probing(book, now=now)
        changes = book.settle([replace(probe, finding=UNCLEAR)], POLICY, now)
        assert changes.happenings == ()
        book = after(book, changes)
        assert book.pauses == before.pauses
        assert after(book, book.settle([replace(probe, finding=UNCLEAR)], POLICY, now)).gates == book.gates
        again = book.passable_at(ROUTE, now)
        assert expected * MINUTE <= again - now <= 1.2 * expected * MINUTE
        book, probe = probing(book, now=again)
        book = after(book, book.settle([probe], POLICY, again))
        assert book.passable_at(ROUTE, again) == again
        now = again
    book, probe = probing(book, now=now)
    book = after(book, book.settle([replace(probe, finding=trouble)], POLICY, now))
    assert [gate.closing.unclear for gate in book.gates.values() if gate.closing] == [0]


def test_an_unclear_probe_of_a_site_blames_the_site() -> None:
    """It is told from other launches by the epochs that it carries; one of a volume alone does not count."""
    book, probe = probing(told(GateBook(), LIMITED))
    assert book.blames_site(A, probe.task, probe.gates)
    assert not book.blames_site(A, "v#1", OPEN)
    opened = after(book, book.settle([replace(probe, finding=PUBLISHED)], POLICY, LATER))
    assert not opened.blames_site(A, probe.task, probe.gates)
    book, probe = probing(told(GateBook(), STALE))
    assert not book.blames_site(A, probe.task, probe.gates)


# --- a site that is not reached ---


def in_a_row(*findings: Finding, book: GateBook | None = None) -> GateBook:
    """The book after endings of different launches through open gates."""
    book = book or GateBook()
    for number, finding in enumerate(findings):
        book = told(book, finding, task=f"v{number}#1")
    return book


@pytest.mark.parametrize(
    ("findings", "kinds"),
    [
        pytest.param([UNCLEAR] * 2, set(), id="twice"),
        pytest.param([UNCLEAR] * 3, {"Egress"}, id="three times"),
        pytest.param([UNCLEAR, REFUSED, UNCLEAR], {"Egress"}, id="with a DNS that lies in between"),
        pytest.param([UNCLEAR, SILENT, UNCLEAR, UNCLEAR], {"Egress"}, id="with one that says nothing in between"),
        pytest.param([UNCLEAR, UNCLEAR, PUBLISHED, UNCLEAR], set(), id="with a published one in between"),
        pytest.param([UNCLEAR, UNCLEAR, FAILED, UNCLEAR], set(), id="with another failure of the site in between"),
        pytest.param([UNCLEAR, UNCLEAR, LIMITED], {"Cookies"}, id="and then it asks to slow down"),
    ],
)
def test_a_site_that_is_not_reached_three_times_in_a_row_is_left_alone(
    findings: list[Finding], kinds: set[str]
) -> None:
    """By everybody on this way out; what it answers in between, be it a failure, begins anew."""
    assert kinds == closed(in_a_row(*findings))


def test_an_ending_that_is_told_twice_counts_once() -> None:
    """A crash between gate and ledger; and a Subscription's checks, which fail again and again, count once as well."""
    book = told(told(GateBook(), UNCLEAR, task="v#1"), UNCLEAR, task=LISTING)
    for _ in range(5):
        book = told(told(book, UNCLEAR, task="v#1"), UNCLEAR, task=LISTING)
    assert closed(book) == set()
    assert closed(told(book, UNCLEAR, task=LISTING, holder=B)) == {"Egress"}


def test_the_endings_that_close_a_gate_blame_the_site() -> None:
    """As long as it is closed, told again or not; not a straggler that ends after them."""
    book = in_a_row(*[UNCLEAR] * 3)
    again = told(book, UNCLEAR, task="v2#1")
    assert again.gates == book.gates
    assert book.blames_site(A, "v2#1", OPEN)
    assert not book.blames_site(A, "v9#1", OPEN)
    assert not book.blames_site(B, "v2#1", OPEN)


def test_a_site_that_answers_again_is_counted_anew() -> None:
    """From the probe that opened its gate."""
    book, probe = probing(in_a_row(*[UNCLEAR] * 3))
    book = after(book, book.settle([replace(probe, finding=PUBLISHED)], POLICY, LATER))
    assert closed(book) == set()
    epochs = book.epochs(ROUTE)
    for number in range(2):
        book = told(book, UNCLEAR, LATER, task=f"w{number}#1", gates=epochs)
    assert closed(book) == set()
    assert closed(told(book, UNCLEAR, LATER, task="w2#1", gates=epochs)) == {"Egress"}


def test_a_probe_that_does_not_reach_the_site_puts_off_the_next() -> None:
    """For a short while, not for twice as long: nobody asked to be left alone."""
    book, probe = probing(in_a_row(*[UNCLEAR] * 3))
    changes = book.settle([replace(probe, finding=UNCLEAR)], POLICY, LATER)
    assert changes.happenings == ()
    assert MINUTE <= after(book, changes).passable_at(ROUTE, LATER) - LATER <= 1.2 * MINUTE


@pytest.mark.parametrize(
    ("first", "then", "closed_too", "lengthened"),
    [(LIMITED, BOT_CHECK, "Egress", "Cookies"), (BOT_CHECK, LIMITED, "Cookies", "Egress")],
    ids=["a bot check after a 429", "a 429 after a bot check"],
)
def test_other_trouble_at_a_probe_closes_its_gate_too(
    first: Finding, then: Finding, closed_too: str, lengthened: str
) -> None:
    """The pause grows, and what the other trouble is about is left alone as well."""
    book, probe = probing(told(GateBook(), first))
    changes = book.settle([replace(probe, finding=then)], POLICY, LATER)
    assert {happening.gate.id.kind.value: happening.move for happening in changes.happenings} == {
        closed_too: Move.CLOSED,
        lengthened: Move.LENGTHENED,
    }


def test_one_launch_probes_site_and_volume() -> None:
    """Both are closed: a download that comes to its end opens both."""
    book = told(told(GateBook(), LIMITED), STALE)
    assert closed(book) == {"Cookies", "Volume"}
    book, probe = probing(book)
    assert {gate.id.kind.value for gate in book.gates.values() if gate.probe} == {"Cookies", "Volume"}
    changes = book.settle([replace(probe, finding=PUBLISHED)], POLICY, LATER)
    assert closed(after(book, changes)) == set()
    assert [happening.move for happening in changes.happenings] == [Move.OPENED] * 2


def test_one_that_proves_half_opens_half() -> None:
    """The other one's probe is the next candidate's."""
    book, probe = probing(told(told(GateBook(), LIMITED), STALE))
    book = after(book, book.settle([replace(probe, finding=REMOVED)], POLICY, LATER))
    assert closed(book) == {"Volume"}
    assert book.passable_at(ROUTE, LATER) == LATER


def test_a_probe_that_was_given_up_still_counts() -> None:
    """It passed the gate as it stands: what it says is true, and the present probe stays."""
    book, first = probing(told(GateBook(), LIMITED))
    again = LATER + POLICY.probe_timeout
    book = after(book, book.admit_downloads(ROUTE, B, ["w#1"], LIMITS, POLICY, again))
    silent = after(book, book.settle([first], POLICY, again))
    assert silent.probes_of(B)
    opened = after(book, book.settle([replace(first, finding=PUBLISHED)], POLICY, again))
    assert closed(opened) == set()


# --- who may pass ---


@pytest.mark.parametrize(
    ("now", "admitted"),
    [(NOON + MINUTE, False), (LATER, True)],
    ids=["within the pause", "after it"],
)
def test_a_closed_gate_lets_one_through_after_its_pause(now: datetime, admitted: bool) -> None:
    """And no second one."""
    book = told(GateBook(), LIMITED)
    changes = book.admit_downloads(ROUTE, A, ["v#2"], LIMITS, POLICY, now)
    assert admitted == (changes.epochs is not None)
    book = after(book, changes)
    assert book.admit_downloads(ROUTE, B, ["w#1"], LIMITS, POLICY, now).epochs is None
    assert book.admit_listing(listing_route("https://youtu.be", ""), B, LISTING, HOUR, now).epochs is None


def test_two_at_once_do_not_probe() -> None:
    """One is enough to find out."""
    book = told(GateBook(), LIMITED)
    assert book.admit_downloads(ROUTE, A, ["v#2", "w#1"], LIMITS, POLICY, LATER) == GateChanges()


def test_a_listing_probes_the_site_alone() -> None:
    """It needs no volume."""
    route = listing_route("https://youtu.be", "")
    book = told(told(GateBook(), LIMITED), STALE)
    changes = book.admit_listing(route, B, LISTING, 5 * MINUTE, LATER)
    assert changes.epochs is not None
    assert {gate.id: gate.probe for gate in changes.gates.values()} == {
        COOKIES: Probe(B, LISTING, LATER, LATER + 5 * MINUTE)
    }
    book = after(book, changes)
    changes = book.settle([Evidence(B, LISTING, changes.epochs, Finding(proves_site=True))], POLICY, LATER)
    assert closed(after(book, changes)) == {"Volume"}


def test_through_open_gates_nothing_is_claimed() -> None:
    """The budget is charged, and the launch carries the epochs."""
    changes = GateBook().admit_downloads(ROUTE, A, ["v#1", "w#1"], LIMITS, POLICY, NOON)
    assert changes.epochs == {**OPEN, own_gates(A)[0]: 0}
    assert {EGRESS.name: Gate(EGRESS, budget=Budget({int(NOON.timestamp()): 2}, NOON))} == changes.gates
    listing = listing_route("https://youtu.be/x", "")
    epochs = {EGRESS: 0, COOKIES: 0}
    assert GateBook().admit_listing(listing, A, LISTING, HOUR, NOON) == GateChanges(epochs=epochs)


def test_a_used_up_budget_admits_nobody() -> None:
    """Nor more at once than it has room for."""
    assert GateBook().admit_downloads(ROUTE, A, ["a", "b", "c", "d"], LIMITS, POLICY, NOON) == GateChanges()
    book = after(GateBook(), GateBook().admit_downloads(ROUTE, A, ["a", "b", "c"], LIMITS, POLICY, NOON))
    assert book.admit_downloads(OTHER_JAR, A, ["d"], LIMITS, POLICY, NOON) == GateChanges()
    assert book.admit_downloads(OTHER_SITE, A, ["d"], LIMITS, POLICY, NOON).epochs is not None
    assert book.start_at(ROUTE, LIMITS, NOON) == NOON + 61 * MINUTE


def test_giving_back() -> None:
    """The probes of these launches, or all of a Subscription."""
    book, _ = probing(told(told(GateBook(), LIMITED), STALE))
    assert book.release(B) == GateChanges()
    assert book.release(A, ["v#1"]) == GateChanges()
    for changes in (book.release(A), book.release(A, ["v#2"])):
        assert after(book, changes).probes_of(A) == {}
    assert list(book.probes_of(A)) == ["v#2"]


def test_what_is_shown_first() -> None:
    """Of several closed gates the one that opens last; at the same time, the site's."""
    book = told(told(GateBook(), STALE), BOT_CHECK)
    assert [gate.id for gate in book.closed(ROUTE.gates)] == [EGRESS, VOLUME]
    same = Closing(NOON, NOON, NOON + HOUR, 1, "Why", "", A)
    both = GateBook({gate.name: Gate(gate, 1, NOON, same) for gate in (VOLUME, COOKIES)})
    assert [gate.id for gate in both.closed(ROUTE.gates)] == [COOKIES, VOLUME]


def test_open_and_idle_gates_are_forgettable() -> None:
    """The closed one and the one whose budget counts are not."""
    book = told(GateBook(), LIMITED)
    book = after(book, book.admit_downloads(OTHER_SITE, B, ["w#1"], LIMITS, POLICY, NOON))
    assert book.forgettable(NOON) == set()
    assert book.forgettable(NOON + 2 * HOUR) == {OTHER_SITE.egress.name}
    assert set(book.pauses) == {COOKIES.name}


def test_launches_that_did_not_begin_give_back_their_budget_and_their_probe() -> None:
    """As if they had never been let through."""
    book = told(GateBook(), LIMITED)
    later = NOON + 7 * HOUR
    admitted = after(book, book.admit_downloads(ROUTE, "media/a", ["v#1"], LIMITS, POLICY, later))
    assert admitted.gate(ROUTE.egress).budget.begun(later) == 1

    returned = after(admitted, admitted.take_back(ROUTE, "media/a", ["v#1"], later))

    assert returned.gate(ROUTE.egress).budget.begun(later) == 0
    assert returned.probes_of("media/a") == {}
