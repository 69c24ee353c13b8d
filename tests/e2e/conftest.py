"""The world of the end-to-end suite: a kind cluster with the chart installed and the stand-in site in it.

`hack/e2e/run` brings it up. Each test lives in a namespace of its own and uses channels of its own, so that tests
do not see each other; what a failed test leaves to look at is printed with it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import until


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs the cluster; what takes minutes comes first, or only where it is wished for."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
        if item.get_closest_marker("long") and not os.environ.get("TRAWLER_LONG"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: made with TRAWLER_LONG=1"))
    items.sort(key=lambda item: item.get_closest_marker("lengthy") is None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Keep the outcome of the test's own phase where fixtures can see it."""
    report = yield
    setattr(item, f"report_{report.when}", report)
    return report  # type: ignore[return-value]


@pytest.fixture(scope="session")
def standin() -> Iterator[OwnFaults]:
    """The stand-in site's control API."""
    with OwnFaults.in_cluster() as site:
        assert isinstance(site, OwnFaults)
        yield site


class OwnFaults(StandIn):
    """The stand-in as one test sees it: it ends its own faults only, since other tests run at the same time."""

    own: list[int]

    def fault(self, kind: str, **fields: Any) -> int:
        """Put a fault into force, and remember that it is this test's."""
        identity = super().fault(kind, **fields)
        self.own.append(identity)
        return identity

    def clear_faults(self, fault_id: int | None = None) -> None:
        """End one fault, or all of this test's."""
        for identity in [fault_id] if fault_id is not None else self.own:
            super().clear_faults(identity)
        self.own = [identity for identity in self.own if fault_id not in (None, identity)]


@pytest.fixture
def site(standin: OwnFaults) -> Iterator[StandIn]:
    """The stand-in; faults of this test end with it."""
    standin.own = []
    yield standin
    standin.clear_faults()


@pytest.fixture(scope="session")
def operator() -> OperatorPod:
    """The operator under test."""
    return OperatorPod(namespace="trawler-system")


@pytest.fixture(autouse=True)
def _operator_that_never_died(request: pytest.FixtureRequest) -> None:
    """For whoever kills it: what earlier tests did to the pod's containers delays their next start."""
    if request.node.get_closest_marker("disruptive"):
        operator: OperatorPod = request.getfixturevalue("operator")
        died = until(
            "one operator pod", lambda: operator.restarts("operator") + operator.restarts("lister"), lambda _: True
        )
        if died:
            operator.renew()


def _place_name(item: Any, suffix: str = "") -> str:
    """The test's name as far as it fits, and what tells it from others that begin so: they run at the same time."""
    words = re.sub(r"[^a-z0-9]+", "-", item.name.removeprefix("test_").lower()).strip("-")
    suffix = f"-{hashlib.sha256(item.nodeid.encode()).hexdigest()[:4]}{suffix}"
    return f"{words[: 40 - len(suffix)].strip('-')}{suffix}"


def _diagnose_failure(request: pytest.FixtureRequest, place: Place, operator: OperatorPod) -> None:
    report = getattr(request.node, "report_call", None)
    if report is not None and report.failed:
        print(place.diagnose())
        try:
            print(operator.logs(tail=150))
        except AssertionError as error:
            print(f"the operator's log cannot be read: {error}")


def _make(name: str) -> Place:
    place = Place(
        namespace=name,
        nas=Path(os.environ["NAS_DIR"]),
        ca=Path(os.environ["STANDIN_CA_FILE"]).read_text(),
    )
    place.unmake(wait=True)
    place.make()
    return place


@pytest.fixture
def place(request: pytest.FixtureRequest, operator: OperatorPod) -> Iterator[Place]:
    """A namespace with a library for this test."""
    place = _make(_place_name(request.node))
    yield place
    _diagnose_failure(request, place, operator)
    if not os.environ.get("KEEP_PLACES"):
        place.unmake()


@pytest.fixture
def other_place(request: pytest.FixtureRequest, operator: OperatorPod) -> Iterator[Place]:
    """A second namespace with a library of its own."""
    place = _make(_place_name(request.node, "-two"))
    yield place
    _diagnose_failure(request, place, operator)
    if not os.environ.get("KEEP_PLACES"):
        place.unmake()


@pytest.fixture
def handle(request: pytest.FixtureRequest) -> str:
    """A channel handle that only this test uses."""
    return "@" + _place_name(request.node)


@pytest.fixture(scope="session", autouse=True)
def _ready() -> None:
    """One clear sentence instead of a hundred failures where there is no cluster."""
    if "NAS_DIR" not in os.environ or "STANDIN_CA_FILE" not in os.environ:
        pytest.exit("the end-to-end suite needs its cluster: run `make e2e` or hack/e2e/run", returncode=2)
    k.kubectl("version", timeout=30)
