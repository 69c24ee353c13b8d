"""What the simulation itself must not take for a fault."""

from __future__ import annotations

from component.simulation.calls import Fault
from component.simulation.cast import KEYS, SPECS
from component.simulation.node import Ending
from component.simulation.rest import come_to_rest
from component.simulation.run import Run
from component.simulation.truth import Fate

DAY = 86_400
NUMBERLINE, _, FUGUES = KEYS


def test_a_clock_that_ran_ahead_made_a_wait_long() -> None:
    """It is as long as it was noted, and the passes of the days until then are none too many."""
    run = Run()
    try:
        run.outside.publish("numberline", Fate.GOOD, 0)
        run.jump(10 * DAY)
        run.carry_on(60)
        run.node.end(0, Ending.KILLED)
        run.work(0, NUMBERLINE, 0, Fault.NONE, finish=True)
        run.jump(-10 * DAY)
        come_to_rest(run, [*SPECS])
        assert run.monotonic > 9 * DAY
    finally:
        run.close()


def test_a_gate_that_another_operator_closed() -> None:
    """Who did not hear of it lists once more, and hears it from the site."""
    run = Run()
    try:
        run.carry_on(10)
        run.overlap(on=True)
        run.outside.limit("youtube.com", "RateLimited")
        run.advance(DAY)
        run.work(1, NUMBERLINE, 0, Fault.NONE, finish=True)
        assert run.watchdog.gates.closed()
        run.overlap(on=False)
        for key in (NUMBERLINE, FUGUES):
            run.work(0, key, 0, Fault.NONE, finish=True)
        assert not run.watchdog.overlap
    finally:
        run.close()


def test_a_picture_that_comes_late() -> None:
    """Nothing is at rest before it is there; the video was it all the time."""
    run = Run()
    try:
        run.outside.publish("numberline", Fate.LATE_PICTURE, 0)
        come_to_rest(run, [*SPECS])
        (landed,) = run.nas.landed.values()
        assert (landed.looks_for_picture, landed.record.launch) == (0, 1)
        (entry,) = run.cluster.ledger("numberline").values()
        assert (entry.follow_up, entry.launches) == (None, 3)
    finally:
        run.close()
