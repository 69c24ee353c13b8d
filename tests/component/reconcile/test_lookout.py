"""The watchers of the simulation catch what they are there for: each is shown an operator that breaks its rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from component.simulation import rest
from component.simulation.calls import Fault
from component.simulation.cast import SPECS, key_of
from component.simulation.run import Run
from component.simulation.tenants import Answer, Call
from component.simulation.truth import Fate
from trawler_operator.api import labels
from trawler_operator.api.subscription import Key
from trawler_operator.domain.gates.route import Route
from trawler_operator.domain.launches.admission import Admission
from trawler_operator.domain.ledger.backlog import Backlog, Rank
from trawler_operator.domain.ledger.entry import LedgerEntry
from trawler_operator.reconcile.failures import Attempts
from trawler_operator.reconcile.findings import Findings
from trawler_operator.reconcile.known_statuses import KnownStatuses
from trawler_operator.reconcile.slots import SlotCounter
from trawler_operator.reconcile.steps import report
from trawler_operator.reconcile.steps.launch import _Launching
from trawler_operator.reconcile.stores.gatekeeper import Gatekeeper

NUMBERLINE, CLIPS, FUGUES = (key_of(name) for name in ("numberline", "clips", "fugues"))
LIST_SHARDS, CREATE_JOB = Call("list", "ConfigMap"), Call("create", "Job")


@pytest.fixture
def run() -> Iterator[Run]:
    run = Run()
    for name in SPECS:
        for _ in range(3):
            run.outside.publish(name, Fate.GOOD, 0)
    yield run
    run.close()


def nothing(*_: Any, **__: Any) -> None:
    """Instead of what is to be done."""


async def never(*_: Any, **__: Any) -> None:
    """Instead of what is to be awaited."""


@contextmanager
def caught(text: str) -> Iterator[None]:
    """A watcher says so, maybe from within a step of a pass."""
    with pytest.raises(AssertionError) as found:
        yield
    assert re.search(text, f"{found.value} {found.value.__cause__}")


def pause(run: Run, *names: str) -> None:
    """Nothing of theirs starts before `go_on`; their sources are checked."""
    for name in names:
        run.hands.annotate(name, labels.PAUSE_ANNOTATION, "forever")


def go_on(run: Run, *names: str) -> None:
    for name in names:
        run.hands.annotate(name, labels.PAUSE_ANNOTATION, "none")


def make_a_pass(run: Run, key: tuple[str, str]) -> None:
    run.work(0, key, 0, Fault.NONE, finish=True)


# -- slots -------------------------------------------------------------------------------------------------------------


def test_slots_of_jobs_that_have_ended(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger cannot be read, and nobody counts the Jobs."""
    monkeypatch.setattr(SlotCounter, "look", never)
    run.carry_on(40)
    run.tenants.trouble("media", LIST_SHARDS, Answer.FORBIDDEN)
    run.hands.touch_shard(0)
    run.restart(0)
    run.node.end_all()
    with caught(r"holds [12] slots, and 0 to 0 Jobs run"):
        make_a_pass(run, NUMBERLINE)
        make_a_pass(run, CLIPS)


