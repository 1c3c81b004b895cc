"""What role authors import: `from provision.role import Host, Params, task`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provision.outcome import Outcome, StepFailed
from provision.roles import Params, task

if TYPE_CHECKING:
    from provision.host import Host

__all__ = ["Host", "Outcome", "Params", "StepFailed", "task"]


def __getattr__(name: str) -> Any:
    # Host brings fabric and paramiko: a role that names it in annotations only does not pay for them
    if name == "Host":
        from provision.host import Host

        return Host
    raise AttributeError(name)
