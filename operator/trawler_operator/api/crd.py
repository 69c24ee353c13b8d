"""Writes the CustomResourceDefinition from the models: `crds/` for kubectl, and the chart's copy.

Both files are committed and compared in a test, so that a changed model cannot be forgotten in them. What pydantic
emits is JSON Schema; Kubernetes wants a structural schema: no references, no null, no titles, every list, text and map
with a limit. Defaults stay out of it, except where a reader of the stored object should see them: each would be
written into every object.

    python -m trawler_operator.api.crd            writes
    python -m trawler_operator.api.crd --check    exits 1, naming the stale file
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trawler_operator.api import labels
from trawler_operator.api.spec import SubscriptionSpec
from trawler_operator.api.status import SubscriptionStatus
from trawler_operator.api.subscription import NAME_RULE

ROOT = Path(__file__).parents[3]
PLAIN_FILE = Path("crds/subscriptions.trawler.dev.yaml")
CHART_FILE = Path("helm/trawler/templates/crd-subscriptions.yaml")
NAME = f"{labels.PLURAL}.{labels.GROUP}"

VISIBLE_DEFAULTS = frozenset({"suspend", "ledgerPolicy"})
LIST_TYPES = {"conditions": "map", "kinds": "set", "sidecars": "set", "supplementalGroups": "set"}
"""By field; every other list is atomic."""
LIST_KEYS = {"conditions": ["type"]}
_LEFT_OUT = frozenset({"title", "default", "$defs", "propertyNames"})

_HEADER = "# Generated from operator/trawler_operator/api by `make crds`. Do not edit.\n"
_CHART_METADATA = f"""\
{{{{- if .Values.crds.enabled }}}}
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: {NAME}
  labels:
    {{{{- include "trawler.labels" . | nindent 4 }}}}
  {{{{- if .Values.crds.keep }}}}
  annotations:
    helm.sh/resource-policy: keep
  {{{{- end }}}}
"""


class SchemaError(Exception):
    """A model says something that a structural schema cannot; whoever changed the model must act."""


def subscription_crd() -> dict[str, Any]:
    """The whole CustomResourceDefinition."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": labels.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": labels.KIND,
                "listKind": labels.LIST_KIND,
                "plural": labels.PLURAL,
                "singular": labels.SINGULAR,
                "shortNames": [labels.SHORT_NAME],
                "categories": [labels.CATEGORY],
            },
            "versions": [
                {
                    "name": labels.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(),
                    "schema": {"openAPIV3Schema": _root_schema()},
                }
            ],
        },
    }


def generated_files() -> dict[Path, str]:
    """What the generated files should hold, by path from the repository's root."""
    crd = subscription_crd()
    spec = _dump({"spec": crd["spec"]})
    if "{{" in spec:
        raise SchemaError("a text of the schema holds '{{', which the chart's copy would take for a template")
    return {
        PLAIN_FILE: _HEADER + _dump(crd),
        CHART_FILE: f"{{{{- /* {_HEADER.removeprefix('# ').rstrip()} */ -}}}}\n{_CHART_METADATA}{spec}{{{{- end }}}}\n",
    }


def structural(schema: Mapping[str, Any], definitions: Mapping[str, Any], field: str = "") -> dict[str, Any]:
    """A JSON Schema of pydantic's as a structural schema.

    Args:
        schema: the part to convert.
        definitions: what its references point to.
        field: name of the property that it describes.

    Raises:
        SchemaError: a list, text or map has no limit, or an alternative is not just "or null".
    """
    schema = _resolved(schema, definitions)
    result = {name: value for name, value in schema.items() if name not in _LEFT_OUT}
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if "default" in schema and field in VISIBLE_DEFAULTS:
        result["default"] = schema["default"]
    if "x-kubernetes-int-or-string" in result:
        return result
    match result.get("type"):
        case "object":
            _convert_object(result, definitions, field)
        case "array":
            _convert_array(result, definitions, field)
        case "string":
            _require_limit(result, field, "maxLength", unless={"enum", "format"})
        case "integer":
            result["format"] = "int64"
        case "boolean":
            pass
        case other:
            raise SchemaError(f"{field}: type {other!r} has no structural form")
    return result


