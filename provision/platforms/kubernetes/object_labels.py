"""Labels of what prov makes in a cluster. Source: Kubernetes documentation, "Recommended Labels"."""

from __future__ import annotations

APP, COMPONENT, VERSION = (f"app.kubernetes.io/{name}" for name in ("name", "component", "version"))
#: the target that an object belongs to
OWNED = "app.kubernetes.io/instance"
MANAGED = {"app.kubernetes.io/managed-by": "prov"}


def owned_by(target: str) -> dict[str, str]:
    """Return the labels that find all objects of a target."""
    return {**MANAGED, OWNED: target}
