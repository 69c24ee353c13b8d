"""What benchmarks do to the cluster's operator, and read of it."""

from __future__ import annotations

import re

from e2e import kubectl as k
from e2e import objects
from e2e.operator_pod import SELECTOR, OperatorPod
from e2e.waiting import until


def scale(operator: OperatorPod, replicas: int) -> None:
    """None or one of it; returns when none is left, or one works."""
    k.kubectl("-n", operator.namespace, "scale", "deployment/trawler", f"--replicas={replicas}")
    until(
        f"{replicas} operator pods",
        lambda: len(objects.items("pods", namespace=operator.namespace, labels=SELECTOR)),
        lambda n: n == replicas,
    )
    operator.wait_ready()


def total(operator: OperatorPod, series: str) -> float:
    """A number of its metrics; of a series with labels their sum, 0 where there are none."""
    samples: list[str] = re.findall(rf"^{series}(?:{{[^}}]*}})? (\S+)$", operator.fetch("/metrics"), re.MULTILINE)
    return sum(map(float, samples))
