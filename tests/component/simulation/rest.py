"""How a run comes to rest, and what must be so then."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from component.cluster import RESTLESS
from component.simulation.run import CLAIMS, IDLE_SECONDS, KEYS, MOST_PASSES, SITES, SPECS, Run
from component.simulation.truth import Fate, Trouble
from component.simulation.turns import kept_waiting
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.domain.pauses import LONGEST_WAIT

LAST_PASSES = 4
LONGEST_REST = LONGEST_WAIT.total_seconds() + 86_400
"""A clock that ran ahead may have noted any wait as far ahead as this; what comes after it is done within the day."""


def end_trouble(run: Run) -> None:
    """Nothing is in the way any more but what sites and volumes do, and nobody wants anything any more."""
    run.overlap(on=False)
    run.silence_watches(on=False)
    run.hang_inventories(on=False)
    run.outside.upset_listings(Trouble.NONE)
    run.hands.put_right()


def come_to_rest_in_turn(run: Run) -> None:
    """First what is behind sites and volumes that are well, then the rest, each with one more video to its channel."""
    well = [name for name in SPECS if SITES[name] not in run.internet.limits and CLAIMS[name] not in run.nas.away]
    if well and len(well) < len(SPECS):
        _come_to_rest_with_one_more_video(run, well)
    run.outside.recover()
    _come_to_rest_with_one_more_video(run, [*SPECS])
    if run.watchdog.gates.closed():
        # By an ending from before; nothing was left to be downloaded that could have opened it.
        _come_to_rest_with_one_more_video(run, [*SPECS])
    assert not run.watchdog.gates.closed(), "a gate stays closed although all is well"


def _come_to_rest_with_one_more_video(run: Run, names: Collection[str]) -> None:
    for name in names:
        run.outside.publish(name, Fate.GOOD, 0)
    come_to_rest(run, names)


def come_to_rest(run: Run, names: Collection[str]) -> None:
    """Passes when they are due, endings and time, until everything of these Subscriptions is as the truth says.

    Raises:
        AssertionError: that does not happen, or one that could start a download does not.
    """
    process = run.processes[0]
    for key in KEYS:
        process.finish(key)
    begun, passes = run.monotonic, 0
    while (waited := run.monotonic - begun) < LONGEST_REST and passes < MOST_PASSES + waited / IDLE_SECONDS:
        passes += 1
        run.collect_garbage()
        run.node.end_all()
        if process.next_due() > run.monotonic:
            waiting = kept_waiting(run, names)
            assert not waiting, f"{waiting} could start a download, and wait until {process.due}"
        run.advance(max(0.0, process.next_due() - run.monotonic))
        for key in process.take_due():
            process.begin(key)
            process.finish(key)
        restless, unfinished = _restless(run, names), run.watchdog.unfinished(names)
        if not restless and not unfinished and not run.cluster.running_jobs():
            return
        if not restless:
            run.jump(86_400)  # only waits are left
            for key in KEYS:
                process.ask(key)  # each would be looked at within the day
    raise AssertionError(f"did not come to rest: {unfinished}, {restless}, closed: {run.watchdog.gates.closed()}")


def _restless(run: Run, names: Collection[str]) -> set[str]:
    states = {(name, key): state for name in names for key, state in run.cluster.states(name).items()}
    return {f"{name} {key}: {state}" for (name, key), state in states.items() if state in RESTLESS}


def check_the_end(run: Run) -> None:
    """What must hold at rest: the status tells the ledger, and passes have nothing to write any more."""
    process, cluster = run.processes[0], run.cluster
    for _ in range(LAST_PASSES):
        for key in KEYS:
            process.begin(key)
            process.finish(key)
        run.node.end_all()  # of second looks that fell due while others came to rest
    for key in KEYS:
        writes = len(cluster.writes)
        process.begin(key)
        process.finish(key)
        assert writes == len(cluster.writes), f"{key} writes at rest: {cluster.writes[writes:]}"
        states = [*cluster.states(key[1]).values()]
        counts = cluster.subscription(key)["status"]["counts"]
        assert counts["downloaded"] == states.count(LedgerState.SUCCEEDED)
        ends = "WaitingForVideos" if LedgerState.WAITING in states else "AllDownloaded"
        assert cluster.condition("UpToDate", key) == ("True", ends)


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
        come_to_rest(other, [*SPECS])
        expected = other.watchdog.untouched()
    finally:
        other.close()
    for row, entry in run.watchdog.untouched().items():
        spared, wanted = run.watchdog.spared[row], expected.get(row)
        if wanted is None or (spared and wanted.state is LedgerState.DEAD_LETTER):
            continue  # what cost no try left it more of them
        assert (entry.state, entry.path) == (wanted.state, wanted.path), f"{row} ended otherwise"
        assert wanted.failures - spared <= entry.failures <= wanted.failures, f"{row} failed otherwise"