def test_a_creation_that_is_under_way_for_ever(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was granted to a pass does not end with it."""
    monkeypatch.setattr(Admission, "end_pass", nothing)
    pause(run, *SPECS)
    run.carry_on(40)
    run.tenants.trouble("numberline", Call("patch", "ConfigMap"), Answer.WEBHOOK)
    go_on(run, "numberline")
    with caught("creations under way after its pass"):
        run.carry_on(40)


# -- reports -----------------------------------------------------------------------------------------------------------


def test_a_pass_without_a_report(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that fails takes the report with it."""

    async def make(self: Attempts, step: Any, work: Any, otherwise: Any) -> Any:
        return await work

    monkeypatch.setattr(Attempts, "make", make)
    run.tenants.trouble("numberline", LIST_SHARDS, Answer.FORBIDDEN)
    with caught("ended without a report"):
        run.carry_on(40)


def test_a_status_that_cannot_be_stored_without_a_word(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Event tells of it."""
    monkeypatch.setattr(report, "_failure_events", lambda *_: [])
    run.tenants.trouble("numberline", Call("status", "Subscription"), Answer.DENIED)
    with caught("could not be stored, and nobody hears of it"):
        run.carry_on(40)


def test_a_refusal_of_which_the_status_says_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are refused, and Ready is True."""
    monkeypatch.setattr(Gatekeeper, "held_back", lambda *_: (None, None))
    pause(run, *SPECS)
    run.carry_on(40)
    run.tenants.trouble("numberline", CREATE_JOB, Answer.WEBHOOK)
    go_on(run, "numberline")
    with caught(r"meets .*failed calling webhook.*, and after 1 passes says"):
        run.carry_on(100)


def test_a_failure_that_a_status_does_not_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step fails in every pass, and Ready is as if all went well."""
    monkeypatch.setattr(Findings, "shown_blocker", lambda *_: None)
    run.tenants.trouble("media", Call("get", "PersistentVolumeClaim"), Answer.TIMEOUT)
    with caught("reading what the spec names"):
        run.carry_on(40)


# -- pace --------------------------------------------------------------------------------------------------------------


def test_passes_that_are_made_in_vain(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims cannot be written, and are tried again at each next turn."""
    monkeypatch.setattr(_Launching, "_hold_back", never)
    pause(run, *SPECS)
    run.carry_on(40)
    run.tenants.trouble("numberline", Call("patch", "ConfigMap"), Answer.FORBIDDEN)
    go_on(run, "numberline")
    with caught(r"151 passes over .* were made in vain within an hour"):
        run.carry_on(1_000)


# -- once for each reason ----------------------------------------------------------------------------------------------


def test_a_check_that_is_made_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status cannot be stored, and nobody remembers it."""
    monkeypatch.setattr(KnownStatuses, "note", nothing)
    run.tenants.trouble("numberline", Call("status", "Subscription"), Answer.WEBHOOK)
    with caught("is listed again after .*, without any reason"):
        run.carry_on(1_000)


def test_a_start_that_is_charged_without_a_job(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Job was refused, and nothing is given back."""
    monkeypatch.setattr(Gatekeeper, "take_back", never)
    pause(run, *SPECS)
    run.carry_on(40)
    go_on(run, "numberline")
    run.tenants.trouble("numberline", CREATE_JOB, Answer.FORBIDDEN)
    with caught(r"charged for 1 starts from youtube.com, and made 0"):
        run.carry_on(40)


# -- order -------------------------------------------------------------------------------------------------------------


def test_an_old_video_before_a_new_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one Subscription."""
    turns = Backlog.turns

    def backwards(self: Backlog, *rest: Any) -> dict[str, list[str]]:
        return {site: keys[::-1] for site, keys in turns(self, *rest).items()}

    monkeypatch.setattr(Backlog, "turns", backwards)
    with caught(r"starts youtube\..*, before"):
        run.work_undisturbed(1_000)


def test_a_window_before_an_upload_of_another(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns go by who came first, and the upload came later."""
    stand = Admission._stand_in_line

    def without_rank(self: Admission, key: Key, route: Route, _: Rank) -> None:
        stand(self, key, route, Rank.WINDOW)

    monkeypatch.setattr(Admission, "_stand_in_line", without_rank)
    pause(run, "numberline", "fugues")
    run.carry_on(40)
    go_on(run, "numberline")
    run.carry_on(20)
    run.outside.publish("numberline", Fate.GOOD, 0)
    run.hands.annotate("numberline", labels.CHECK_ANNOTATION, 1)
    go_on(run, "fugues")
    run.carry_on(20)
    run.node.end_all()
    with caught(r"starts with <Rank.WINDOW: 1> before"):
        run.carry_on(20)


# -- others ------------------------------------------------------------------------------------------------------------


def test_a_tenant_that_holds_the_slots_of_others(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its Jobs cannot be listed, and are believed to run for ever."""
    monkeypatch.setattr(SlotCounter, "lose", nothing)
    run.carry_on(40)
    run.tenants.trouble("media", Call("list", "Job"), Answer.FORBIDDEN)
    run.node.end_all()
    monkeypatch.setattr(rest, "LONGEST_REST", 8 * 3_600)
    with caught("did not come to rest"):
        rest.let_others_come_to_rest(run)


def test_others_come_to_rest(run: Run) -> None:
    """While the whole API is out of order for one namespace; what they have is on disk then."""
    run.carry_on(40)
    run.tenants.trouble("media", Call("*", "*"), Answer.TIMEOUT)
    rested: dict[tuple[str, str], LedgerEntry] = rest.let_others_come_to_rest(run)
    assert {name for name, _ in rested} == {"fugues"}
    assert {entry.state for entry in rested.values()} == {"Succeeded"}
