"""What must hold of slots after every pass: they are the unfinished Jobs, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from component.cluster import Cluster
from component.simulation.calls import UnderWay
from component.simulation.process import Process, unfinished


@dataclass
class SlotWatch:
    """Compares what admission counts with the Jobs.

    A pass counts the Jobs of its Subscription, if they can be listed. What ends meanwhile may be counted still.

    Args:
        cluster: has the Jobs.
    """

    cluster: Cluster

    def ended(self, process: Process, this: UnderWay) -> None:
        """After a pass."""
        admission, namespace_and_name = process.operator.admission, "/".join(this.key)
        under_way = admission._granted.get(this.key, Counter()).total()
        assert not under_way, f"{namespace_and_name} has {under_way} creations under way after its pass"
        if this.was_cut or this.failed & {"list Jobs", "get Job"}:
            return
        held = admission._jobs.get(this.key, Counter()).total()
        present = unfinished(self.cluster, this.key)
        most = len(this.unfinished) + this.created
        assert len(present) <= held <= most, (
            f"{namespace_and_name} holds {held} slots, and {len(present)} to {most} Jobs run"
        )
