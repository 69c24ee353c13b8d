"""The self-test of docs/nas.md, as a user runs it before trusting a volume."""

from __future__ import annotations

import re

from e2e import kubectl as k
from e2e.place import Place
from nas_page import self_test_job
from trawler_downloader.selftest.checks import CHECKS


def test_the_job_of_the_page_proves_a_volume(place: Place) -> None:
    """With namespace, image, claim and user put in it completes, has a row for each check, and leaves nothing."""
    job = self_test_job()
    job["metadata"]["namespace"] = place.namespace
    pod = job["spec"]["template"]["spec"]
    pod["securityContext"] |= {"runAsUser": 65532, "runAsGroup": 65532}
    pod["containers"][0]["image"] = "trawler-downloader:dev"
    pod["volumes"][0]["persistentVolumeClaim"]["claimName"] = "library"
    k.apply(job)
    name = f"job/{job['metadata']['name']}"
    k.kubectl("-n", place.namespace, "wait", "--for=condition=Complete", name, "--timeout=180s", timeout=200)
    said = k.kubectl("-n", place.namespace, "logs", name)
    rows = re.findall(r"^(?:ok|warning) +(.+?)  ", said, re.MULTILINE)
    assert rows == ["folder", *(check for check, _ in CHECKS)]
    assert list(place.library.iterdir()) == []
