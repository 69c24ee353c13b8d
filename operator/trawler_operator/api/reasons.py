"""Every reason that a condition, an Event or a ledger entry may carry, with its text for people.

Reasons are API: scripts and alerts match them. Texts are not, and may be improved at any time. A message says what is
wrong, names the field or object, and, where a person has to act, what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class ConditionReason(StrEnum):
    """Reasons of conditions."""

    INVALID_SPEC = "InvalidSpec"
    SUSPENDED = "Suspended"
    CLAIM_NOT_CONFIGURED = "ClaimNotConfigured"
    CLAIM_NOT_FOUND = "ClaimNotFound"
    CLAIM_LOST = "ClaimLost"
    CLAIM_FOR_ONE_POD = "ClaimForOnePod"
    CA_BUNDLE_NOT_FOUND = "CaBundleNotFound"
    PROXY_NOT_CONFIGURED = "ProxyNotConfigured"
    PROXY_SECRET_NOT_READABLE = "ProxySecretNotReadable"  # noqa: S105 - a word
    PROXY_SECRET_NOT_FOUND = "ProxySecretNotFound"  # noqa: S105
    SECRETS_NOT_READABLE = "SecretsNotReadable"
    JOB_REJECTED = "JobRejected"
    LEDGER_BUSY = "LedgerBusy"
    LEDGER_NOT_READABLE = "LedgerNotReadable"
    LEDGER_NOT_WRITABLE = "LedgerNotWritable"
    DOWNLOAD_NOT_STARTING = "DownloadNotStarting"
    SUBSCRIPTION_GATE_CLOSED = "SubscriptionGateClosed"
    PAUSED_BY_HAND = "PausedByHand"
    EGRESS_GATE_CLOSED = "EgressGateClosed"
    VOLUME_GATE_CLOSED = "VolumeGateClosed"
    GATES_UNAVAILABLE = "GatesUnavailable"
    JOBS_NOT_READABLE = "JobsNotReadable"
    ENDINGS_NOT_RECORDED = "EndingsNotRecorded"
    JOBS_NOT_DELETED = "JobsNotDeleted"
    PREREQUISITES_NOT_READABLE = "PrerequisitesNotReadable"
    HISTORY_NOT_READABLE = "HistoryNotReadable"
    REQUESTS_NOT_CARRIED_OUT = "RequestsNotCarriedOut"
    LAUNCH_FAILED = "LaunchFailed"
    CHECK_NOT_RECORDED = "CheckNotRecorded"
    PASS_TOO_LONG = "PassTooLong"  # noqa: S105
    INTERNAL_ERROR = "InternalError"
    REBUILDING_HISTORY = "RebuildingHistory"
    INVENTORY_FAILED = "InventoryFailed"
    LISTER_UNAVAILABLE = "ListerUnavailable"
    CHECK_FAILED = "CheckFailed"
    SOURCE_GONE = "SourceGone"
    NOT_CHECKED_YET = "NotCheckedYet"
    WATCHING = "Watching"
    ACCESS_NEEDED = "AccessNeeded"
    NOTHING_LISTED = "NothingListed"

    LISTED = "Listed"
    LISTING_TOO_LONG = "ListingTooLong"

    ON_TIME = "OnTime"
    CHECKS_DELAYED = "ChecksDelayed"

    ALL_DOWNLOADED = "AllDownloaded"
    WAITING_FOR_VIDEOS = "WaitingForVideos"
    DOWNLOADS_PENDING = "DownloadsPending"

    IN_PLACE = "InPlace"
    LIBRARY_CHANGED = "LibraryChanged"

    ENTRIES_READABLE = "EntriesReadable"
    ENTRIES_BROKEN = "EntriesBroken"

    COOKIES_ACCEPTED = "CookiesAccepted"
    COOKIES_REJECTED = "CookiesRejected"
    COOKIES_MISSING = "CookiesMissing"
    COOKIES_MALFORMED = "CookiesMalformed"


class EventReason(StrEnum):
    """Reasons of Events: high-level happenings only, the rest is logged."""

    VIDEOS_FOUND = "VideosFound"
    VIDEOS_OMITTED = "VideosOmitted"
    """Listed, and never to be downloaded: their URLs or ids fit in no ledger."""
    DOWNLOAD_CREATED = "DownloadCreated"
    VIDEO_PUBLISHED = "VideoPublished"
    FOLLOW_UP_ENDED = "FollowUpEnded"
    """A launch for what should be added to a video that stands on the volume."""
    DOWNLOAD_FAILED = "DownloadFailed"
    DOWNLOAD_DEFERRED = "DownloadDeferred"
    JOB_NOT_STARTING = "JobNotStarting"
    """Said once, when it is first seen."""
    DOWNLOAD_NOT_STARTED = "DownloadNotStarted"
    DOWNLOAD_GIVEN_UP = "DownloadGivenUp"
    CHECK_FAILED = "CheckFailed"
    INVALID_SPEC = "InvalidSpec"
    LEDGER_ENTRY_BROKEN = "LedgerEntryBroken"
    LEDGER_ADOPTED = "LedgerAdopted"
    STATUS_NOT_WRITABLE = "StatusNotWritable"
    HISTORY_REBUILT = "HistoryRebuilt"
    MANIFEST_UNREADABLE = "ManifestUnreadable"
    JOB_REJECTED = "JobRejected"
    GATE_CLOSED = "GateClosed"
    GATE_OPENED = "GateOpened"
    REQUEST_HANDLED = "RequestHandled"
    REQUEST_REFUSED = "RequestRefused"
    """An annotation's value that cannot be understood."""


