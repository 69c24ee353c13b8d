"""Whose gates the ending of a Job moves: never those of another namespace, whatever a hand wrote into the Job."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from builders import ledger_entry, subscription
from trawler_operator.domain.gates.passed import egress_name, passed_gates
from trawler_operator.domain.gates.route import GateId, GateKind, Route, download_route
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults
from trawler_operator.domain.launches.download_job import build_download_job

KEY = "youtube.abcdefghijk"
VIDEO = "https://www.youtube.com/watch?v=abcdefghijk"
OWN = "media/numberline"
DIRECT = download_route(VIDEO, "", "media/library", OWN)
PROXIED = download_route(VIDEO, "http://proxy.example:3128", "media/library", OWN, "media/jar")
ACCESS = {"proxy": "http://proxy.example:3128", "cookiesSecretRef": {"name": "jar"}}
EPOCHS = {GateKind.EGRESS: 7, GateKind.COOKIES: 0, GateKind.VOLUME: 9, GateKind.SUBSCRIPTION: 4}


def _job(access: dict[str, Any] | None = None, route: Route = DIRECT, **entry: Any) -> dict[str, Any]:
    return build_download_job(
        subscription({"access": access or {}}),
        KEY,
        ledger_entry(**entry),
        launch=2,
        shard=3,
        defaults=JobDefaults(image="downloader:1", claim_name="library"),
        access=AccessRules(),
        gates={gate: EPOCHS[gate.kind] for gate in route.gates if gate.kind in EPOCHS},
    )


def _template(job: dict[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = job["spec"]["template"]
    return template


def _tell(job: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The Job with another request, as somebody would make it who deletes the operator's and creates one."""
    job = deepcopy(job)
    variable = _template(job)["spec"]["containers"][0]["env"][0]
    variable["value"] = json.dumps({**json.loads(variable["value"]), **changes})
    return job


@pytest.mark.parametrize(
    ("access", "route"), [({}, DIRECT), (ACCESS, PROXIED)], ids=["directly", "through a proxy, with cookies"]
)
def test_gates_that_a_launch_passed(access: dict[str, Any], route: Route) -> None:
    """Site, proxy, jar and claim as its pod was told, each gate with its epoch."""
    assert passed_gates(_job(access, route), route) == {
        gate: EPOCHS[gate.kind] for gate in route.gates if gate.kind in EPOCHS
    }


@pytest.mark.parametrize(
    "text",
    [
        '[{"kind":"Volume","claim":"other/library","epoch":0}]',
        '{"Egress":99999999999999999999,"Cookies":99999999999999999999,"Volume":99999999999999999999}',
        "{",
    ],
    ids=["another namespace's claim", "huge epochs", "no JSON"],
)
def test_annotations_of_the_job_itself_say_nothing(text: str) -> None:
    """Whoever may patch Jobs can write them; the pod template they cannot."""
    job = _job()
    job["metadata"]["annotations"]["trawler.dev/gates"] = text
    assert passed_gates(job, DIRECT) == passed_gates(_job(), DIRECT)


def test_a_spec_that_names_another_proxy_now() -> None:
    """The ending moves the gates of its namespace; the new proxy's say nothing of it, and the old ones are others'."""
    jar = GateId(GateKind.COOKIES, "youtube.com", "http://proxy.example:3128", "media/jar")
    volume = GateId(GateKind.VOLUME, claim="media/library")
    assert passed_gates(_job(ACCESS, PROXIED), DIRECT) == {jar: 0, volume: 9, DIRECT.own[0]: 4}


@pytest.mark.parametrize(
    "forged",
    [
        {"video": {"key": KEY, "id": "x", "url": "https://vimeo.com/1"}},
        {"proxy": "http://theirs.example:3128"},
    ],
    ids=["another site", "another proxy"],
)
def test_a_job_made_by_hand_moves_no_gate_that_others_share(forged: dict[str, Any]) -> None:
    """Beside those that a download of the video passes anyway."""
    assert passed_gates(_tell(_job(), **forged), DIRECT) == {
        DIRECT.own[0]: 4,
        GateId(GateKind.VOLUME, claim="media/library"): 9,
    }


def test_a_job_made_by_hand_reaches_no_other_namespace() -> None:
    """What claim and jar it names, they are taken for its own namespace's."""
    job = _tell(_job(), cookiesSecret="../other/jar")
    _template(job)["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = "other/library"
    passed = [gate for gate in passed_gates(job, DIRECT) if not gate.crosses_namespaces]
    names = {(gate.claim or gate.cookies or gate.subscription).partition("/")[0] for gate in passed}
    assert names == {"media"}


def _without_claim(job: dict[str, Any]) -> None:
    _template(job)["spec"]["volumes"].pop(0)


def _without_volumes(job: dict[str, Any]) -> None:
    del _template(job)["spec"]["volumes"]


def _without_request(job: dict[str, Any]) -> None:
    del _template(job)["spec"]["containers"][0]["env"]


def _with_broken_request(job: dict[str, Any]) -> None:
    _template(job)["spec"]["containers"][0]["env"][0]["value"] = "{"


@pytest.mark.parametrize("spoil", [_without_claim, _without_volumes, _without_request, _with_broken_request])
def test_a_template_that_is_not_ours(spoil: Any) -> None:
    """It says nothing of any gate, and takes the slot of no egress."""
    job = _job()
    spoil(job)
    assert (passed_gates(job, DIRECT), egress_name(job)) == ({}, "")


def test_a_template_without_epochs() -> None:
    """Nobody knows before which moves it began."""
    job = _job()
    del _template(job)["metadata"]["annotations"]
    assert passed_gates(job, DIRECT) == {}


def test_whose_slot_a_job_takes() -> None:
    """Of the egress that its pod was told to use."""
    assert egress_name(_job(ACCESS, PROXIED)) == PROXIED.egress.name
