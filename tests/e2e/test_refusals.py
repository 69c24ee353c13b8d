"""The API server refuses what one namespace needs: said there, and no other namespace waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from client import StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.place import Place
from e2e.waiting import throughout, until

AFTER_A_CHECK = 5
"""Seconds in which the pages of one check are read."""


@contextmanager
def _webhook_that_fails(place: Place, group: str, resource: str) -> Iterator[str]:
    """Nobody answers for it, so the API server says 500 to every creation and change of this resource in the namespace.

    Yields:
        A word of what the API server says then.
    """
    name = f"fails-{place.namespace}"
    k.apply(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": name},
            "webhooks": [
                {
                    "name": "nobody.trawler.dev",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Fail",
                    "timeoutSeconds": 1,
                    "clientConfig": {"service": {"namespace": place.namespace, "name": "nobody"}},
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}},
                    "rules": [
                        {
                            "apiGroups": [group],
                            "apiVersions": ["*"],
                            "operations": ["CREATE", "UPDATE"],
                            "resources": [resource],
                        }
                    ],
                }
            ],
        }
    )
    try:
        yield "failed calling webhook"
    finally:
        k.delete("validatingwebhookconfiguration", name)


def _fails(place: Place) -> AbstractContextManager[str]:
    return _webhook_that_fails(place, "batch", "jobs")


@contextmanager
def _exceeds(place: Place) -> Iterator[str]:
    quota = {"metadata": {"name": "no-jobs", "namespace": place.namespace}}
    k.apply({"apiVersion": "v1", "kind": "ResourceQuota", **quota, "spec": {"hard": {"count/jobs.batch": "0"}}})
    until(
        "the quota is in force",
        lambda: objects.get("resourcequotas", "no-jobs", namespace=place.namespace).get("status", {}).get("hard"),
        bool,
    )
    try:
        yield "exceeded quota"
    finally:
        k.delete("-n", place.namespace, "resourcequota", "no-jobs")


@pytest.mark.parametrize("refuse", [_fails, _exceeds], ids=["a webhook that fails", "a quota"])
def test_refused_jobs_are_told_and_stop_nobody_else(
    place: Place,
    other_place: Place,
    site: StandIn,
    handle: str,
    refuse: Callable[[Place], AbstractContextManager[str]],
) -> None:
    """In the API server's words. Checks go on, and once Jobs are taken again what waited comes, with no try charged."""
    site.add_channel(handle=handle, videos=3)
    for each in (place, other_place):
        each.subscribe("one", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}})
        each.wait_up_to_date("one", 1)
    with refuse(place) as words:
        site.publish(handle)
        place.check("one", "new")
        ready = place.wait_condition("one", "Ready", "False", "JobRejected")
        assert words in ready["message"]
        place.wait_condition("one", "UpToDate", "False", "DownloadsPending")
        until("an Event says so", lambda: place.events("JobRejected"), bool)
        other_place.check("one", "new")
        other_place.wait_up_to_date("one", 2)
        place.check("one", "once-more")
        assert len(place.media()) == 1
    k.kubectl("-n", place.namespace, "annotate", "ytsub", "one", "trawler.dev/probe=mended")
    place.wait_up_to_date("one", 2)
    place.wait_condition("one", "Ready", "True", "Watching")
    assert [key for key, entry in place.ledger("one").items() if entry.get("failures")] == []


def test_a_check_is_not_made_again_because_its_status_is_refused(place: Place, site: StandIn, handle: str) -> None:
    """It is remembered, and stored when that is possible."""
    site.add_channel(handle=handle, videos=2)
    place.subscribe("kept", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}})
    place.wait_up_to_date("kept", 1)
    before = site.requests(handle)
    with _webhook_that_fails(place, "trawler.dev", "subscriptions/status"):
        place.ask_for_check("kept", "while-refused")
        until("the source is looked at", lambda: site.requests(handle), lambda asked: asked > before)
        time.sleep(AFTER_A_CHECK)
        asked = site.requests(handle)
        throughout("nobody looks again", lambda: site.requests(handle), lambda now: now == asked, seconds=30)
        assert place.status("kept").get("lastHandled", {}).get("check", {}).get("id") != "while-refused"
    until(
        "what was found is stored",
        lambda: place.status("kept").get("lastHandled", {}).get("check", {}),
        lambda handled: handled.get("id") == "while-refused",
        timeout=400,
    )
    assert site.requests(handle) == asked
