"""What role authors import: `from provision.role import Host, Params, task`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provision.controller.outcome import Outcome, StepFailed
from provision.roles.role_model import Params, task

if TYPE_CHECKING:
    from provision.roles.role_host import Host
else:

    class Later(type):
        """Asks the class itself only when someone wants to know what is one of its instances."""

        def __instancecheck__(cls, instance: Any) -> bool:
            from provision.roles.role_host import Host as real

            return isinstance(instance, real)

    class Host(metaclass=Later):
        """`provision.roles.role_host.Host` for annotations. It brings fabric and paramiko; a role is read for its
        parameters without them, so that a mistake in an inventory is told at once."""


__all__ = ["Host", "Outcome", "Params", "StepFailed", "task"]
