"""What is secret stays where it is, and nobody is led into the cluster."""

from __future__ import annotations

import subprocess

import pytest

from client import CLUSTER_URL, StandIn
from e2e import helm
from e2e import kubectl as k
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import until

CANARY = "canary-c2VjcmV0-value"
COOKIES = f"# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t2147483647\tSID\t{CANARY}\n"
MALFORMED = f"# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t2147483647\tSID\t{CANARY}\nSID={CANARY}\n"


def _secret(place: Place, name: str, data: dict[str, str]) -> None:
    k.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": place.namespace},
            "stringData": data,
        }
    )


def _texts(place: Place, operator: OperatorPod) -> dict[str, str]:
    """Everything that somebody without the right to read Secrets might read."""
    objects = "subscriptions.trawler.dev,configmaps,jobs,pods,events"
    texts = {
        "objects": k.kubectl("-n", place.namespace, "get", objects, "-o", "yaml"),
        "gates": k.kubectl("-n", operator.namespace, "get", "configmaps", "-o", "yaml"),
        "operator": operator.logs(tail=-1),
        "lister": operator.logs(tail=-1, container="lister"),
    }
    for pod in k.items("-n", place.namespace, "pods"):
        name = pod["metadata"]["name"]
        texts[f"log of {name}"] = subprocess.run(
            ["kubectl", "-n", place.namespace, "logs", name], capture_output=True, text=True, timeout=60, check=False
        ).stdout
    for path in place.library.rglob("*"):
        if path.is_file() and path.suffix in {".json", ".nfo", ".txt", ".description"}:
            texts[str(path)] = path.read_text()
    return texts


def _assert_unseen(place: Place, operator: OperatorPod) -> None:
    assert [where for where, text in _texts(place, operator).items() if CANARY in text] == []


@pytest.mark.disruptive
def test_cookies_and_passwords_are_seen_by_nobody(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """A listing and a download with cookies, through a proxy with a password: neither is found in anything readable."""
    site.add_channel(handle=handle, videos=1)
    _secret(place, "cookies", {"cookies.txt": COOKIES})
    _secret(place, "proxy", {"username": "trawler", "password": CANARY})
    access = {
        "cookiesSecretRef": {"name": "cookies"},
        "cookies": "Always",
        "proxy": f"{CLUSTER_URL}:8080",
        "proxySecretRef": {"name": "proxy"},
    }
    try:
        helm.upgrade("--set", "access.readSecrets=true")
        operator.wait_ready()
        place.subscribe(
            "discreet",
            {
                "url": f"https://www.youtube.com/{handle}/videos",
                "select": {"newest": 1},
                "media": {"sidecars": ["InfoJson", "Nfo", "Description"]},
                "access": access,
            },
        )
        place.wait_up_to_date("discreet", 1)
        _assert_unseen(place, operator)
    finally:
        helm.upgrade()
        operator.wait_ready()


def test_malformed_cookies_are_named_by_their_line_alone(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """The error says which line of which Secret, and never what is in it."""
    site.add_channel(handle=handle, videos=1)
    _secret(place, "cookies", {"cookies.txt": MALFORMED})
    place.subscribe(
        "malformed",
        {
            "url": f"https://www.youtube.com/{handle}/videos",
            "select": {"newest": 1},
            "access": {"cookiesSecretRef": {"name": "cookies"}, "cookies": "Always"},
        },
    )
    until(
        "somebody is told of line 3",
        lambda: str(place.status("malformed")),
        lambda status: "CookiesMalformed" in status and "line 3" in status,
    )
    _assert_unseen(place, operator)


def test_the_operator_may_not_read_secrets(place: Place, operator: OperatorPod) -> None:
    """Nor change a Subscription, nor run anything in a pod: asked of the API server itself."""
    account = f"--as=system:serviceaccount:{operator.namespace}:trawler"
    asked = {
        "get secrets": "no",
        "list secrets": "no",
        "update subscriptions.trawler.dev": "no",
        "delete subscriptions.trawler.dev": "no",
        "create pods": "no",
        "create pods/exec": "no",
        "patch subscriptions.trawler.dev/status": "yes",
        "create jobs.batch": "yes",
    }
    answered = {
        question: subprocess.run(
            ["kubectl", "-n", place.namespace, "auth", "can-i", *_verb_and_resource(question), account],
            capture_output=True, text=True, timeout=60, check=False,
        ).stdout.strip()
        for question in asked
    }  # fmt: skip
    assert answered == asked


def _verb_and_resource(question: str) -> list[str]:
    verb, resource = question.split()
    name, _, sub = resource.partition("/")
    return [verb, name, *([f"--subresource={sub}"] if sub else [])]


@pytest.fixture
def internal(place: Place) -> str:
    """A web server inside the cluster that nobody outside may reach; its URL."""
    name = "internal"
    labels = {"app": name}
    k.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": place.namespace, "labels": labels},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 65532,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": name,
                        "image": "trawler-downloader:dev",
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["python3", "-u", "-m", "http.server", "8080", "--directory", "/etc"],
                        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    }
                ],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": place.namespace},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    )
    k.kubectl("-n", place.namespace, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
    return f"http://{name}.{place.namespace}.svc.cluster.local"


def _asked(place: Place) -> list[str]:
    log = k.kubectl("-n", place.namespace, "logs", "internal")
    return [line for line in log.splitlines() if "GET" in line or "HEAD" in line]


def test_a_listing_is_not_led_into_the_cluster(place: Place, site: StandIn, handle: str, internal: str) -> None:
    """A channel page that redirects to a Service is refused; the Service is never asked."""
    site.add_channel(handle=handle, videos=1)
    site.fault("redirect", endpoint="listing", channel=handle, location=f"{internal}/hostname")
    place.subscribe("led", {"url": f"https://www.youtube.com/{handle}/videos"})
    place.wait_condition("led", "SourceReachable", "False", "AddressRefused")
    assert _asked(place) == []


def test_a_download_is_not_led_into_the_cluster(place: Place, site: StandIn, handle: str, internal: str) -> None:
    """A media address that redirects to a Service is refused; nothing of it lands."""
    site.add_channel(handle=handle, videos=1)
    video = site.videos(handle)[0]["id"]
    site.fault("redirect", endpoint="media", video=video, location=f"{internal}/hostname")
    place.subscribe("led", {"url": f"https://www.youtube.com/{handle}/videos", "select": {"newest": 1}})
    until(
        "the download was refused",
        lambda: place.ledger("led").get(f"youtube.{video}", {}),
        lambda entry: entry.get("reason") == "AddressRefused",
    )
    assert place.media() == []
    assert _asked(place) == []
