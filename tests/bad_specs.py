"""Specs that nobody may get through with: refused by the API server where it can, and by the operator in any case.

Used against the models here and against a real API server in the end-to-end tests, so that both say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_URL = "https://www.youtube.com/@numberline/videos"


@dataclass(frozen=True)
class BadSpec:
    """One mistake.

    Args:
        name: the situation.
        spec: what the user wrote.
        field: what the operator names.
        says: part of the operator's message.
        server_says: part of the API server's message; None: only the operator can tell.
    """

    name: str
    spec: dict[str, Any]
    field: str
    says: str
    server_says: str | None


def _with(**parts: Any) -> dict[str, Any]:
    return {"url": _URL, **parts}


BAD_SPECS = (
    BadSpec("no url", {}, "spec.url", "is required", "spec.url: Required value"),
    BadSpec("url of another scheme", {"url": "ftp://a/b"}, "spec.url", "must be an http", "url must be an http"),
    BadSpec("url without a host", {"url": "https:///b"}, "spec.url", "with a host", "with a host"),
    BadSpec("url with a password", {"url": "https://u:secret@a/"}, "spec.url", "user name", "user name"),
    BadSpec("url with a space", {"url": "https://a/b c"}, "spec.url", "spaces", "spaces"),
    BadSpec("url with a line break", {"url": "https://a/b\n"}, "spec.url", "control", "control"),
    BadSpec("url too long", {"url": "https://a/" + "b" * 2048}, "spec.url", "at most 2048", "spec.url: Too long"),
    BadSpec(
        "interval of a second",
        _with(schedule={"intervalSeconds": 1}),
        "spec.schedule.intervalSeconds",
        "greater than or equal to 60",
        "greater than or equal to 60",
    ),
    BadSpec(
        "both interval and cron",
        _with(schedule={"intervalSeconds": 60, "cron": "0 4 * * *"}),
        "spec.schedule",
        "set intervalSeconds or cron, not both",
        "set intervalSeconds or cron, not both",
    ),
    BadSpec(
        "time zone without cron",
        _with(schedule={"timeZone": "Europe/Paris"}),
        "spec.schedule",
        "timeZone has a meaning with cron only",
        "timeZone has a meaning with cron only",
    ),
    BadSpec("cron with a 25th hour", _with(schedule={"cron": "0 25 * * *"}), "spec.schedule.cron", "Bad hour", None),
    BadSpec("cron with seconds", _with(schedule={"cron": "0 0 4 * * *"}), "spec.schedule.cron", "five fields", None),
    BadSpec(
        "cron that never comes",
        _with(schedule={"cron": "0 0 30 2 *"}),
        "spec.schedule.cron",
        "is not a cron expression",
        None,
    ),
    BadSpec(
        "cron of working days that are Sundays",
        _with(schedule={"cron": "0 0 LW * */7"}),
        "spec.schedule.cron",
        "never comes",
        None,
    ),
    BadSpec(
        "unknown time zone",
        _with(schedule={"cron": "0 4 * * *", "timeZone": "Mars/Olympus"}),
        "spec.schedule.timeZone",
        "use a name such as Europe/Paris",
        None,
    ),
    BadSpec(
        "time zone that leaves its folder",
        _with(schedule={"cron": "0 4 * * *", "timeZone": "../../etc/passwd"}),
        "spec.schedule.timeZone",
        "is not a known time zone",
        None,
    ),
    BadSpec("no newest video", _with(select={"newest": 0}), "spec.select.newest", "equal to 1", "equal to 1"),
    BadSpec("unknown kind", _with(select={"kinds": ["Film"]}), "spec.select.kinds[0]", "'Video'", "Unsupported value"),
    BadSpec(
        "a kind twice", _with(select={"kinds": ["Short", "Short"]}), "spec.select.kinds", "twice", "Duplicate value"
    ),
    BadSpec(
        "container of sound for a video",
        _with(media={"container": "mp3"}),
        "spec.media",
        "container must be mp4, mkv or webm with type Video",
        "container must be mp4, mkv or webm with type Video",
    ),
    BadSpec(
        "container of a video for sound",
        _with(media={"type": "Audio", "container": "mp4"}),
        "spec.media",
        "m4a, mp3 or opus with type Audio",
        "m4a, mp3 or opus with type Audio",
    ),
    BadSpec(
        "height of sound",
        _with(media={"type": "Audio", "maxHeight": 720}),
        "spec.media",
        "maxHeight has a meaning with type Video only",
        "maxHeight has a meaning with type Video only",
    ),
    BadSpec("path to the root", _with(library={"path": "/etc"}), "spec.library.path", "relative", "relative"),
    BadSpec("path upwards", _with(library={"path": "a/../../b"}), "spec.library.path", "'..'", "'..'"),
    BadSpec("path with an empty part", _with(library={"path": "a//b"}), "spec.library.path", "empty", "empty"),
    BadSpec(
        "path into the state folder", _with(library={"path": ".Trawler/x"}), "spec.library.path", ".trawler", ".trawler"
    ),
    BadSpec("path with a backslash", _with(library={"path": "a\\b"}), "spec.library.path", "backslash", "backslash"),
    BadSpec("folder of two parts", _with(library={"folder": "a/b"}), "spec.library.folder", "one folder", "one folder"),
    BadSpec("folder upwards", _with(library={"folder": ".."}), "spec.library.folder", "one folder", "one folder"),
    BadSpec(
        "folder too long for a file system",
        _with(library={"folder": "é" * 121}),
        "spec.library.folder",
        "at most 240 bytes",
        "at most 240 bytes",
    ),
    BadSpec(
        "claim name of no object",
        _with(library={"claimName": "My_Claim"}),
        "spec.library.claimName",
        "match pattern",
        "should match",
    ),
    BadSpec(
        "less than nothing to leave free",
        _with(library={"minFree": "-1Gi"}),
        "spec.library.minFree",
        "from 0 to 1Ei",
        "minFree must be a quantity of bytes from 0 to 1Ei",
    ),
    BadSpec(
        "the same as a bare number",
        _with(library={"minFree": -1}),
        "spec.library.minFree",
        "from 0 to 1Ei",
        "minFree must be a quantity of bytes from 0 to 1Ei",
    ),
    BadSpec(
        "more to leave free than any volume has",
        _with(library={"minFree": "2Ei"}),
        "spec.library.minFree",
        "from 0 to 1Ei",
        "minFree must be a quantity of bytes from 0 to 1Ei",
    ),
    BadSpec(
        "the same as a bare number of 64 bits",
        _with(library={"minFree": 2**60 + 1}),
        "spec.library.minFree",
        "from 0 to 1Ei",
        "minFree must be a quantity of bytes from 0 to 1Ei",
    ),
    BadSpec(
        "free space in a unit of no quantity",
        _with(library={"minFree": "50GB"}),
        "spec.library.minFree",
        "e.g. 50Gi",
        "minFree must be a quantity of bytes from 0 to 1Ei, e.g. 50Gi",
    ),
    BadSpec(
        "free space as a unit without a number",
        _with(library={"minFree": "Gi"}),
        "spec.library.minFree",
        "e.g. 50Gi",
        "minFree must be a quantity of bytes from 0 to 1Ei, e.g. 50Gi",
    ),
    BadSpec(
        "free space as a share",
        _with(library={"minFree": "5%"}),
        "spec.library.minFree",
        "e.g. 50Gi",
        "minFree must be a quantity of bytes from 0 to 1Ei, e.g. 50Gi",
    ),
    BadSpec(
        "free space as yes or no",
        _with(library={"minFree": True}),
        "spec.library.minFree",
        "e.g. 50Gi",
        "must be of type",
    ),
    BadSpec(
        "proxy of an unknown scheme",
        _with(access={"proxy": "quic://a:1"}),
        "spec.access.proxy",
        "must be http",
        "proxy must be http",
    ),
    BadSpec(
        "proxy with a port that is no number",
        _with(access={"proxy": "socks5://vpn:secret"}),
        "spec.access.proxy",
        "must be http",
        "proxy must be http",
    ),
    BadSpec(
        "proxy with a password",
        _with(access={"proxy": "socks5://u:secret@a:1"}),
        "spec.access.proxy",
        "without a user name",
        "without a user name",
    ),
    BadSpec(
        "a way to use cookies that are not there",
        _with(access={"cookies": "Always"}),
        "spec.access",
        "with cookiesSecretRef only",
        "with cookiesSecretRef only",
    ),
    BadSpec(
        "cookies never",
        _with(access={"cookiesSecretRef": {"name": "a"}, "cookies": "Never"}),
        "spec.access.cookies",
        "'Always' or 'WhenNeeded'",
        "Unsupported value",
    ),
    BadSpec(
        "a Secret without a name",
        _with(access={"cookiesSecretRef": {}}),
        "spec.access.cookiesSecretRef.name",
        "is required",
        "name: Required value",
    ),
    BadSpec(
        "a password for a proxy that knows none",
        _with(access={"proxy": "socks4://vpn:1080", "proxySecretRef": {"name": "a"}}),
        "spec.access",
        "a proxy that knows user and password",
        "a proxy that knows user and password",
    ),
    BadSpec(
        "a rate at which nothing ends",
        _with(access={"rateLimit": "100"}),
        "spec.access.rateLimit",
        "from 1Ki to 10G",
        "rateLimit must be a quantity of bytes per second from 1Ki to 10G",
    ),
    BadSpec(
        "a rate that is no limit",
        _with(access={"rateLimit": "11G"}),
        "spec.access.rateLimit",
        "from 1Ki to 10G",
        "rateLimit must be a quantity of bytes per second from 1Ki to 10G",
    ),
    BadSpec(
        "a rate with its time",
        _with(access={"rateLimit": "4M/s"}),
        "spec.access.rateLimit",
        "e.g. 4M or 500Ki",
        "rateLimit must be a quantity of bytes per second from 1Ki to 10G, e.g. 4M or 500Ki",
    ),
    BadSpec(
        "no patience with silence",
        _with(job={"stallTimeoutSeconds": 29}),
        "spec.job.stallTimeoutSeconds",
        "equal to 30",
        "equal to 30",
    ),
    BadSpec("run as root", _with(job={"runAsUser": 0}), "spec.job.runAsUser", "equal to 1", "equal to 1"),
    BadSpec("group of root", _with(job={"runAsGroup": 0}), "spec.job.runAsGroup", "equal to 1", "equal to 1"),
    BadSpec("volume group of root", _with(job={"fsGroup": 0}), "spec.job.fsGroup", "equal to 1", "equal to 1"),
    BadSpec(
        "one of the groups is root's",
        _with(job={"supplementalGroups": [100, 0]}),
        "spec.job.supplementalGroups[1]",
        "equal to 1",
        "equal to 1",
    ),
    BadSpec(
        "a quantity with a space",
        _with(job={"resources": {"limits": {"memory": "1 Gi"}}}),
        "spec.job.resources.limits.memory",
        "match pattern",
        "should match",
    ),
    BadSpec(
        "a pod's label that is the operator's",
        _with(job={"podLabels": {"team": "media", "app.kubernetes.io/component": "lister"}}),
        "spec.job.podLabels",
        "app.kubernetes.io/component must be another key",
        "app.kubernetes.io/component must be another key",
    ),
    BadSpec(
        "a pod's label that is the Job controller's",
        _with(job={"podLabels": {"batch.kubernetes.io/job-name": "a"}}),
        "spec.job.podLabels",
        "batch.kubernetes.io/job-name must be another key",
        "batch.kubernetes.io/job-name must be another key",
    ),
    BadSpec(
        "a pod's label that was the Job controller's",
        _with(job={"podLabels": {"job-name": "a"}}),
        "spec.job.podLabels",
        "job-name must be another key",
        "job-name must be another key",
    ),
    BadSpec(
        "a pod's annotation that is the operator's",
        _with(job={"podAnnotations": {"trawler.dev/video": "a"}}),
        "spec.job.podAnnotations",
        "trawler.dev/video must be another key",
        "trawler.dev/video must be another key",
    ),
    BadSpec(
        "a pod's annotation whose key has a space",
        _with(job={"podAnnotations": {"sidecar.istio.io/in ject": "false"}}),
        "spec.job.podAnnotations",
        "sidecar.istio.io/in ject must be at most 63 letters",
        "sidecar.istio.io/in ject must be at most 63 letters",
    ),
    BadSpec(
        "a pod's annotation whose key has a name before it that is too long",
        _with(job={"podAnnotations": {"a" * 254 + "/inject": "false"}}),
        "spec.job.podAnnotations",
        "a DNS name of at most 253 characters",
        "a DNS name of at most 253 characters",
    ),
    BadSpec(
        "a pod's annotation that is a truth value",
        _with(job={"podAnnotations": {"sidecar.istio.io/inject": False}}),
        "spec.job.podAnnotations.sidecar.istio.io/inject",
        "valid string",
        "must be of type string",
    ),
    BadSpec(
        "a pod's label whose value has a space",
        _with(job={"podLabels": {"team": "the archive"}}),
        "spec.job.podLabels.team",
        "match pattern",
        "should match",
    ),
    BadSpec("umask that shuts its owner out", _with(job={"umask": "777"}), "spec.job.umask", "pattern", "should match"),
    BadSpec("umask of no octal digits", _with(job={"umask": "089"}), "spec.job.umask", "pattern", "should match"),
    BadSpec("unknown ledger policy", _with(ledgerPolicy="Keep"), "spec.ledgerPolicy", "'Retain'", "Unsupported value"),
    BadSpec("field of another version", _with(retention={}), "spec.retention", "is not a field", "unknown field"),
    BadSpec("text for an object", _with(schedule="hourly"), "spec.schedule", "valid dictionary", "must be of type"),
)
