"""Whose turn it is, as everybody can see: who waits for a download although nothing keeps it from starting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from component.simulation.cast import DEFAULTS, SITES, download_route_of, holder, key_of
from component.simulation.process import LIMITS, subscription_of
from component.simulation.run import Run
from trawler_operator.api.subscription import parse_subscription
from trawler_operator.domain.gates.book import GateBook
from trawler_operator.domain.gates.budget import WINDOW
from trawler_operator.domain.gates.own import read_own_gate
from trawler_operator.domain.jobs.digests import download_digest
from trawler_operator.domain.ledger.backlog import is_eligible


def kept_waiting(run: Run, names: Iterable[str]) -> set[str]:
    """Which of these Subscriptions could start a download now: caps, budgets, gates and pauses allow it.

    Once nothing is due any more there is none, whatever others wait for.
    """
    gates, now = run.watchdog.gates, run.clock.now()
    if run.monotonic - gates.removed_at < WINDOW.total_seconds():
        return set()  # a budget that somebody took away with its gate counts until the next launch is charged to it

    running = Counter(subscription_of(job) for job in run.cluster.running_jobs())
    believed = run.processes[0].operator.admission._jobs
    for name in run.tenants.troubled:  # what cannot be looked at is believed to run until its deadline
        running[name] = max(running[name], believed.get(key_of(name), Counter()).total())
    through = Counter(SITES[name] for name in running.elements())
    found: set[str] = set()
    for name in names:
        subscription = parse_subscription(run.cluster.subscription(key_of(name)))
        parallelism = subscription.spec.job.parallelism
        room = min(
            LIMITS.max_running - running.total(),
            LIMITS.egress.max_parallel - through[SITES[name]],
            min(parallelism, LIMITS.max_running_per_subscription) - running[name],
        )
        own = read_own_gate(holder(name), subscription.status.gate)
        book = GateBook({**gates.gates(), own.id.name: own})
        route = download_route_of(name)
        may_start = room > 0 and book.start_at(route, LIMITS.egress, now) <= now
        entries = run.cluster.ledger(name).values()
        if may_start and any(
            is_eligible(entry, download_digest(subscription.spec, DEFAULTS), now) for entry in entries
        ):
            found.add(name)
    return found
