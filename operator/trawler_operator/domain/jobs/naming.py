"""Names of what the operator creates.

A Job's name is the lock that keeps a video from being downloaded twice. It follows from the Subscription's identity,
the video, the launch and what it is for. The identity is namespace/name and not the uid, so that a re-created
Subscription continues its ledger.
"""

from __future__ import annotations

import hashlib

MAX_JOB_NAME = 63
"""Characters: a Job's name becomes its pods' label and host name."""
MAX_LABEL = 63
HASH_LENGTH = 16
"""Hexadecimal digits, 64 bits: a Subscription with a million launches meets a collision with probability 3e-8."""
SLUG_LENGTH = MAX_JOB_NAME - HASH_LENGTH - 1
LEDGER_PREFIX = "trawler-ledger-"


def job_name(namespace: str, name: str, video_key: str, launch: int, follow_up: str | None = None) -> str:
    """Name of the Job of one launch, e.g. `3blue1brown-0f4c9d21a7b3e865`: a DNS label of at most 63 characters.

    Args:
        namespace: the Subscription's namespace.
        name: the Subscription's name.
        video_key: `video_key(...)` of the contract.
        launch: number of the launch, from 1.
        follow_up: what the launch adds to a video that stands on the volume; None: it downloads the video. A manifest
            need not know of a follow-up's launch, so a ledger that is made from it may use the number again: then the
            old Job must not pass for the download's.
    """
    kind = () if follow_up is None else (follow_up,)
    return f"{_slug(name, SLUG_LENGTH)}-{digest(namespace, name, video_key, str(launch), *kind)}"


def volume_job_name(kind: str, title: str, *identity: str) -> str:
    """Name of a Job over a volume, e.g. `3blue1brown-inventory-0f4c9d21a7b3e865`.

    Args:
        kind: the Job's kind.
        title: beginning of the name, for people.
        identity: all that distinguishes this Job from others of its kind: whom it is for, the part of the work, the
            try.
    """
    infix = f"-{kind}"
    return f"{_slug(title, SLUG_LENGTH - len(infix))}{infix}-{digest(*identity)}"


def claim_label(claim: str) -> str:
    """A claim's name as the value of a label. A name longer than a label's 63 characters is cut and gets a hash."""
    return claim if len(claim) <= MAX_LABEL else f"{_slug(claim, SLUG_LENGTH)}-{digest(claim)}"


def _slug(name: str, length: int) -> str:
    return name.replace(".", "-")[:length].rstrip("-")


def digest(*parts: str) -> str:
    """HASH_LENGTH hexadecimal digits that stand for these texts in this order."""
    # The joining character occurs in none of the parts, so ("ab", "c") and ("a", "bc") differ.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:HASH_LENGTH]


def ledger_name(subscription: str, shard: int) -> str:
    """Name of a ledger's ConfigMap, e.g. `trawler-ledger-3blue1brown-0`; at most 253 characters for names up to 63."""
    return f"{LEDGER_PREFIX}{subscription}-{shard}"