class SkipReason(StrEnum):
    """Why the ledger knows a video that is not wanted."""

    BEFORE_WINDOW = "BeforeWindow"
    """Listed at a source's first run, beyond `select.newest`."""
    BACK_CATALOGUE = "BackCatalogue"
    """Found later, below everything that was known of its source."""
    KIND_NOT_SELECTED = "KindNotSelected"
    """Not one of `select.kinds`."""
    SKIPPED_BY_USER = "SkippedByUser"
    CANCELLED_BY_USER = "CancelledByUser"
    """While it was being downloaded."""
    REMOVED_BY_USER = "RemovedByUser"
    """It was downloaded, and its file is not on the volume any more."""


class EndReason(StrEnum):
    """Why a launch ended, where the downloader itself could not say.

    The tables are in `domain.jobs.outcome` and `domain.jobs.start_trouble`.
    """

    RESULT_LOST = "ResultLost"
    """It ended well, but its report is gone: launched again, it answers from the manifest on the volume."""
    OUT_OF_MEMORY = "OutOfMemory"
    KILLED = "Killed"
    DISRUPTED = "Disrupted"
    NODE_LOST = "NodeLost"
    POD_REFUSED = "PodRefused"
    """The kubelet would not run the pod that it was given."""
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    EXITED = "Exited"
    """Only the exit code is known."""
    LAUNCH_VANISHED = "LaunchVanished"
    """Neither the pod nor a known condition of its Job says how it ended."""
    POD_NOT_CREATED = "PodNotCreated"
    UNSCHEDULABLE = "Unschedulable"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_NOT_STARTED = "ContainerNotStarted"
    MOUNT_FAILED = "MountFailed"
    NOT_TERMINATING = "NotTerminating"
    """Its pod was told to stop and does not: the node is away, or the volume holds the process."""
    FATAL_ERROR = "FatalError"
    """Its message holds one of `spec.retry.fatalErrors`."""


NEVER_STARTED = frozenset(
    {
        EndReason.POD_NOT_CREATED,
        EndReason.UNSCHEDULABLE,
        EndReason.IMAGE_PULL_FAILED,
        EndReason.CONTAINER_NOT_STARTED,
        EndReason.MOUNT_FAILED,
    }
)
"""Endings of launches that the cluster did not bring to run."""

