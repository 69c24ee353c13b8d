"""How a run comes to rest, and what must be so then."""

from __future__ import annotations

from dataclasses import replace

from component.cluster import RESTLESS
from component.simulation.run import KEYS, MOST_PASSES, SPECS, Run
from component.simulation.truth import Fate
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.domain.ledger_entry import LedgerEntry


def end_trouble(run: Run) -> None:
    """Nothing goes wrong any more, and nobody wants anything else than one more video of each channel."""
    run.overlap(on=False)
    run.silence_watches(on=False)
    run.outside.recover()
    run.hands.put_right()
    for name in SPECS:
        run.outside.publish(name, Fate.GOOD, 0)


def come_to_rest(run: Run) -> None:
    """Passes when they are due, endings and time, until everything is as the truth says.

    Raises:
        AssertionError: that does not happen.
    """
    process = run.processes[0]
    for key in KEYS:
        process.finish(key)
    for _ in range(MOST_PASSES):
        run.collect_garbage()
        run.node.end_all()
        run.advance(max(0.0, process.next_due() - run.monotonic))
        for key in process.take_due():
            process.begin(key)
            process.finish(key)
        if is_at_rest(run):
            return
        if not _restless(run):
            run.jump(86_400)  # only waits are left
    raise AssertionError(f"did not come to rest: {run.watchdog.unfinished()}, {_restless(run)}")


def is_at_rest(run: Run) -> bool:
    """Whether nothing is left to be done."""
    return not _restless(run) and not run.watchdog.unfinished() and not run.cluster.running_jobs()


def _restless(run: Run) -> set[str]:
    states = {(name, key): state for name in SPECS for key, state in run.cluster.states(name).items()}
    return {f"{name} {key}: {state}" for (name, key), state in states.items() if state in RESTLESS}


def check_the_end(run: Run) -> None:
    """What must hold at rest: the status tells the ledger, and passes have nothing to write any more."""
    process, cluster = run.processes[0], run.cluster
    for key in KEYS:
        for _ in range(2):
            process.begin(key)
            process.finish(key)
        writes = len(cluster.writes)
        process.begin(key)
        process.finish(key)
        assert writes == len(cluster.writes), f"{key} writes at rest: {cluster.writes[writes:]}"
        states = [*cluster.states(key[1]).values()]
        counts = cluster.subscription(key)["status"]["counts"]
        assert counts["downloaded"] == states.count(LedgerState.SUCCEEDED)
        assert cluster.condition("UpToDate", key) == ("True", "AllDownloaded")


def compare_with_an_undisturbed_run(run: Run) -> None:
    """The same site without any trouble: what no hand has touched must have ended alike."""
    other = Run()
    try:
        for wish in run.outside.published:
            other.work_undisturbed(wish.at)
            other.internet.publish(wish.channel, replace(wish.video))
        for at, key in run.outside.opened:
            other.work_undisturbed(at)
            other.internet.find(key).fate = Fate.GOOD
        come_to_rest(other)
        expected = other.watchdog.untouched()
    finally:
        other.close()
    untouched = run.watchdog.untouched()
    assert {row: _end_of(expected[row]) for row in untouched if row in expected} == {
        row: _end_of(entry) for row, entry in untouched.items() if row in expected
    }


def _end_of(entry: LedgerEntry) -> tuple[LedgerState, int, str | None]:
    """What must not depend on trouble."""
    return entry.state, entry.failures, entry.path
