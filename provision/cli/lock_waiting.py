"""`--wait-for-lock`: wait until hosts can be changed, instead of being refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from provision.errors import ProvError

if TYPE_CHECKING:
    from provision.inventory import InventoryHost
    from provision.roles.role_host import Host


def await_locks(hosts: Sequence[InventoryHost], forks: int, seconds: float) -> None:
    """Wait until no run is at work on these hosts and no operator has locked them.

    seconds: the longest wait. Raises ProvError for the first host that stays locked or can't be asked.
    """
    from provision.controller.events import HostDone, StepDone
    from provision.controller.run_options import ASIDE, RunOptions
    from provision.roles.project import Assignment
    from provision.run.on_hosts import Run

    def work(host: Host) -> None:
        from provision.steps.holds import free_of_locks

        free_of_locks(host, seconds, timeout=seconds + 60)

    run = Run([Assignment(host) for host in hosts], RunOptions(forks=forks, opening=ASIDE), work)
    refused: list[ProvError] = []
    for event in run:
        if isinstance(event, (StepDone, HostDone)) and event.error is not None:
            event.error.where = event.error.where or event.host
            refused.append(event.error)
    if refused:
        raise refused[0]
