"""systemd: units in the wanted state, their files, drop-ins and masks.

The steps are in modules of their own, because each step travels to hosts with its whole module.
"""

from typing import TYPE_CHECKING, Sequence

from provision.steps.base import Ref, step
from provision.steps.masks import DefaultTarget, Masked
from provision.steps.services import OnlyInstances, Service
from provision.steps.unit_files import DropIn, NoUnit, Unit

if TYPE_CHECKING:
    from typing import Unpack  # novm: for type checkers only

    from provision.steps.on_controller import Outcome, StepOptions, Steps

service = step(Service)
unit = step(Unit)
drop_in = step(DropIn)
no_unit = step(NoUnit)
masked = step(Masked)
default_target = step(DefaultTarget)
only_instances = step(OnlyInstances)


def socket(
    c: "Steps", name: str, restart_on: Sequence[Ref] = (), **options: "Unpack[StepOptions]"
) -> "Outcome":
    """A socket unit that listens now and after boot.

    name: of the unit, without ".socket".  restart_on: as for systemd.service.
    """
    return service(c, "%s.socket" % name, restart_on=restart_on, **options)