MESSAGES: Mapping[type[StrEnum], Mapping[StrEnum, str]] = MappingProxyType(
    {
        ConditionReason: {
            ConditionReason.INVALID_SPEC: "{field}: {detail}",
            ConditionReason.SUSPENDED: "suspended by spec.suspend: no checks and no new downloads; running ones finish",
            ConditionReason.CLAIM_NOT_CONFIGURED: (
                "spec.library.claimName is not set and the operator has no default claim: "
                "name a PersistentVolumeClaim of namespace {namespace}"
            ),
            ConditionReason.CLAIM_NOT_FOUND: (
                "PersistentVolumeClaim {claim} does not exist in namespace {namespace}: "
                "create it or change spec.library.claimName"
            ),
            ConditionReason.CLAIM_LOST: "PersistentVolumeClaim {claim} has lost its volume: mend or replace the claim",
            ConditionReason.CLAIM_FOR_ONE_POD: (
                "PersistentVolumeClaim {claim} of namespace {namespace} is ReadWriteOncePod: one pod alone may use it, "
                "and neither a second download nor a media server; use one that is ReadWriteOnce or ReadWriteMany"
            ),
            ConditionReason.CA_BUNDLE_NOT_FOUND: (
                "ConfigMap {config_map} with key ca.crt does not exist in namespace {namespace}: "
                "create it or change spec.access.caBundleRef"
            ),
            ConditionReason.PROXY_NOT_CONFIGURED: (
                "spec.access.proxySecretRef is set, but no proxy that takes a user and password: "
                "set spec.access.proxy to an http, https, socks5 or socks5h one"
            ),
            ConditionReason.PROXY_SECRET_NOT_READABLE: (
                "the source is not listed around its proxy, and the operator may not read Secret {secret}: "
                "set the chart's value access.readSecrets, or use a proxy without a login"
            ),
            ConditionReason.PROXY_SECRET_NOT_FOUND: (
                "Secret {secret} with keys username and password does not exist in namespace {namespace}: "
                "create it or change spec.access.proxySecretRef"
            ),
            ConditionReason.SECRETS_NOT_READABLE: (
                "the operator may not read Secrets of namespace {namespace}, although access.readSecrets is set: "
                "give its account the right (the chart's Role has it): {detail}"
            ),
            ConditionReason.JOB_REJECTED: "the API server refuses the Job: {detail}",
            ConditionReason.LEDGER_BUSY: "the ledger cannot be used yet: {detail}",
            ConditionReason.LEDGER_NOT_READABLE: "the ledger's ConfigMaps cannot be read, so nothing goes on: {detail}",
            ConditionReason.JOBS_NOT_READABLE: "the Jobs cannot be looked at, so nothing is launched: {detail}",
            ConditionReason.ENDINGS_NOT_RECORDED: (
                "how downloads ended cannot be recorded, so their Jobs are kept and nothing is launched: {detail}"
            ),
            ConditionReason.JOBS_NOT_DELETED: "Jobs that are not needed any more cannot be deleted: {detail}",
            ConditionReason.PREREQUISITES_NOT_READABLE: (
                "the claim, ConfigMap or Secret that the spec names cannot be read, so nothing is launched: {detail}"
            ),
            ConditionReason.HISTORY_NOT_READABLE: (
                "whether the volume holds a history cannot be found out, so nothing is checked or launched: {detail}"
            ),
            ConditionReason.REQUESTS_NOT_CARRIED_OUT: (
                "what an annotation asks for cannot be carried out, so nothing is launched: {detail}"
            ),
            ConditionReason.LAUNCH_FAILED: "downloads cannot be launched: {detail}",
            ConditionReason.CHECK_NOT_RECORDED: "what the last check found cannot be recorded: {detail}",
            ConditionReason.PASS_TOO_LONG: "given up {detail}: the API server or the lister takes too long",
            ConditionReason.INTERNAL_ERROR: "a fault of trawler, please report it with the operator's log: {detail}",
            ConditionReason.LEDGER_NOT_WRITABLE: (
                "the API server does not take the ledger's ConfigMap, so nothing is launched and ended Jobs are kept: "
                "{detail}"
            ),
            ConditionReason.DOWNLOAD_NOT_STARTING: "a download does not start: {detail}",
            ConditionReason.REBUILDING_HISTORY: "the history is being read back from the volume: {detail}",
            ConditionReason.INVENTORY_FAILED: "the history cannot be read back from the volume: {detail}",
            ConditionReason.SUBSCRIPTION_GATE_CLOSED: "downloads of this Subscription alone pause: {detail}",
            ConditionReason.PAUSED_BY_HAND: (
                "the annotation trawler.dev/pause holds downloads back until {until}; checks go on. To end it: set the "
                "annotation to none"
            ),
            ConditionReason.EGRESS_GATE_CLOSED: (
                "{subject} {trouble} {since} ({detail}): nothing of it is checked or downloaded before {until}, then "
                "one goes first to see whether that is over; a check asked for by annotation waits as well. {advice} "
                "{by_hand}"
            ),
            ConditionReason.VOLUME_GATE_CLOSED: (
                "the volume of {subject} does not answer as it should since {since} ({detail}): mend the volume or the "
                "NAS; nothing is downloaded to it before {until}, then one goes first to see whether it is well. "
                "{by_hand}"
            ),
            ConditionReason.GATES_UNAVAILABLE: (
                "which sites and volumes are to be left alone cannot be read or written down, so nothing is checked or "
                "launched and ended Jobs are kept: {detail}; see to the operator's rights, and to quotas and admission "
                "webhooks of that namespace"
            ),
            ConditionReason.LISTER_UNAVAILABLE: "the operator's lister does not answer: {detail}",
            ConditionReason.CHECK_FAILED: "the last check failed: {detail}",
            ConditionReason.SOURCE_GONE: (
                "the site has answered {checks} checks in a row that there is no such source: correct spec.url; "
                "it is looked at rarely now, at once with a new value of the annotation trawler.dev/check"
            ),
            ConditionReason.NOT_CHECKED_YET: "not checked yet, as the spec is now",
            ConditionReason.WATCHING: "the last check went well",
            ConditionReason.ACCESS_NEEDED: (
                "the source is checked well, but nothing of it can be had ({waiting}): {advice}"
            ),
            ConditionReason.NOTHING_LISTED: (
                "the last check went well and listed no video: the source has none of the kinds asked for ({kinds}), "
                "or none yet; correct spec.url or spec.select.kinds, if it should have some"
            ),
            ConditionReason.LISTED: "the last listing was complete",
            ConditionReason.LISTING_TOO_LONG: "the listing has more entries than can be walked; the newest were taken",
            ConditionReason.ON_TIME: "checks are made in time",
            ConditionReason.CHECKS_DELAYED: (
                "a check has waited for {minutes} min: {due} checks of {lane} were due when this was found, which "
                "begin {pace} (chart value admission.egress.listingsPerSecond), and {places} run at a time over all "
                "sites (operator.maxConcurrentListings); check less often, or raise what is too small"
            ),
            ConditionReason.ALL_DOWNLOADED: "nothing selected waits to be downloaded",
            ConditionReason.WAITING_FOR_VIDEOS: (
                "nothing selected waits to be downloaded; some cannot be had yet ({waiting}) and are looked at again"
            ),
            ConditionReason.DOWNLOADS_PENDING: "{queued} queued, {running} running, {retrying} to be tried again",
            ConditionReason.IN_PLACE: "all videos stand in spec.library",
            ConditionReason.LIBRARY_CHANGED: (
                "spec.library changed: new downloads go to {new}, videos downloaded earlier stay in {old}"
            ),
            ConditionReason.ENTRIES_READABLE: "every entry can be read",
            ConditionReason.ENTRIES_BROKEN: (
                "{count} entries of the ledger cannot be read and are left alone: {names}; "
                "mend them with kubectl -n {namespace} edit configmap -l {selector}"
            ),
            ConditionReason.COOKIES_ACCEPTED: "the site took the cookies without complaint",
            ConditionReason.COOKIES_REJECTED: (
                "the site ended the session behind the cookies of Secret {secret}: export them anew, from a private "
                "browser window that is closed at once"
            ),
            ConditionReason.COOKIES_MISSING: (
                "Secret {secret}, or its key cookies.txt, does not exist: create it or change "
                "spec.access.cookiesSecretRef"
            ),
            ConditionReason.COOKIES_MALFORMED: "key cookies.txt of Secret {secret} cannot be read",
        },
        EventReason: {
            EventReason.VIDEOS_FOUND: "{selected} new videos selected, {skipped} skipped",
            EventReason.VIDEOS_OMITTED: (
                "{count} listed videos are left out, since their URL and id together take more than {limit} bytes and "
                "fit in no ledger; the first of them: {example}"
            ),
            EventReason.DOWNLOAD_CREATED: "created Job {job} for {video}, launch {launch}",
            EventReason.VIDEO_PUBLISHED: "{video} stands at {path}",
            EventReason.FOLLOW_UP_ENDED: "{what}: {detail}",
            EventReason.DOWNLOAD_FAILED: "{video} will be tried again at {until}: {detail}",
            EventReason.DOWNLOAD_DEFERRED: "{video} waits until {until}: {detail}",
            EventReason.JOB_NOT_STARTING: "Job {job} does not start: {detail}",
            EventReason.DOWNLOAD_NOT_STARTED: "{video} did not start and waits until {until}: {detail}",
            EventReason.DOWNLOAD_GIVEN_UP: "{video} is given up: {detail}",
            EventReason.CHECK_FAILED: "the check failed: {detail}",
            EventReason.INVALID_SPEC: "{field}: {detail}",
            EventReason.LEDGER_ENTRY_BROKEN: (
                "entry {key} of ConfigMap {config_map} cannot be read and is left alone: {detail}"
            ),
            EventReason.STATUS_NOT_WRITABLE: (
                "the status cannot be stored, so what it shows is out of date while the work goes on: {detail}"
            ),
            EventReason.LEDGER_ADOPTED: "continues a ledger of {count} videos",
            EventReason.HISTORY_REBUILT: (
                "the ledger was made anew from the volume: {downloaded} videos are there, {removed} were removed"
            ),
            EventReason.MANIFEST_UNREADABLE: "{count} manifests on the volume cannot be read: {names}",
            EventReason.JOB_REJECTED: "the API server refuses Job {job}: {detail}",
            EventReason.GATE_CLOSED: "{subject} is left alone until {until}, by every Subscription: {detail}",
            EventReason.GATE_OPENED: "{subject} answers again, every Subscription goes on",
            EventReason.REQUEST_HANDLED: (
                "{annotation} {id}: videos changed: {accepted}; named keys that are unknown: {unknown}; "
                "named videos that are not {states}: {unfit}"
            ),
            EventReason.REQUEST_REFUSED: "{detail}",
        },
        SkipReason: {
            SkipReason.BEFORE_WINDOW: "not among the newest {newest} at the first run",
            SkipReason.BACK_CATALOGUE: "older than everything known of its source",
            SkipReason.KIND_NOT_SELECTED: "{kind}",
            SkipReason.SKIPPED_BY_USER: "asked for by {annotation} {id}",
            SkipReason.CANCELLED_BY_USER: "its download was ended by {annotation} {id}",
            SkipReason.REMOVED_BY_USER: "the file is not at {path} any more",
        },
        EndReason: {
            EndReason.RESULT_LOST: "it ended well but its report is gone: launched again to read it from the volume",
            EndReason.OUT_OF_MEMORY: "needed more memory than its limit: raise spec.job.resources.limits.memory",
            EndReason.KILLED: "killed from outside (exit code {code})",
            EndReason.DISRUPTED: "the pod was evicted, preempted or its node drained: {detail}",
            EndReason.NODE_LOST: "its node was lost: {detail}",
            EndReason.POD_REFUSED: "the node would not run the pod: {detail}",
            EndReason.DEADLINE_EXCEEDED: "took longer than spec.job.activeDeadlineSeconds",
            EndReason.EXITED: "ended with exit code {code} and without a report",
            EndReason.LAUNCH_VANISHED: "ended without a trace ({detail})",
            EndReason.POD_NOT_CREATED: (
                "Job {job} has no pod: a quota, Pod Security or an admission webhook refuses it, "
                "see kubectl -n {namespace} get events --field-selector involvedObject.name={job}"
            ),
            EndReason.UNSCHEDULABLE: (
                "no node takes pod {pod}: {detail}; see spec.job.nodeSelector, tolerations and resources"
            ),
            EndReason.IMAGE_PULL_FAILED: "the image does not come to {where}: {detail}",
            EndReason.CONTAINER_NOT_STARTED: "the container cannot be started: {detail}",
            EndReason.MOUNT_FAILED: (
                "the volumes of pod {pod} are not mounted on {node}: "
                "see kubectl -n {namespace} get events --field-selector involvedObject.name={pod}"
            ),
            EndReason.NOT_TERMINATING: (
                "{what} should have ended by {until} and has not: its node is away or its volume does not answer"
            ),
            EndReason.FATAL_ERROR: "spec.retry.fatalErrors names {text!r}: {detail}",
        },
    }
)
"""By the enumeration: a condition and an Event may have the same word and other words for people."""


def message(reason: ConditionReason | EventReason | SkipReason | EndReason, **values: object) -> str:
    """The text of a reason, its gaps filled by name; a missing value raises KeyError."""
    return MESSAGES[type(reason)][reason].format(**values)
