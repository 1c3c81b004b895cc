"""Commands, for what no other step does. Shipped to hosts (Python 3.8, standard library)."""

import shlex
from typing import TYPE_CHECKING, Any, Sequence

from provision.steps.base import step, wanted
from provision.steps.support.execution import Execution, check_argv

if TYPE_CHECKING:
    from provision.system.command_execution import Result
    from provision.system.host import System


@wanted()
class Command(Execution):
    """A command, run if it has to be.

        command.command(c, ["shopctl", "index"], creates="/srv/shop/index", user="shop")
        command.command(c, ["curl", "-sf", "http://localhost/"], reason="a check", until="ready", retries=5)

    argv: a list, never a shell line.
    """

    argv: Sequence[str]

    def label(self) -> str:
        shown = self.shown()
        return "command %s" % (shown if len(shown) <= 80 else shown[:77] + "...")

    def validate(self) -> None:
        check_argv(self.argv, "argv")
        super().validate()

    def shown(self) -> str:
        return shlex.join(self.argv)

    def start(self, host: "System", **options: Any) -> "Result":
        return host.run(self.argv, **options)


command = step(Command)
