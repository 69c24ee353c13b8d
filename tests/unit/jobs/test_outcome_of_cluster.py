"""How a finished Job ended that the cluster ended: killed, evicted, never started, or without a trace."""

from __future__ import annotations

import pytest

from builders import NOON
from ended_jobs import (
    BY_CODE,
    DISRUPTED,
    REMOVED,
    TOLD_TO_STOP,
    Ending,
    ended_after,
    ended_job,
    ended_pod,
    failed_pod,
)
from trawler_downloader.contract.outcomes import OutcomeClass
from trawler_operator.domain.jobs.outcome import observe_outcome

ENDINGS = (
    Ending(
        "out of memory",
        ended_job("Failed", "BackoffLimitExceeded"),
        ended_pod(137, reason="OOMKilled"),
        OutcomeClass.TRANSIENT,
        "OutOfMemory",
        "spec.job.resources.limits.memory",
    ),
    Ending(
        "killed",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(137)),
        ended_pod(137),
        OutcomeClass.TERMINATED,
        "Killed",
        "137",
    ),
    Ending(
        "told to stop, pod gone",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(143)),
        None,
        OutcomeClass.TERMINATED,
        "Killed",
        "143",
    ),
    Ending(
        "evicted",
        ended_job("Failed", "PodFailurePolicy", DISRUPTED),
        None,
        OutcomeClass.TERMINATED,
        "Disrupted",
        "evicted",
    ),
    Ending(
        "evicted, its container ended with a code of nobody's",
        ended_job("Failed", "PodFailurePolicy", DISRUPTED),
        ended_pod(1),
        OutcomeClass.TERMINATED,
        "Disrupted",
    ),
    Ending(
        "drained, its pod still there",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(143)),
        failed_pod(
            conditions=[
                {"type": "Ready", "status": "False"},
                {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "EvictionByEvictionAPI",
                    "message": "Eviction API",
                },
            ]
        ),
        OutcomeClass.TERMINATED,
        "Disrupted",
        "EvictionByEvictionAPI: Eviction API",
    ),
    Ending(
        "evicted for want of disk, by its pod's own words",
        ended_job("Failed", "BackoffLimitExceeded"),
        failed_pod(reason="Evicted", message="The node was low on resource: ephemeral-storage."),
        OutcomeClass.TERMINATED,
        "Disrupted",
        "low on resource: ephemeral-storage",
    ),
    Ending(
        "node lost",
        ended_job("Failed", "BackoffLimitExceeded"),
        failed_pod(reason="NodeLost"),
        OutcomeClass.TERMINATED,
        "NodeLost",
        "its node was lost",
    ),
    Ending(
        "node came back and knows nothing of the container",
        ended_job("Failed", "PodFailurePolicy", BY_CODE.format(137)),
        ended_pod(137, "The container could not be located", reason="ContainerStatusUnknown"),
        OutcomeClass.TERMINATED,
        "NodeLost",
        "could not be located",
    ),
    Ending(
        "the program cannot be started",
        ended_job("Failed", "BackoffLimitExceeded"),
        ended_pod(128, 'exec: "python": not found', reason="StartError"),
        OutcomeClass.ENVIRONMENT,
        "ContainerNotStarted",
        'exec: "python": not found',
    ),
    Ending(
        "an injected init container failed, and the download never began",
        ended_job("Failed", "BackoffLimitExceeded"),
        failed_pod(
            initContainerStatuses=[
                {"name": "proxy", "state": {"terminated": {"exitCode": 143}}},
                {"name": "rules", "state": {"terminated": {"exitCode": 0}}},
                {"name": "iptables", "state": {"terminated": {"exitCode": 2}}},
            ],
            containerStatuses=[{"name": "download", "state": {"waiting": {"reason": "PodInitializing"}}}],
        )
        | {"spec": {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}, {"name": "iptables"}]}},
        OutcomeClass.ENVIRONMENT,
        "ContainerNotStarted",
        "init container iptables ended with exit code 2",
    ),
    Ending(
        "the node would not take the pod",
        ended_job("Failed", "BackoffLimitExceeded"),
        failed_pod(reason="OutOfmemory", message="Node didn't have enough resource: memory"),
        OutcomeClass.TERMINATED,
        "PodRefused",
        "OutOfmemory: Node didn't",
    ),
    Ending(
        "the node would not take the pod and does not say why",
        ended_job("Failed", "BackoffLimitExceeded"),
        failed_pod(reason="NodeAffinity"),
        OutcomeClass.TERMINATED,
        "PodRefused",
        "NodeAffinity",
    ),
    Ending(
        "took too long, pod gone",
        ended_job("Failed", "DeadlineExceeded", "Job was active longer than specified deadline"),
        None,
        OutcomeClass.TRANSIENT,
        "DeadlineExceeded",
        "spec.job.activeDeadlineSeconds",
    ),
    Ending(
        "took too long and was told to stop",
        ended_job("Failed", "DeadlineExceeded"),
        ended_pod(143),
        OutcomeClass.TRANSIENT,
        "DeadlineExceeded",
    ),
    Ending(
        "took too long, told to stop, and said so",
        ended_job("Failed", "DeadlineExceeded"),
        ended_pod(143, TOLD_TO_STOP.to_json()),
        OutcomeClass.TRANSIENT,
        "DeadlineExceeded",
    ),
    Ending(
        "took too long, and its pod ended before the Job's condition was written",
        ended_after(60, ended_job("Failed", "PodFailurePolicy", BY_CODE.format(143))),
        ended_pod(143, TOLD_TO_STOP.to_json()),
        OutcomeClass.TRANSIENT,
        "DeadlineExceeded",
    ),
    Ending(
        "told to stop a second before its deadline",
        ended_after(59, ended_job("Failed", "PodFailurePolicy", BY_CODE.format(143))),
        ended_pod(143, TOLD_TO_STOP.to_json()),
        OutcomeClass.TERMINATED,
        "Terminated",
    ),
    Ending(
        "said that the video is gone when its deadline was over",
        ended_after(60, ended_job("Failed", "PodFailurePolicy", BY_CODE.format(40))),
        ended_pod(40, REMOVED.to_json()),
        OutcomeClass.TERMINAL,
        "VideoRemoved",
    ),
    Ending(
        "pod deleted by force",
        ended_job("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"),
        None,
        OutcomeClass.TRANSIENT,
        "LaunchVanished",
        "BackoffLimitExceeded",
    ),
    Ending(
        "failed without a reason",
        ended_job(),
        {"status": None},
        OutcomeClass.TRANSIENT,
        "LaunchVanished",
        "without a reason",
    ),
)


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_what_the_cluster_did_counts(ending: Ending) -> None:
    """One row per line of the documented table, and the odd ones."""
    observed = observe_outcome(ending.job, ending.pod)

    assert (observed.outcome, observed.reason, observed.finished_at) == (ending.outcome, ending.reason, NOON)
    assert ending.says in observed.message
