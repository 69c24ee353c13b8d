"""Labels and annotations that a user may add to the pods of Jobs: whose keys they may be, and how long.

Kubernetes' own rules for keys and values are those of
https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set. They are checked
here, because a pod with a wrong label makes the API server refuse every Job.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, JsonValue

KEY_PATTERN = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
"""An optional DNS name with a slash, then a name of at most 63 characters."""
MAX_DNS_NAME = 253
VALUE_PATTERN = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
"""Of a label's value, which is no longer than 63 characters."""
MAX_LABELS = 32
MAX_ANNOTATIONS, MAX_ANNOTATION = 16, 4000
"""Together, in the longest UTF-8, they fit the 256 KiB that Kubernetes gives to an object's annotations."""
RESERVED_PREFIXES = ("app.kubernetes.io/", "batch.kubernetes.io/", "trawler.dev/")
RESERVED_KEYS = ("controller-uid", "job-name")
"""The Job controller's labels, from before they had a prefix."""

KEY_RULE = (
    "must be at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit; a DNS name of "
    "at most 253 characters and '/' may come before"
)
RESERVED_RULE = (
    "must be another key: those of app.kubernetes.io/, batch.kubernetes.io/ and trawler.dev/, controller-uid and "
    "job-name belong to the operator and to Kubernetes"
)
_CEL_NO_KEY = f"!key.matches(r'{KEY_PATTERN}') || key.split('/')[0].size() > {MAX_DNS_NAME}"
_CEL_RESERVED = " || ".join(
    [*(f"key.startsWith('{prefix}')" for prefix in RESERVED_PREFIXES), f"key in {list(RESERVED_KEYS)}"]
)


def _no_key(broken: str, text: str) -> dict[str, JsonValue]:
    """A rule for the keys of a map; the message of its violation names the first key that breaks it."""
    return {
        "rule": f"!self.exists(key, {broken})",
        "message": f"a key {text}",
        "messageExpression": f'self.filter(key, {broken})[0] + " {text}"',
    }


def _check_keys(values: dict[str, str]) -> dict[str, str]:
    for key in values:
        if re.fullmatch(KEY_PATTERN, key) is None or len(key.split("/")[0]) > MAX_DNS_NAME:
            raise ValueError(f"{key} {KEY_RULE}")
        if key.startswith(RESERVED_PREFIXES) or key in RESERVED_KEYS:
            raise ValueError(f"{key} {RESERVED_RULE}")
    return values


_KEY_RULES: dict[str, JsonValue] = {
    "x-kubernetes-validations": [_no_key(_CEL_NO_KEY, KEY_RULE), _no_key(_CEL_RESERVED, RESERVED_RULE)]
}

PodLabels = Annotated[
    dict[str, Annotated[str, Field(max_length=63, pattern=VALUE_PATTERN)]],
    Field(max_length=MAX_LABELS, json_schema_extra=_KEY_RULES),
    AfterValidator(_check_keys),
]
PodAnnotations = Annotated[
    dict[str, Annotated[str, Field(max_length=MAX_ANNOTATION)]],
    Field(max_length=MAX_ANNOTATIONS, json_schema_extra=_KEY_RULES),
    AfterValidator(_check_keys),
]
