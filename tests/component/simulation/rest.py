"""How a run comes to rest, and what must be so then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from component.cluster import RESTLESS
from component.simulation.cast import CLAIMS, KEYS, SITES, SPECS, key_of
from component.simulation.process import subscription_of
from component.simulation.run import IDLE_SECONDS, MOST_PASSES, Run
from component.simulation.truth import Fate, Trouble
from component.simulation.turns import kept_waiting
from component.simulation.watchdog import Row
from trawler_downloader.contract.outcomes import LedgerState
from trawler_operator.api.subscription import Key
from trawler_operator.domain.ledger.entry import LedgerEntry
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


def let_others_come_to_rest(run: Run) -> dict[Row, LedgerEntry]:
    """While one tenant's trouble stands, all others come to rest, each with one more video to its channel.

    Returns:
        Their entries, which must be as they would be without that trouble.
    """
    others = [name for name in _behind_what_is_well(run) if name not in run.tenants.troubled]
    if run.tenants.troubled and others:
        _come_to_rest_with_one_more_video(run, others)
        for name in others:
            _check_status(run, key_of(name))
        return {row: entry for row, entry in run.watchdog.untouched().items() if row[0] in others}
    return {}


def _behind_what_is_well(run: Run) -> list[str]:
    return [name for name in SPECS if SITES[name] not in run.internet.limits and CLAIMS[name] not in run.nas.away]


def come_to_rest_in_turn(run: Run) -> None:
    """First what is behind sites and volumes that are well, then the rest, each with one more video to its channel."""
    for name in run.tenants.troubled:
        run.tell(name)  # each would be looked at within five minutes
    run.tenants.lift_all()
    well = _behind_what_is_well(run)
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
    idle_seconds = IDLE_SECONDS / (1 + len(run.tenants.troubled))  # whose passes fail, and are made again
    while (waited := run.monotonic - begun) < LONGEST_REST and passes < MOST_PASSES + waited / idle_seconds:
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
        running = {subscription_of(job) for job in run.cluster.running_jobs()}
        if not restless and not unfinished and not running & {*names}:
            return
        if not restless and process.next_due() > run.monotonic and not _has_the_next_turn(run, names):
            run.jump(86_400)  # only waits are left
            for key in KEYS:
                process.ask(key)  # each would be looked at within the day
    raise AssertionError(f"did not come to rest: {unfinished}, {restless}, closed: {run.watchdog.gates.closed()}")


def _has_the_next_turn(run: Run, names: Collection[str]) -> bool:
    """Whether one of them starts next, within moments: a day later another would be first, and fail, day after day."""
    turn = run.processes[0].operator.admission.next_turn(run.clock.now())
    return turn is not None and turn.key[1] in names


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
        _check_status(run, key)


def _check_status(run: Run, key: Key) -> None:
    """It tells the ledger."""
    states = [*run.cluster.states(key[1]).values()]
    counts = run.cluster.subscription(key)["status"]["counts"]
    assert counts["downloaded"] == states.count(LedgerState.SUCCEEDED)
    ends = "WaitingForVideos" if LedgerState.WAITING in states else "AllDownloaded"
    assert run.cluster.condition("UpToDate", key) == ("True", ends)


def compare_with_an_undisturbed_run(run: Run, rested: Mapping[Row, LedgerEntry]) -> None:
    """The same site without any trouble: what no hand has touched must have ended alike.

    Args:
        run: at rest.
        rested: entries as they were when their Subscription came to rest before all trouble was over.
    """
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
    for row, entry in (*rested.items(), *run.watchdog.untouched().items()):
        spared, wanted = run.watchdog.spared[row], expected.get(row)
        if wanted is None or (spared and wanted.state is LedgerState.DEAD_LETTER):
            continue  # what cost no try left it more of them
        assert (entry.state, entry.path) == (wanted.state, wanted.path), f"{row} ended otherwise"
        assert wanted.failures - spared <= entry.failures <= wanted.failures, f"{row} failed otherwise"