def _convert_object(result: dict[str, Any], definitions: Mapping[str, Any], field: str) -> None:
    if "properties" in result:
        result.pop("additionalProperties", None)  # the API server prunes what it does not know
        properties = result["properties"].items()
        result["properties"] = {name: structural(part, definitions, name) for name, part in properties}
    else:
        _require_limit(result, field, "maxProperties")
        result["additionalProperties"] = structural(result["additionalProperties"], definitions, f"{field}.*")


def _convert_array(result: dict[str, Any], definitions: Mapping[str, Any], field: str) -> None:
    _require_limit(result, field, "maxItems")
    result["items"] = structural(result["items"], definitions, f"{field}[]")
    result["x-kubernetes-list-type"] = LIST_TYPES.get(field, "atomic")
    if field in LIST_KEYS:
        result["x-kubernetes-list-map-keys"] = LIST_KEYS[field]


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself, without references and without "or null": an absent field says that in Kubernetes."""
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    alternatives = [part for part in schema.get("anyOf", ()) if part != {"type": "null"}]
    if len(alternatives) == 1:
        outer = {name: value for name, value in schema.items() if name != "anyOf"}
        return {**_resolved(alternatives[0], definitions), **outer}
    return schema


def _require_limit(result: Mapping[str, Any], field: str, limit: str, unless: set[str] | None = None) -> None:
    if limit not in result and not (unless or set()) & result.keys():
        raise SchemaError(f"{field}: needs a {limit}")


def _root_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A channel, playlist or video whose videos are mirrored on a volume.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _model_schema(SubscriptionSpec),
            "status": _model_schema(SubscriptionStatus),
        },
        "x-kubernetes-validations": [{"rule": "self.metadata.name.size() <= 63", "message": NAME_RULE}],
    }


def _model_schema(model: type[SubscriptionSpec | SubscriptionStatus]) -> dict[str, Any]:
    schema = model.model_json_schema(by_alias=True)
    return structural(schema, schema.get("$defs", {}))


def _columns() -> list[dict[str, Any]]:
    ready = '.status.conditions[?(@.type=="Ready")]'
    counts = ".status.counts"
    return [
        {"name": "Ready", "type": "string", "jsonPath": f"{ready}.status"},
        {"name": "Reason", "type": "string", "jsonPath": f"{ready}.reason"},
        {"name": "Downloaded", "type": "integer", "jsonPath": f"{counts}.downloaded"},
        {"name": "Queued", "type": "integer", "jsonPath": f"{counts}.queued"},
        {"name": "Running", "type": "integer", "jsonPath": f"{counts}.running"},
        {"name": "Waiting", "type": "integer", "jsonPath": f"{counts}.waiting"},
        {"name": "Failed", "type": "integer", "jsonPath": f"{counts}.failed"},
        {"name": "Last-Check", "type": "date", "jsonPath": ".status.lastCheckTime"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Source", "type": "string", "jsonPath": ".status.source.title", "priority": 1},
        {"name": "URL", "type": "string", "jsonPath": ".spec.url", "priority": 1},
        {"name": "Message", "type": "string", "jsonPath": f"{ready}.message", "priority": 1},
    ]


def _dump(document: Mapping[str, Any]) -> str:
    # Through JSON, so that nothing is shared: YAML would write anchors for what is.
    return yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False, width=120, allow_unicode=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description="Write the CustomResourceDefinition from the models.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository (default: %(default)s)")
    options = parser.parse_args(arguments)
    stale = False
    for path, text in generated_files().items():
        file = options.root / path
        if file.exists() and file.read_text() == text:
            continue
        stale = True
        if options.check:
            print(f"{path} is stale: run `make crds`", file=sys.stderr)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            print(f"wrote {path}")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
