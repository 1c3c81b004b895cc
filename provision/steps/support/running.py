"""Whether a process still runs when a step acts. Shipped to hosts (Python 3.8)."""

from typing import TYPE_CHECKING

from provision.system.processes import RunningProcess

if TYPE_CHECKING:
    from provision.system.host import System


def goes_on(host: "System", found: RunningProcess) -> bool:
    """Return whether a process still runs when a step acts: earlier steps of a plan may stop its unit."""
    return not host.planned or not found.unit.endswith(".service") or host.units.state(found.unit).running
