"""Blue and green: a release starts in the environment that does not serve, and gets the address once it answers.

Source: developer guide, "Blue/Green deployments"; API reference, SwapEnvironmentCNAMEs.
"""

from __future__ import annotations

from provision.errors import ProvError
from provision.platforms.elastic_beanstalk.beanstalk_calls import BeanstalkCalls
from provision.platforms.elastic_beanstalk.environment_steps import EnvironmentState
from provision.platforms.elastic_beanstalk.environment_waits import (
    GRACE,
    Events,
    wait_healthy,
    wait_ready,
)
from provision.platforms.health_paths import HealthPath
from provision.platforms.platform_run import Note
from provision.steps.base import Change, Diff


class BlueGreenState:
    """Two environments. serving: has the address.  other: gets another release, and then the address."""

    def __init__(self, app: str, serving: EnvironmentState, other: EnvironmentState) -> None:
        self.name = f"environment of {app}"
        self.serving, self.other = serving, other
        #: whether the address is to be the other's, once it was checked
        self.swaps = False

    @property
    def changes(self) -> bool:
        """Return whether another release is to serve, or the same one otherwise."""
        return self.swaps

    @property
    def cname(self) -> str:
        """Return the address of the environment that is to serve."""
        return self.other.cname if self.swaps else self.serving.cname

    def check(self) -> Diff:
        """Compare the environment that serves; if it is not as wanted, the other one."""
        self.swaps = bool(self.serving.check())
        if not self.swaps:
            return Diff.none("as declared")
        found = self.other.check()
        changes = [
            Change(f"{self.other.wanted.name}: {each.what}", each.before, each.after)
            for each in found.changes
        ]
        return Diff(changes) if changes else Diff.none(f"{self.other.wanted.name} is as declared")

    def apply(self, note: Note) -> None:
        """Change the other one. The one that serves goes on as it is."""
        try:
            self.other.apply(note)
        except ProvError as error:
            raise self.gone_back(error, note) from None

    def gone_back(self, error: ProvError, note: Note) -> ProvError:
        """Return an error that says that nothing of what serves has changed."""
        said = f"{error.message}\n    {self.serving.wanted.name} goes on serving"
        return ProvError(said, hint=error.hint or "Correct it, and deploy again.")


class AddressSwapped:
    """The address, which goes to the environment that is to serve. pair: checked and applied before it."""

    def __init__(self, calls: BeanstalkCalls, app: str, pair: BlueGreenState, health: HealthPath) -> None:
        self.name = f"address of {app}"
        self._calls, self._pair, self._health = calls, pair, health

    def check(self) -> Diff:
        """Return the environments that exchange their addresses."""
        pair = self._pair
        now, then = pair.serving.wanted.name, pair.other.wanted.name
        return Diff(
            [Change("serves", now, then)] if pair.swaps else [], "" if pair.swaps else f"{now} has it"
        )

    def apply(self, note: Note) -> None:
        """Exchange them, and ask at the address; if it does not answer, exchange them back."""
        address = self._pair.serving.cname
        self._swap(note)
        try:
            wait_healthy(self._health, address)
        except ProvError as error:
            self._swap(note)
            said = f"{error.message}\n    {self._pair.serving.wanted.name} has its address again"
            raise ProvError(said, hint="Correct it, and deploy again.") from None

    def _swap(self, note: Note) -> None:
        names = [self._pair.serving.wanted.name, self._pair.other.wanted.name]
        states = [self._calls.environment(name) for name in names]
        if None in states:
            raise ProvError("an environment was terminated by another client", hint="Deploy again.")
        events = [Events(self._calls, str((state or {})["EnvironmentId"])) for state in states]
        self._calls.ask(
            "SwapEnvironmentCNAMEs", SourceEnvironmentName=names[1], DestinationEnvironmentName=names[0]
        )
        for name, each in zip(names, events, strict=True):
            wait_ready(self._calls, name, each, GRACE, note)
