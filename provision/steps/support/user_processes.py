"""What steps that run a process share: its user, folder, environment and credentials. Shipped (Python 3.8)."""

from typing import TYPE_CHECKING, Dict, Mapping, Sequence

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Step, check_path, check_text, wanted
from provision.steps.support.environment import Environment, check_environment, revealed
from provision.steps.support.handed_credentials import VARIABLE, check_credentials, folder_of, handing
from provision.system.command_execution import account

if TYPE_CHECKING:
    from provision.system.host import System


@wanted(kw_only=True)
class UserProcess(Step):
    """user, cwd, environment: of the process. Values of environment may be Secrets.
    credentials: Secrets by name, which the process finds as files in $CREDENTIALS_DIRECTORY.
    """

    user: str = ""
    cwd: str = "/"
    environment: Environment = ()  # type: ignore[assignment]
    credentials: Mapping[str, Secret] = ()  # type: ignore[assignment]

    def validate(self) -> None:
        check_path(self.cwd, "cwd")
        check_environment(self.environment)
        check_credentials(self.credentials)
        if self.user:
            check_text(self.user, "user")
            if self.as_user:
                raise ValueError("user and as_user say the same: give one of them")

    def there(self, host: "System", argv: Sequence[str]) -> bool:
        """Return whether program, folder and user exist on the host, and are not only foreseen."""
        if not self.hands(host):
            return False
        user = self.user or self.as_user
        try:
            return host.runnable(argv[0]) and host.runnable(self.cwd) and bool(not user or account(user))
        except StepError:
            return False

    def hands(self, host: "System") -> bool:
        """Return whether a command can get its credentials: a plan makes no folder for them."""
        return not self.credentials or host.runnable(host.ledger.home)

    def options(self, host: "System") -> Dict[str, object]:
        """Return the options of `execute` for the process."""
        environment = revealed(self.environment)
        found: Dict[str, object] = {"user": self.user, "cwd": self.cwd, "environment": environment}
        if self.credentials:
            # prov's own records: a command has no business there
            place = host.ledger.home
            environment[VARIABLE] = folder_of(place)
            found["prepare"] = handing(self.credentials, place, self.user or host.user)
        return found
