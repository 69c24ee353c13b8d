"""Digests of the parts of a spec that something depends on. Pure.

Code that asks whether the spec changed compares one of these digests, and not the generation: a new `retry.maxAttempts`
is no reason to list a thousand sources again. A digest includes the operator's values for what the spec leaves open,
except its image.

| digest | of | a new one |
|---|---|---|
| listing | url, select, access | lists the source at once; conditions of the old one no longer count |
| download | media, library, access, job | revives dead letters of Configuration, opens the Subscription's own gate |
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from trawler_operator.api.spec import SubscriptionSpec
from trawler_operator.domain.jobs.settings import JobDefaults, ca_bundle_config_map, claim_name, proxy, resources

LENGTH = 16
"""Hexadecimal digits: two specs of one Subscription have the same with probability 5e-20."""


def listing_digest(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """Digest of the part of the spec that a listing is made from."""
    return _digest(
        {
            "url": spec.url,
            "select": spec.select.model_dump(mode="json"),
            "access": _access(spec, defaults),
        }
    )


def download_digest(spec: SubscriptionSpec, defaults: JobDefaults) -> str:
    """Digest of the part of the spec that a download's failure may depend on."""
    job, ids = spec.job, {"run_as_user", "run_as_group", "fs_group"}
    return _digest(
        {
            "media": spec.media.model_dump(mode="json"),
            "library": spec.library.model_dump(mode="json", exclude={"claim_name"}),
            "claim": claim_name(spec, defaults),
            "job": job.model_dump(mode="json", exclude={"parallelism", "resources", *ids}),
            "ids": {name: getattr(job, name) or getattr(defaults, name) for name in ids},
            "resources": resources(spec, defaults),
            "access": _access(spec, defaults),
        }
    )


def _access(spec: SubscriptionSpec, defaults: JobDefaults) -> dict[str, Any]:
    return {
        "own": spec.access.model_dump(mode="json", exclude={"proxy", "ca_bundle_ref"}),
        "proxy": proxy(spec, defaults),
        "ca_bundle": ca_bundle_config_map(spec, defaults),
    }


def _digest(parts: dict[str, Any]) -> str:
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:LENGTH]
