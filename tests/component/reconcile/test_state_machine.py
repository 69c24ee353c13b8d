"""Anything may happen in any order, at any API call: what must hold at every write, and what must be so in the end.

At every write of an operator: ledgers lose no key, no video is worked on by two live Jobs, every Job has its claim, no
launch is made twice, caps hold, no try is counted that the video did not use up, and what a user skipped stays skipped.
At every Job and listing: what goes through a closed gate is its one probe, and budgets hold. A gate closes only for
trouble of its own site or volume.

The API server may be out of order for one tenant: a namespace or a Subscription, a verb, a kind of object. Such a fault
stands until it is mended. After every pass: slots are the unfinished Jobs, the pass was reported, and the status says
what stands in the way in the API server's words. Nothing is listed twice for one reason, no start is charged without a
Job, and whatever starts, nothing of a better rank could have started instead. With the fault still there all others
come to rest, with the same on their volumes as without it.

In the end, first for what is behind sites and volumes that are well, then, once all are, for everybody: nobody waits
who could start a download, each video is as the site's truth says, a new one is downloaded, no gate is closed, and all
is as it would be had nothing ever gone wrong.

`TRAWLER_LONG=1` looks longer and elsewhere each time. What fails is printed as the calls that lead there, shrunk, and
as a `@reproduce_failure` line that repeats it as a decorator of `Everything`.
"""

from __future__ import annotations

import os
from operator import attrgetter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from component.simulation.calls import Fault
from component.simulation.cast import CLAIMS, KEYS, NAMESPACES, SITES, SPECS
from component.simulation.node import Ending
from component.simulation.rest import (
    check_the_end,
    come_to_rest_in_turn,
    compare_with_an_undisturbed_run,
    end_trouble,
    let_others_come_to_rest,
)
from component.simulation.run import Run
from component.simulation.tenants import CALLS, TENANTS, Answer, Call
from component.simulation.truth import Fate, Trouble
from trawler_operator.api import labels
from trawler_operator.domain.ledger import ledger
from trawler_operator.domain.requests.grammar import Verb

LONG = bool(os.environ.get("TRAWLER_LONG"))
SMALL_SHARDS = 4
"""Entries per shard, so that a dozen videos fill several."""
FEW = st.integers(0, 5)
MANY = st.integers(0, 20)
NAMES = st.sampled_from(sorted(SPECS))
SITE_NAMES = st.sampled_from(sorted({*SITES.values()}))
CLAIM_NAMES = st.sampled_from(sorted({*CLAIMS.values()}))
NAMESPACE_NAMES = st.sampled_from(sorted({*NAMESPACES.values()}))
PROPAGATION = st.sampled_from(["Background", "Orphan"])
HOURS = st.sampled_from([1, 2, 5])
Act = tuple[str, dict[str, Any]]


def act(name: str, /, **values: st.SearchStrategy[Any]) -> st.SearchStrategy[Act]:
    """A method of a `Run` or of one of its parts, as `part.method`, with its arguments."""
    return st.tuples(st.just(name), st.fixed_dictionaries(values))


PUBLISHING = act("outside.publish", channel=NAMES, fate=st.sampled_from(Fate), number=HOURS)
MOODS = (
    act("outside.limit", site=SITE_NAMES, reason=st.sampled_from([None, "RateLimited", "BotCheck"])),
    act("outside.take_away", claim=CLAIM_NAMES, on=st.booleans()),
    act("outside.upset_listings", trouble=st.sampled_from(Trouble)),
    act("outside.open", number=FEW),
    act("outside.take_down", number=MANY),
    act("outside.remove_file", number=MANY),
)
SPEC_CHANGES: tuple[tuple[str, list[object]], ...] = (
    ("ledgerPolicy", ["Retain", "Delete"]),
    ("suspend", [True, False]),
    ("media", [{"maxHeight": 480}, {"maxHeight": 720}]),
    ("job", [{"parallelism": 1}, {"parallelism": 2}, {"parallelism": 9}]),
    ("retry", [{"backoffSeconds": 1}, {"backoffSeconds": 7_200}]),
    ("library", [{"path": "films"}, {"path": None}]),
    ("access", [{"allowGeneric": True}, {"allowGeneric": False}]),
    ("surprise", [1, None]),
)
WHICH_VIDEOS = st.sampled_from(
    ["keys", "keys", "keys", "", "state=Waiting", "state=Pending", "class=Transient", "nonsense"]
)
USERS = (
    act("hands.apply", name=NAMES),
    act("hands.delete", name=NAMES, propagation=PROPAGATION, again=st.booleans()),
    *(act("hands.set", name=NAMES, field=st.just(f), value=st.sampled_from(values)) for f, values in SPEC_CHANGES),
    act("hands.annotate", name=NAMES, annotation=st.just(labels.CHECK_ANNOTATION), value=FEW),
)
REQUEST = act("hands.request", name=NAMES, verb=st.sampled_from(Verb), number=FEW, what=WHICH_VIDEOS, first=FEW)
HANDS = (
    act("hands.delete_job", number=FEW, propagation=PROPAGATION),
    act("hands.orphan_job", number=FEW),
    act("hands.touch_shard", number=FEW),
    act("hands.delete_shard", number=FEW),
    act("hands.lose_ledger", name=NAMES),
    act("hands.delete_entry", number=MANY),
    act("hands.break_entry", number=MANY),
    act("hands.mend_entries"),
    act("hands.open_gate", number=FEW),
)
QUOTAS = st.sampled_from(["count/jobs.batch", "count/configmaps"])
SURROUNDINGS = (
    act("collect_garbage"),
    act("hands.limit", namespace=NAMESPACE_NAMES, what=QUOTAS, hard=st.sampled_from([None, 0, 1])),
    act("hands.have_claim", claim=CLAIM_NAMES, there=st.booleans()),
    act("silence_watches", on=st.booleans()),
    act("hang_inventories", on=st.booleans()),
    act("overlap", on=st.booleans()),
    act("restart", number=FEW),
    act("jump", seconds=st.sampled_from([-90_000, -600, -2, 600, 90_000])),
)


