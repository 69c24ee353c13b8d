"""What the simulation itself must not take for a fault."""

from __future__ import annotations

from component.simulation.node import Ending
from component.simulation.process import Fault
from component.simulation.rest import come_to_rest
from component.simulation.run import KEYS, SPECS, Run
from component.simulation.truth import Fate

DAY = 86_400


def test_a_clock_that_ran_ahead_made_a_wait_long() -> None:
    """It is as long as it was noted, and the passes of the days until then are none too many."""
    run = Run()
    try:
        run.outside.publish("numberline", Fate.GOOD, 0)
        run.jump(10 * DAY)
        run.carry_on(60)
        run.node.end(0, Ending.KILLED)
        run.work(0, KEYS[0], 0, Fault.NONE, finish=True)
        run.jump(-10 * DAY)
        come_to_rest(run, [*SPECS])
        assert run.monotonic > 9 * DAY
    finally:
        run.close()
