"""Steps over the objects of a target: applied by the server, compared by its own dry run."""

from __future__ import annotations

import time

from provision.errors import ProvError
from provision.platforms.document_changes import differences
from provision.platforms.kubernetes.cluster_calls import MANAGER, ClusterCalls, Object
from provision.platforms.kubernetes.cluster_objects import ClusterObject
from provision.platforms.kubernetes.object_labels import OWNED
from provision.platforms.kubernetes.rollouts import PERIOD, unfinished, wait
from provision.platforms.platform_run import Note
from provision.steps.base import Change, Diff

#: what the server notes of an object
NOTED = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
#: an annotation of the server's, which counts rollouts
COUNTED = "deployment.kubernetes.io/revision"
#: kinds that are waited for
WAITED_FOR = ("Deployment", "Job")
#: seconds for a rollout beyond its own deadline
GRACE = 30


class AppliedObject:
    """An object as it is wanted. live: as the cluster has it, or None."""

    def __init__(self, calls: ClusterCalls, wanted: ClusterObject, live: Object | None) -> None:
        self.name = f"{wanted.kind} {wanted.name}"
        self._calls = calls
        self._wanted = wanted
        self._live = live

    def check(self) -> Diff:
        """Ask the server what it would make of the object, and compare."""
        kind, live = self._wanted.kind, self._live
        if live is not None and kind == "Job":
            # its name says what it does, and a Job does not change
            missing = unfinished(live)
            return Diff([Change("commands", missing, "done")] if missing else [], "has done its commands")
        found = self._calls.apply(self._wanted.document, dry_run=True)
        if live is None:
            changes = [Change("object", "absent", "present")]
        else:
            secret = self._wanted.is_secret
            hidden = (lambda path, _: path.startswith("data")) if secret else None
            changes = list(differences(compared(live), compared(found), hidden))
            missing = unfinished(live) if kind in WAITED_FOR else ""
            if not changes and missing:
                changes = [Change("rollout", missing, "done")]
        return Diff(changes, "" if changes else "as declared")

    def apply(self, note: Note) -> None:
        """Apply the object, and wait until it runs."""
        kind, document = self._wanted.kind, self._wanted.document
        if kind == "Job" and self._live is not None and unfinished(self._live) == "failed":
            self._calls.delete(kind, self._wanted.name)
            note(f"{self.name}: it failed, and is removed first")
            while self._calls.get(kind, self._wanted.name) is not None:
                time.sleep(PERIOD)
        live = {**self._calls.apply(document), "kind": kind}
        if kind in WAITED_FOR:
            spec = document["spec"]
            seconds = spec.get("activeDeadlineSeconds") or spec.get("progressDeadlineSeconds", 600)
            wait(self._calls, live, seconds + GRACE, note)


class RemovedObject:
    """An object that is no longer declared."""

    def __init__(self, calls: ClusterCalls, live: Object) -> None:
        self.name = f"no {live['kind']} {live['metadata']['name']}"
        self._calls = calls
        self._live = live

    def check(self) -> Diff:
        """It is there: it was listed."""
        return Diff([Change("object", "present", "absent")])

    def apply(self, note: Note) -> None:
        """Remove it."""
        self._calls.delete(self._live["kind"], self._live["metadata"]["name"])


def compared(live: Object) -> Object:
    """Return an object without what the server notes and controllers report."""
    metadata = {name: value for name, value in live["metadata"].items() if name not in NOTED}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != COUNTED}
    rest = {
        name: value
        for name, value in live.items()
        if name not in ("status", "metadata", "kind", "apiVersion")
    }
    return {**rest, "metadata": {**metadata, "annotations": annotations}}


def of_prov(wanted: ClusterObject, found: Object | None, target: str) -> Object | None:
    """Return an object that has a wanted one's name, but not its labels; None if there is none.

    Raises ProvError if it is not prov's for this target: the server notes who has applied it.
    """
    if found is None:
        return None
    managers = {each.get("manager") for each in found["metadata"].get("managedFields") or ()}
    whose = (found["metadata"].get("labels") or {}).get(OWNED, target)
    if MANAGER not in managers or whose != target:
        hint = "Give the application another name, or remove the object with kubectl."
        message = f"{wanted.kind} {wanted.name} exists, and prov did not make it for {target}"
        raise ProvError(message, hint=hint)
    return {**found, "kind": wanted.kind}
