"""docs/nas.md is what people copy and look things up in: its manifest is right, its tables are complete."""

from __future__ import annotations

import importlib.util
import re
from typing import Any

from kubernetes.client import V1Job

from builders import ledger_entry, subscription
from chart.pod_security import restricted_violations
from nas_page import PAGE, self_test_job
from trawler_downloader.contract.outcomes import VOLUME_REASONS
from trawler_downloader.contract.reasons import Reason
from trawler_downloader.selftest.checks import CHECKS
from trawler_operator.domain.jobs.settings import AccessRules, JobDefaults
from trawler_operator.domain.launches.download_job import build_download_job


def _pod() -> dict[str, Any]:
    pod: dict[str, Any] = self_test_job()["spec"]["template"]["spec"]
    return pod


def test_the_jobs_every_field_is_known() -> None:
    """The client's models refuse what Kubernetes does not know."""
    assert V1Job.model_validate(self_test_job()).spec.backoff_limit == 0


def test_the_job_runs_where_pods_must_be_restricted() -> None:
    """As the downloads do."""
    assert restricted_violations(_pod()) == []


def test_the_job_sees_the_volume_as_a_download_does() -> None:
    """Otherwise it would prove another volume, or another user's rights."""
    defaults = JobDefaults(image="i", claim_name="library", run_as_user=1000, run_as_group=1000, fs_group=1000)
    download = build_download_job(
        subscription({}), "k.v", ledger_entry(), launch=1, shard=0, defaults=defaults, access=AccessRules(), gates={}
    )
    theirs = download["spec"]["template"]["spec"]
    ours = _pod()
    assert ours["securityContext"] == theirs["securityContext"]
    assert ours["volumes"] == theirs["volumes"][:1]
    assert ours["containers"][0]["volumeMounts"] == theirs["containers"][0]["volumeMounts"][:1]
    assert ours["containers"][0]["securityContext"] == theirs["containers"][0]["securityContext"]


def test_the_job_runs_a_program_that_exists() -> None:
    """On the folder where the volume is mounted."""
    container = _pod()["containers"][0]
    python, flag, module, path = container["command"]
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(f"{module}.__main__") is not None
    assert path == container["volumeMounts"][0]["mountPath"]


def test_every_row_of_the_self_test_is_explained() -> None:
    """In its order."""
    section = PAGE.split("| row |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE) == ["folder", *(name for name, _ in CHECKS)]


def test_every_reason_of_a_volume_is_explained() -> None:
    """Those of a download; a volume that does not mount is told by the operator."""
    section = PAGE.split("## What the messages mean")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    named = {reason for cell in cells for reason in re.findall(r"`(\w+)`", cell)}
    own = {"PermissionDenied", "VolumeMarkerMissing", "VolumeMarkerMismatch", "BelowMinFree", "NotEnoughSpace"}
    own |= {"NameRefused", "FileTooLarge", "LibraryPathInvalid"}
    assert named == (VOLUME_REASONS - {"MountFailed"}) | own
    assert named <= set(Reason)
