"""What role authors import: `from provision.role import Host, Params, task`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provision.controller.outcome import Outcome, StepFailed
from provision.roles.joined_text import joined
from provision.roles.role_model import Params, task

if TYPE_CHECKING:
    from provision.roles.role_host import Host
else:

    class Later(type):
        """Imports the class only for an isinstance check."""

        def __instancecheck__(cls, instance: Any) -> bool:
            from provision.roles.role_host import Host as real

            return isinstance(instance, real)

    class Host(metaclass=Later):
        """`provision.roles.role_host.Host` for annotations. It imports fabric and paramiko; reading a
        role's parameters needs neither, so that mistakes in an inventory are reported at once."""


__all__ = ["Host", "Outcome", "Params", "StepFailed", "joined", "task"]
