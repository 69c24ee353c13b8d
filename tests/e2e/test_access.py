"""How sites are reached: with the cookies of a Secret, and never at an address inside the cluster."""

from __future__ import annotations

import json

from client import StandIn
from e2e import kubectl as k
from e2e import objects
from e2e.place import Place

CANARY = "c4n4ry-s3cr3t"


def _put_cookies(place: Place, content: str) -> None:
    metadata = {"name": "my-cookies", "namespace": place.namespace}
    k.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"cookies.txt": content}})


def test_a_video_for_members_lands_with_their_cookies(place: Place, site: StandIn, handle: str) -> None:
    """Mounted into the Job alone, sent once the site asks for them, and written nowhere."""
    site.add_channel(handle=handle, title="Club", videos=1)
    site.fault("members_only", channel=handle, unless_cookie=f"MEMBER={CANARY}")
    _put_cookies(place, f".youtube.com\tTRUE\t/\tTRUE\t0\tMEMBER\t{CANARY}\n")
    spec = {"url": f"https://www.youtube.com/{handle}/videos", "access": {"cookiesSecretRef": {"name": "my-cookies"}}}
    place.subscribe("club", spec)
    place.wait_up_to_date("club", 1)
    place.wait_condition("club", "CookiesValid", "True", "CookiesAccepted")
    logs = k.kubectl("-n", place.namespace, "logs", "-l", "trawler.dev/subscription=club", "--tail=-1")
    events = objects.items("events", namespace=place.namespace)
    assert "once more, with cookies" in logs
    assert CANARY not in logs + json.dumps([place.status("club"), place.ledger("club"), place.jobs("club"), events])


def test_cookies_that_are_missing_or_malformed_are_named(place: Place, site: StandIn, handle: str) -> None:
    """The Job ends with a report instead of waiting for a Secret, and names the line of a broken one."""
    site.add_channel(handle=handle, title="Club", videos=1)
    site.fault("members_only", channel=handle)
    spec = {"url": f"https://www.youtube.com/{handle}/videos", "access": {"cookiesSecretRef": {"name": "my-cookies"}}}
    place.subscribe("missing", spec)
    said = place.wait_condition("missing", "CookiesValid", "False", "CookiesMissing")
    assert "my-cookies" in said["message"]
    _put_cookies(place, f"MEMBER={CANARY}\n")
    place.subscribe("malformed", spec)
    said = place.wait_condition("malformed", "CookiesValid", "False", "CookiesMalformed")
    assert "line 1" in said["message"]
    assert CANARY not in json.dumps([place.status("malformed"), place.ledger("malformed")])


def test_an_address_inside_the_cluster_is_refused(place: Place) -> None:
    """Whoever may create Subscriptions reaches no further than the internet, NetworkPolicies or not."""
    spec = {"url": "https://kubernetes.default.svc/openid/v1/jwks", "access": {"allowGeneric": True}}
    place.subscribe("inside", spec)
    said = place.wait_condition("inside", "SourceReachable", "False", "AddressRefused")
    assert "kubernetes.default.svc" in said["message"]
    assert "access.allowedCIDRs" in said["message"]
    assert place.launches("inside") == 0
