"""The API server's rules for objects, in memory: versions, merge patches, owners, finalizers, quotas.

`tests/conformance` holds this store and a real cluster to the same tests; a rule that is not tested there is not to be
relied upon here.
"""

from __future__ import annotations

import itertools
import json
import marshal
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol

from trawler_operator.reconcile.ports import AlreadyExistsError, ConflictError, NotFoundError, RejectedError

Object = dict[str, Any]
Kind = tuple[str, str, str]
"""(kind, namespace, name)."""

WITH_GENERATION = frozenset({"Subscription", "Job"})
"""Kinds whose spec is counted in `metadata.generation`."""
OMITTED_WHEN_EMPTY = ("labels", "annotations", "ownerReferences", "finalizers")
MAX_CONFIG_MAP_BYTES = 1_048_576
MAX_ANNOTATIONS_BYTES = 262_144
FOREGROUND = "foregroundDeletion"
QUOTAS = {"Job": "count/jobs.batch", "ConfigMap": "count/configmaps", "Pod": "pods"}
_CONFIG_MAP_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


class Time(Protocol):
    """What tells the time."""

    def now(self) -> datetime: ...


class ObjectStore:
    """Objects by kind, namespace and name.

    Args:
        clock: stamps creations and deletions.
    """

    def __init__(self, clock: Time) -> None:
        self.clock = clock
        self.objects: dict[Kind, Object] = {}
        self.version = 100
        """The newest resourceVersion."""
        self.watchers: list[Callable[[str, str, Object], None]] = []
        """Told what happened (ADDED, MODIFIED, DELETED), the kind, and the metadata as it is then."""
        self._uids = itertools.count(1)

    # -- as clients do -------------------------------------------------------------------------------------------

    def create(self, kind: str, body: Object) -> Object:
        """Create an object as a client may: what is the server's to say, it says; status is another resource's."""
        _refuse_invalid(kind, body)
        self._refuse_over_quota(kind, body["metadata"]["namespace"])
        body = _plain(body)
        for field in ("uid", "creationTimestamp", "deletionTimestamp", "generation"):
            body["metadata"].pop(field, None)
        if kind in WITH_GENERATION:
            body.pop("status", None)
        return self.put(kind, body)

    def get(self, kind: str, namespace: str, name: str) -> Object | None:
        return copied(self.objects.get((kind, namespace, name)))

    def list(self, kind: str, namespace: str | None = None, **wanted: str) -> list[Object]:
        return [copied(body) for body in self.select(kind, namespace, **wanted)]

    def select(self, kind: str, namespace: str | None = None, **wanted: str) -> list[Object]:
        """As `list`, but the objects themselves: to look at."""
        found = [
            (place, body)
            for place, body in self.objects.items()
            if place[0] == kind
            and namespace in {None, place[1]}
            and wanted.items() <= body["metadata"].get("labels", {}).items()
        ]
        return [body for _, body in sorted(found, key=lambda item: item[0])]

    def merge(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Object:
        """A merge patch, with the resourceVersion in it as precondition.

        A Subscription's status is left as it is; that of other kinds is taken, as from the controller behind them.
        """
        stored = self._stored(kind, namespace, name)
        changed = copied(stored)
        _merge(changed, patch)
        if kind == "Subscription":
            _restore(changed, stored, "status")
        return self._update(kind, stored, changed, patch)

    def merge_status(self, kind: str, namespace: str, name: str, patch: Mapping[str, Any]) -> Object:
        """A merge patch of the status subresource: nothing else changes, whatever the patch says."""
        stored = self._stored(kind, namespace, name)
        changed = copied(stored)
        _merge(changed, {"status": patch.get("status")})
        return self._update(kind, stored, changed, patch)

    def delete(
        self, kind: str, namespace: str, name: str, *, uid: str | None = None, propagation: str = "Background"
    ) -> None:
        """Delete an object, if it is there; what it owns stays until `collect_garbage`.

        Args:
            kind: of the object.
            namespace: of the object.
            name: of the object.
            uid: precondition.
            propagation: Background, Foreground (it stays until what it owns is gone) or Orphan.

        Raises:
            ConflictError: another object of that name is there.
        """
        stored = self.objects.get((kind, namespace, name))
        if stored is None:
            return
        metadata = stored["metadata"]
        if uid is not None and metadata["uid"] != uid:
            raise ConflictError(
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {metadata['uid']}"
            )
        if propagation == "Orphan":
            self._disown(metadata["uid"])
        if propagation == "Foreground":
            metadata["finalizers"] = sorted({*metadata.get("finalizers", ()), FOREGROUND})
        if not metadata.get("finalizers"):
            self._remove((kind, namespace, name))
        elif "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = self._timestamp()
            self._touch((kind, namespace, name))

    # -- behind the API ------------------------------------------------------------------------------------------

    def put(self, kind: str, body: Object) -> Object:
        """Have an object there exactly as given, status and all, but for what it lacks."""
        metadata = body["metadata"]
        place = (kind, metadata["namespace"], metadata["name"])
        if place in self.objects:
            raise AlreadyExistsError(f"{kind} {metadata['name']} already exists")
        stored = _plain(body)
        stored["metadata"].setdefault("uid", f"uid-{next(self._uids)}")
        stored["metadata"].setdefault("creationTimestamp", self._timestamp())
        if kind in WITH_GENERATION:
            stored["metadata"].setdefault("generation", 1)
        _omit_empty(stored)
        self.objects[place] = stored
        self._touch(place, "ADDED")
        return copied(stored)

    def collect_garbage(self) -> None:
        """Remove what is owned by something that is gone, and references to owners that are gone."""
        while True:
            uids = {body["metadata"]["uid"] for body in self.objects.values() if not _in_foreground(body)}
            orphans = [
                body
                for body in self.objects.values()
                if (owners := body["metadata"].get("ownerReferences")) and not any(o["uid"] in uids for o in owners)
            ]
            going = [
                body
                for body in self.objects.values()
                if _in_foreground(body) and not self._owned_by(body["metadata"]["uid"])
            ]
            removed = [body for body in orphans if self._let_go(body, None)]
            removed += [body for body in going if self._let_go(body, FOREGROUND)]
            if not removed:
                break
        uids = {body["metadata"]["uid"] for body in self.objects.values()}
        for place, body in self.objects.items():
            owners = body["metadata"].get("ownerReferences") or []
            present = [owner for owner in owners if owner["uid"] in uids]
            if present and len(present) < len(owners):
                body["metadata"]["ownerReferences"] = present
                self._touch(place)

    def _let_go(self, body: Object, finalizer: str | None) -> bool:
        """Remove an object unless others' finalizers hold it. Returns whether anything changed."""
        metadata = body["metadata"]
        rest = [held for held in metadata.get("finalizers", ()) if held != finalizer]
        place = next(place for place, stored in self.objects.items() if stored is body)
        if not rest:
            self._remove(place)
        elif "deletionTimestamp" in metadata:
            return False
        else:
            metadata["deletionTimestamp"] = self._timestamp()
            self._touch(place)
        return True

    def _owned_by(self, uid: str) -> list[Object]:
        return [
            body
            for body in self.objects.values()
            if any(owner["uid"] == uid for owner in body["metadata"].get("ownerReferences") or ())
        ]

    def _disown(self, uid: str) -> None:
        for body in self._owned_by(uid):
            others = [owner for owner in body["metadata"]["ownerReferences"] if owner["uid"] != uid]
            body["metadata"]["ownerReferences"] = others
            _omit_empty(body)
            self._touch(next(place for place, stored in self.objects.items() if stored is body))

    def _stored(self, kind: str, namespace: str, name: str) -> Object:
        stored = self.objects.get((kind, namespace, name))
        if stored is None:
            raise NotFoundError(f'{kind} "{name}" not found')
        return stored

    def _update(self, kind: str, stored: Object, changed: Object, patch: Mapping[str, Any]) -> Object:
        before, after = stored["metadata"], changed["metadata"]
        wanted = (patch.get("metadata") or {}).get("resourceVersion")
        if wanted is not None and wanted != before["resourceVersion"]:
            raise ConflictError(f'{kind} "{before["name"]}": the object has been modified')
        _restore(after, before, "uid", "name", "namespace", "generation", "creationTimestamp", "deletionTimestamp")
        after["resourceVersion"] = before["resourceVersion"]
        _omit_empty(changed)
        _refuse_invalid(kind, changed)
        if changed == stored:
            return copied(stored)
        if kind in WITH_GENERATION and changed.get("spec") != stored.get("spec"):
            after["generation"] += 1
        place = (kind, before["namespace"], before["name"])
        self.objects[place] = changed
        if after.get("deletionTimestamp") and not after.get("finalizers"):
            self._remove(place)
        else:
            self._touch(place)
        return copied(changed)

    def _refuse_over_quota(self, kind: str, namespace: str) -> None:
        for quota in self.list("ResourceQuota", namespace):
            limit = quota["spec"]["hard"].get(QUOTAS.get(kind, ""))
            if limit is not None and len(self.list(kind, namespace)) >= int(limit):
                raise RejectedError(f"forbidden: exceeded quota: {quota['metadata']['name']}, limited: {limit}")

    def _touch(self, place: Kind, happened: str = "MODIFIED") -> None:
        """Give a stored object its new version, and tell of it."""
        self.version += 1
        metadata = self.objects[place]["metadata"]
        metadata["resourceVersion"] = str(self.version)
        for watcher in self.watchers:
            watcher(happened, place[0], copied(metadata))

    def _remove(self, place: Kind) -> None:
        self._touch(place, "DELETED")
        del self.objects[place]

    def _timestamp(self) -> str:
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def copied(value: Any) -> Any:
    """A copy of something that is stored: `copy.deepcopy` takes a hundred times as long."""
    return marshal.loads(marshal.dumps(value))


def _plain(value: Any) -> Any:
    """A copy of what JSON can say, made of what it is read as."""
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value


def _merge(target: Object, patch: Mapping[str, Any]) -> None:
    """RFC 7386."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, Mapping):
            if not isinstance(target.get(name), dict):
                target[name] = {}
            _merge(target[name], value)
        else:
            target[name] = _plain(value)


def _restore(changed: Object, stored: Object, *fields: str) -> None:
    for field in fields:
        if field in stored:
            changed[field] = copied(stored[field])
        else:
            changed.pop(field, None)


def _omit_empty(body: Object) -> None:
    for holder, fields in ((body["metadata"], OMITTED_WHEN_EMPTY), (body, ("data",))):
        for field in fields:
            if field in holder and not holder[field]:
                del holder[field]


def _in_foreground(body: Object) -> bool:
    return bool(body["metadata"].get("deletionTimestamp")) and FOREGROUND in body["metadata"].get("finalizers", ())


def _refuse_invalid(kind: str, body: Object) -> None:
    metadata = body["metadata"]
    if not _NAME.fullmatch(metadata["name"]):
        raise RejectedError(f"{kind} is invalid: metadata.name: {metadata['name']!r}")
    annotations = metadata.get("annotations") or {}
    if sum(len(text.encode()) for item in annotations.items() for text in item) > MAX_ANNOTATIONS_BYTES:
        raise RejectedError(f"{kind} is invalid: metadata.annotations: Too long")
    if kind == "ConfigMap":
        data = body.get("data") or {}
        for key, text in data.items():
            if not isinstance(text, str) or not _CONFIG_MAP_KEY.fullmatch(key):
                raise RejectedError(f"ConfigMap is invalid: data[{key}]: {json.dumps(text)[:50]}")
        if sum(len(text.encode()) for text in data.values()) > MAX_CONFIG_MAP_BYTES:
            raise RejectedError("ConfigMap is invalid: []: Too long: may not be more than 1048576 bytes")
    if kind == "Job" and body["spec"].get("backoffLimit", 0) < 0:
        raise RejectedError("Job is invalid: spec.backoffLimit: must be greater than or equal to 0")
