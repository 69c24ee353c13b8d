"""What is secret stays where it is, and nobody is led into the cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from client import StandIn
from e2e import helm, node, objects
from e2e import kubectl as k
from e2e.login_proxy import LoginProxy, login_proxy
from e2e.operator_pod import OperatorPod
from e2e.place import Place
from e2e.waiting import until

CANARY = "canary-c2VjcmV0-value"
COOKIES = f"# Netscape HTTP Cookie File\n.youtube.com\tTRUE\t/\tTRUE\t2147483647\tMEMBER\t{CANARY}\n"
MALFORMED = f"{COOKIES}MEMBER={CANARY}\n"


@pytest.fixture(scope="module")
def reads_secrets(operator: OperatorPod) -> Iterator[None]:
    """The chart lets the operator read Secrets, for listings."""
    try:
        helm.upgrade("--set", "access.readSecrets=true")
        operator.wait_ready()
        yield
    finally:
        helm.upgrade()
        operator.wait_ready()


def _secret(place: Place, name: str, data: dict[str, str]) -> None:
    k.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": place.namespace},
            "stringData": data,
        }
    )


def _members_only(site: StandIn, handle: str) -> str:
    """A playlist of one video that both show themselves to a member alone; its URL."""
    channel = site.add_channel(handle=handle, videos=1)["id"]
    playlist = f"UULF{channel.removeprefix('UC')}"
    member = f"MEMBER={CANARY}"
    site.fault("alert", playlist=playlist, text="This playlist is private.", unless_cookie=member)
    site.fault("members_only", channel=handle, unless_cookie=member)
    return f"https://www.youtube.com/playlist?list={playlist}"


def _access(place: Place, proxy: LoginProxy, password: str) -> dict[str, Any]:
    """Cookies and a proxy's login, in Secrets of the place."""
    _secret(place, "cookies", {"cookies.txt": COOKIES})
    _secret(place, "proxy", {"username": "trawler", "password": password})
    return {
        "cookiesSecretRef": {"name": "cookies"},
        "cookies": "Always",
        "proxy": proxy.url,
        "proxySecretRef": {"name": "proxy"},
    }


def _pod_logs(place: Place) -> dict[str, str]:
    """Of every pod; an AssertionError where one cannot be read just now."""
    names = [pod["metadata"]["name"] for pod in objects.items("pods", namespace=place.namespace)]
    return {f"log of {name}": k.kubectl("-n", place.namespace, "logs", name) for name in names}


def _texts(place: Place, operator: OperatorPod) -> dict[str, str]:
    """Everything that somebody without the right to read Secrets might read."""
    kinds = "subscriptions.trawler.dev,configmaps,jobs,pods,events"
    texts = {
        "objects": k.kubectl("-n", place.namespace, "get", kinds, "-o", "yaml"),
        "gates": k.kubectl("-n", operator.namespace, "get", "configmaps", "-o", "yaml"),
        "operator": operator.logs(tail=-1),
        "lister": operator.logs(tail=-1, container="lister"),
    }
    assert [where for where, text in texts.items() if not text] == []
    texts |= until("all logs can be read", lambda: _pod_logs(place), lambda _: True)
    for path in place.library.rglob("*"):
        if path.is_file() and path.suffix in {".json", ".nfo", ".txt", ".description"}:
            texts[str(path)] = path.read_text()
    return texts


def _assert_unseen(texts: dict[str, str]) -> None:
    assert [where for where, text in texts.items() if CANARY in text] == []


@pytest.mark.disruptive
@pytest.mark.usefixtures("reads_secrets")
def test_cookies_and_passwords_are_seen_by_nobody(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """A listing and a download that only both make possible: neither is found in anything readable."""
    url = _members_only(site, handle)
    video = site.videos(handle)[0]["id"]
    site.fault("slow", endpoint="media", video=video, bytes_per_second=100_000)
    processes: list[str] = []

    def downloaded() -> int:
        processes.append(node.processes())
        return int(place.status("discreet").get("counts", {}).get("downloaded", 0))

    with login_proxy("trawler", CANARY) as proxy:
        place.subscribe(
            "discreet",
            {
                "url": url,
                "media": {"sidecars": ["InfoJson", "Nfo", "Description"]},
                "access": _access(place, proxy, CANARY),
            },
        )
        until("it is downloaded", downloaded, lambda videos: videos == 1, timeout=240)
        served, refused = proxy.counts()
    place.wait_condition("discreet", "CookiesValid", "True", "CookiesAccepted")
    assert served > 0
    assert refused == 0
    assert any("trawler_downloader.download" in seen and "TRAWLER_REQUEST=" in seen for seen in processes)
    assert not any(CANARY in seen for seen in processes)
    texts = _texts(place, operator)
    assert any(text for where, text in texts.items() if where.startswith("log of "))
    assert {path.suffix for path in place.files()} >= {".json", ".nfo", ".description"}
    _assert_unseen(texts)


@pytest.mark.disruptive
@pytest.mark.usefixtures("reads_secrets")
def test_a_password_that_the_proxy_refuses_is_not_repeated(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """The error says that the login is wrong, and nothing of it; nothing goes around the proxy."""
    url = _members_only(site, handle)
    with login_proxy("trawler", "another password") as proxy:
        place.subscribe("refused", {"url": url, "access": _access(place, proxy, CANARY)})
        place.wait_condition("refused", "SourceReachable", "False", "ProxyLoginRefused")
        served, refused = proxy.counts()
    assert served == 0
    assert refused > 0
    _assert_unseen(_texts(place, operator))


def _subscribe_with_malformed(place: Place, site: StandIn, handle: str) -> None:
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


def _wait_told_of_line_3(place: Place) -> None:
    said = place.wait_condition("malformed", "CookiesValid", "False", "CookiesMalformed")
    assert "line 3" in said["message"]


def test_malformed_cookies_are_named_by_their_line_alone(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """The error says which line of which Secret, and never what is in it: as a download meets it."""
    _subscribe_with_malformed(place, site, handle)
    _wait_told_of_line_3(place)
    assert place.launches("malformed") == 1
    _assert_unseen(_texts(place, operator))


@pytest.mark.disruptive
@pytest.mark.usefixtures("reads_secrets")
def test_malformed_cookies_are_named_by_a_listing(
    place: Place, site: StandIn, handle: str, operator: OperatorPod
) -> None:
    """As the operator reads them and the lister meets them."""
    _subscribe_with_malformed(place, site, handle)
    _wait_told_of_line_3(place)
    assert place.launches("malformed") == 0
    _assert_unseen(_texts(place, operator))


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