LIKELY_CALLS = [Call("create", "Job"), Call("patch", "ConfigMap"), Call("list", "Job"), Call("status", "Subscription")]
WHICH_CALLS = st.sampled_from([*LIKELY_CALLS, *LIKELY_CALLS, *CALLS])
STANDING = (
    act("tenants.trouble", tenant=st.sampled_from(TENANTS), call=WHICH_CALLS, answer=st.sampled_from(Answer)),
    act("tenants.lift", number=FEW),
)


class Everything(RuleBasedStateMachine):
    """All that may happen to operators."""

    def __init__(self) -> None:
        super().__init__()
        self.run = Run()

    def do(self, what: Act) -> None:
        name, values = what
        attrgetter(name)(self.run)(**values)
        self.run.disturb()

    @initialize(videos=FEW)
    def some_videos(self, videos: int) -> None:
        for name in SPECS:
            for _ in range(videos):
                self.run.outside.publish(name, Fate.GOOD, 0)

    @rule(number=FEW, key=st.sampled_from(KEYS), calls=MANY, fault=st.sampled_from(Fault), finish=st.booleans())
    def trouble_at_a_call(self, number: int, key: tuple[str, str], calls: int, fault: Fault, finish: bool) -> None:
        self.run.work(number, key, calls, fault, finish=finish)

    @rule(number=FEW, key=st.sampled_from(KEYS), calls=FEW, fault=st.sampled_from(Fault), finish=st.booleans())
    def trouble_at_a_write(self, number: int, key: tuple[str, str], calls: int, fault: Fault, finish: bool) -> None:
        self.run.work(number, key, calls + 1, fault, writes=True, finish=finish)

    @rule(number=FEW, key=st.sampled_from(KEYS), calls=MANY)
    def stop_within_a_pass(self, number: int, key: tuple[str, str], calls: int) -> None:
        self.run.work(number, key, calls, Fault.NONE, finish=False)

    @rule(number=FEW, key=st.sampled_from(KEYS))
    def make_a_pass(self, number: int, key: tuple[str, str]) -> None:
        self.run.work(number, key, 0, Fault.NONE, finish=True)

    @rule(seconds=st.sampled_from([10, 100, 1_000]))
    def carry_on(self, seconds: int) -> None:
        self.run.carry_on(seconds)

    @rule(seconds=st.sampled_from([1, 6, 70, 700, 7_200, 30_000]))
    def time_passes(self, seconds: int) -> None:
        self.run.advance(seconds)

    @rule(number=FEW)
    def a_job_ends(self, number: int) -> None:
        self.run.node.end(number, Ending.TRUTH)

    @rule(number=FEW, ending=st.sampled_from(Ending))
    def a_job_ends_badly(self, number: int, ending: Ending) -> None:
        self.run.node.end(number, ending)

    @rule(what=PUBLISHING)
    def a_video_is_published(self, what: Act) -> None:
        self.do(what)

    @rule(what=st.one_of(MOODS))
    def the_site_changes(self, what: Act) -> None:
        self.do(what)

    @rule(what=st.one_of(USERS))
    def a_user_changes_a_subscription(self, what: Act) -> None:
        self.do(what)

    @rule(what=REQUEST)
    def a_user_asks_for_something(self, what: Act) -> None:
        self.do(what)

    @rule(what=st.one_of(HANDS))
    def a_hand_is_in_it(self, what: Act) -> None:
        self.do(what)

    @rule(what=st.one_of(STANDING))
    def a_tenant_meets_trouble(self, what: Act) -> None:
        self.do(what)

    @rule(what=st.one_of(SURROUNDINGS))
    def the_surroundings_change(self, what: Act) -> None:
        self.do(what)

    def teardown(self) -> None:
        try:
            end_trouble(self.run)
            rested = let_others_come_to_rest(self.run)
            come_to_rest_in_turn(self.run)
            check_the_end(self.run)
            compare_with_an_undisturbed_run(self.run, rested)
        finally:
            self.run.close()


@pytest.mark.timeout(0 if LONG else 600)
def test_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost, nothing is done twice, and the end is the same."""
    monkeypatch.setattr(ledger, "SHARD_CAPACITY", SMALL_SHARDS)
    run_state_machine_as_test(
        Everything,
        settings=settings(
            max_examples=2_000 if LONG else 20,
            stateful_step_count=100,
            derandomize=not LONG,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
