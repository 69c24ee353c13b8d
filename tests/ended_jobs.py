"""Jobs that ended, and what is left of their pods, as the API server shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trawler_downloader.contract.download import DownloadResult
from trawler_downloader.contract.outcomes import OutcomeClass

PUBLISHED = DownloadResult(outcome=OutcomeClass.PUBLISHED, reason="Published", message="done", path="a/b.mp4")
REMOVED = DownloadResult(outcome=OutcomeClass.TERMINAL, reason="VideoRemoved", message="gone")
NOT_UNDERSTOOD = DownloadResult(
    outcome=OutcomeClass.CONFIGURATION, reason="RequestInvalid", message="more: not permitted"
)
TOLD_TO_STOP = DownloadResult(outcome=OutcomeClass.TERMINATED, reason="Terminated", message="the pod was told to stop")
BY_CODE = "Container download for pod media/x failed with exit code {} matching FailJob rule at index 1"
DISRUPTED = "Pod media/x has condition DisruptionTarget matching FailJob rule at index 0"
"""The Job controller's words."""


def ended_job(kind: str = "Failed", reason: str | None = None, text: str | None = None) -> dict[str, Any]:
    """With its final condition."""
    condition = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": text,
        "lastTransitionTime": "2026-11-21T12:00:00Z",
    }
    started = {"type": "FailureTarget", "status": "True"}
    return {"metadata": {"name": "x"}, "status": {"conditions": [started, condition]}}


def ended_after(seconds: int, job: dict[str, Any]) -> dict[str, Any]:
    """The Job with a deadline of a minute, ended so long after its start."""
    job["status"]["startTime"] = f"2026-11-21T11:59:{60 - seconds:02}Z"
    return job | {"spec": {"activeDeadlineSeconds": 60}}


def ended_pod(code: int, message: str | None = None, reason: str = "Error") -> dict[str, Any]:
    """Its container `download` ended with a code, and maybe a report; another one beside it failed."""
    terminated = {"exitCode": code, "reason": reason} | ({} if message is None else {"message": message})
    return {
        "status": {
            "containerStatuses": [
                {"name": "injected-proxy", "state": {"terminated": {"exitCode": 1}}},
                {"name": "download", "state": {"terminated": terminated}},
            ]
        }
    }


def failed_pod(**status: Any) -> dict[str, Any]:
    """It says more of its end than its containers do."""
    return {"status": {"phase": "Failed", **status}}


@dataclass(frozen=True)
class Ending:
    """What is left of a launch, and how it counts."""

    name: str
    # status
    job: dict[str, Any]
    # environment
    pod: dict[str, Any] | None
    # expectation
    outcome: OutcomeClass
    reason: str
    says: str = ""
