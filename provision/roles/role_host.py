"""Host, the first argument of every role's tasks: takes steps, and runs commands like a fabric.Connection."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from provision.agent.secret_masks import Masks
from provision.controller.calling import calling_path
from provision.controller.channel import Channel
from provision.controller.events import Event, Notice
from provision.controller.fact_types import Facts
from provision.controller.login import Login
from provision.controller.outcome import Outcome
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.controller.transport import Transport
from provision.controller.transport_choice import connection_over, transport_to
from provision.declared.role_folders import BUILTIN
from provision.errors import ProvError
from provision.inventory.loaded import InventoryHost
from provision.roles.fabric_words import OF_FABRIC, OF_PARAMIKO
from provision.roles.project import Assignment
from provision.roles.reach import PendingConnection, login_of, reach
from provision.roles.role_model import Params
from provision.roles.wanted_paths import WantedPaths
from provision.secrets import Secret
from provision.steps.base import Step

if TYPE_CHECKING:
    from provision.apps.app_model import App
    from provision.apps.application import Application
    from provision.apps.balancing import Balanced
    from provision.apps.bindings import Binding

#: seconds within which sshd listens again after it was told to reload
REOPENS = 3.0

P = TypeVar("P", bound=Params)


class Steps(Protocol):
    """What a step needs from its first argument."""

    def submit(self, step: Step) -> Outcome: ...


class Host:
    """A host of the inventory: steps, facts and apps; and `c.run()` and the rest of a fabric.Connection.

    assignment: what it gets.  options: of the run.  masks: the secrets in its variables.
    pending: a connection to it that is being opened, begun at `began` by time.monotonic() if reports show it.
    role_folders: of the role that is running, then of those that it extends: where templates/ and files/ are.
    """

    def __init__(
        self,
        assignment: Assignment,
        options: RunOptions,
        *,
        masks: Masks | None = None,
        pending: PendingConnection | None = None,
        began: float | None = None,
    ) -> None:
        self.assignment = assignment
        self.inventory = assignment.host
        self.name = assignment.host.name
        self.role_folders: tuple[Path, ...] = ()
        self.session: Session | None = None
        self._way: Transport = self._way_to(assignment.host)
        self._options = options
        self._masks = masks
        self._pending = pending
        self._on_failure: list[tuple[str, Callable[[], None]]] = []
        self._began = began
        self._wanted = WantedPaths()
        self._later: list[tuple[str, tuple[Path, ...], Callable[[], None]]] = []
        #: by application: what a rollback serves; what the run starts, and by which steps; what marks it as built
        self.recorded: dict[str, Any] = {}
        self.starting: dict[str, tuple[Any, list[Outcome]]] = {}
        self.built: dict[str, Outcome] = {}
        self.begun: list[str] = []
        #: called when all steps are done, to tell of them: reading an outcome earlier acknowledges failures
        self.at_end: list[Callable[[], None]] = []
        self.forced, self.dry_build, self.ask = options.force, options.dry_build, options.ask

    @staticmethod
    def _way_to(inventory: InventoryHost) -> Transport:
        return transport_to(reach(inventory))

    # -- what it has of a fabric.Connection

    @property
    def host(self) -> str:
        """The address that one logs in at."""
        return self._way.address

    @property
    def user(self) -> str:
        """The user that one logs in as."""
        return self._way.user

    @property
    def port(self) -> int:
        """The port of its sshd."""
        return self._way.port

    @cached_property
    def connection(self) -> Any:
        """A fabric.Connection to the host. Raises UnreachableError."""
        self.open()
        return connection_over(self._way)

    def __getattr__(self, name: str) -> Any:
        if name in OF_FABRIC:
            value = getattr(self.connection, name)
            if value is None and name in OF_PARAMIKO:
                raise ProvError(
                    f"c.{name} needs paramiko, but this host is reached by OpenSSH",
                    hint="Give the host ansible_connection: paramiko.",
                )
            return value
        raise AttributeError(f"a host has no {name!r}")

    # -- what roles read

    @property
    def vars(self) -> Any:
        """The host's variables in the inventory."""
        return self.inventory.vars

    @property
    def facts(self) -> Facts:
        """The host's facts. Waits for the agent's first message."""
        return self.started().facts

    @property
    def apps(self) -> tuple[Application, ...]:
        """The applications of this host."""
        return self.assignment.served.apps

    @property
    def balanced(self) -> tuple[Balanced, ...]:
        """The applications of other hosts that this one balances."""
        return self.assignment.served.balanced

    @property
    def balancers(self) -> tuple[InventoryHost, ...]:
        """The hosts that balance to this one."""
        return self.assignment.served.balancers

    @property
    def provided(self) -> tuple[Binding, ...]:
        """What this host's roles provide to applications, its own and those of other hosts."""
        return self.assignment.served.provided

    def emit(self, event: Event) -> None:
        """Send the run's report a note that belongs to no step."""
        self._options.emit(event)

    @property
    def planning(self) -> bool:
        """Whether this run only predicts."""
        return self._options.plan

    def params(self, model: type[P]) -> P:
        """The checked parameters of a role of this host, by their class; defaults without the role."""
        return next((p for p in self.assignment.params.values() if isinstance(p, model)), model())

    def params_of(self, role: str, model: type[P]) -> P:
        """The checked parameters of a role by its name; without such a role, the defaults of the class."""
        found = self.assignment.params.get(role)
        return found if isinstance(found, model) else model()

    def render(self, name: str, *, role: str = "", **values: Any) -> str:
        """Return the text of a template of the running role or another one.

        Raises ProvError, also if it contains a secret: use `render_secret`.
        """
        text = self._rendered(name, role, values)
        if isinstance(text, Secret):
            raise ProvError(
                f"the template {name} contains a secret, and c.render returns plain text",
                hint="Use files.template for a file of its own, or c.render_secret, which gives a Secret.",
            )
        return text

    def render_secret(self, name: str, *, role: str = "", **values: Any) -> Secret:
        """Return the text of a template as a Secret, whether or not it contains one. Raises ProvError."""
        text = self._rendered(name, role, values)
        return text if isinstance(text, Secret) else Secret(text)

    def render_file(self, path: Path, **values: Any) -> str | Secret:
        """Return the text of a template that the inventory names; a Secret if it contains one. Raises
        ProvError."""
        from provision.roles.templates import render

        return render(path, {"c": self, **values})

    def _rendered(self, name: str, role: str, values: dict[str, Any]) -> str | Secret:
        from provision.roles.templates import render  # here, while the host is still starting the agent

        path = role_file(role, "templates", name) if role else self.role_file("templates", name)
        return render(path, {"c": self, **values})

    def role_file(self, kind: str, name: str) -> Path:
        """Return the path of a file of the running role, or of the first role it extends that has it.

        Functions of other roles that it calls find their own first.  kind: the folder, templates or files.
        """
        caller = calling_path().parent
        folders = self.role_folders if caller in self.role_folders else (caller, *self.role_folders)
        found = [folder / kind / name for folder in folders]
        return next((path for path in found if path.is_file()), found[-len(self.role_folders)])

    # -- steps

    def submit(self, step: Step) -> Outcome:
        """Send a step to the host; returns at once. Raises ConfigError for a step that can not be."""
        self._wanted.add(step)
        return self.started().submit(step)

    def later(self, action: Callable[[], None]) -> None:
        """Call action after the last role, for work that must wait for all roles."""
        self._later.append((self.started().role, self.role_folders, action))

    def run_later(self) -> None:
        """Call the deferred actions in order."""
        while self._later:
            self.started().role, self.role_folders, action = self._later.pop(0)
            action()

    def on_failure(self, action: Callable[[], None]) -> None:
        """Call action if a role fails, to clean up; the last one first."""
        self._on_failure.append((self.started().role, action))

    def run_on_failure(self) -> None:
        """Call the roles' actions for a failure, after the failed steps have been noted."""
        session = self.started()
        session.acknowledge()
        while self._on_failure:
            session.role, action = self._on_failure.pop()
            action()
        session.wait_for_all()

    def is_first(self, app: App) -> bool:
        """Whether this host is the first one of the run that has an application."""
        return self._options.shared_work.is_first(app.name, self.name)

    def first_is_done(self, app: App) -> None:
        """Let the waiting hosts of the run continue. Waits for all steps so far."""
        self.started().wait_for_all()
        self._options.shared_work.done(app.name)

    def wait_for_first(self, app: App) -> None:
        """Wait for the first host of the run that has an application. Raises ProvError if it has failed."""
        failed = "" if self.planning else self._options.shared_work.wait(app.name)
        if failed:
            raise ProvError(
                f"{failed} did not finish the work done once for all hosts of {app.name}",
                hint=f"See the error of {failed}. {self.name} still serves the old release of {app.name}.",
            )

    def provides_now(self) -> None:
        """Let the hosts continue whose applications use this one. Waits for all steps so far."""
        if any(binding.client is not self.inventory for binding in self.provided):
            self.started().wait_for_all()
            self._options.shared_work.provided(self.name)

    def reaches(self, binding: Binding) -> bool:
        """Return whether the host that an application uses answers. Waits if this run connects to it earlier."""
        shared_work, name = self._options.shared_work, binding.provider.name
        return not shared_work.is_before(name, self.name) or shared_work.wait_reached(name)

    def is_provided_now(self, binding: Binding) -> bool:
        """Return whether the host that an application uses is in this run, and begins earlier."""
        return self._options.shared_work.is_before(binding.provider.name, self.name)

    def hands_over(self, binding: Binding) -> bool:
        """Return whether the application of a binding gets, in this run, what this host has made for it."""
        return self._options.shared_work.takes_from(self.name, binding.client.name)

    def drop_later(self) -> None:
        """Forget the deferred actions: the run has failed."""
        self._later.clear()

    def answer_of(self, other: InventoryHost, step: Step) -> str:
        """Have another host run a step that changes nothing, and return its output. Raises ProvError."""
        from provision.roles.other_hosts import answer_of

        return answer_of(other, step, self.ask)

    def wait_for_provider(self, binding: Binding) -> None:
        """Wait until the host provides what an application uses. Raises ProvError if it has failed.

        A plan waits, too: an application has to migrate a database that the host would make."""
        name = binding.provider.name
        if self.is_provided_now(binding) and not self._options.shared_work.wait_provided(name):
            raise ProvError(
                f"{name} has failed, and {binding.app.name} uses its {binding.role}",
                hint=f"See the error of {name}. {binding.app.name} was not changed on {self.name}.",
            )

    def leads(self, app: App) -> bool:
        """Whether this host is the first one of the inventory that has an application."""
        return app.name in self.assignment.served.leads

    def finish(self) -> None:
        """End the session in good order."""
        self.started().finish()

    # -- the session

    def started(self) -> Session:
        """The session with the agent, started if necessary. Raises UnreachableError."""
        if self.session is None:
            self.open()
            opening = {
                "login": self.user,
                "guard": self.inventory.connection.guard_seconds,
                **self._options.opening,
            }
            self.session = Session(
                self.name,
                self._open_channel,
                self._login(),
                replace(self._options, opening=opening),
                began=self._began,
                reopen=lambda: self._way.reopen(),
                masks=self._masks,
                prove=self._prove,
            )
        return self.session

    def open(self) -> None:
        """Connect and log in, unless a connection is already being opened. Raises UnreachableError."""
        pending, self._pending = self._pending, None
        if pending is not None:
            self._way = pending.transport()
        self._way.may_ask(self._options.ask)
        for text in self._way.warnings():
            self._options.emit(Notice(self.name, text))
        while self.inventory.inventory.notices:
            with contextlib.suppress(IndexError):  # another host has said it
                notice = self.inventory.inventory.notices.pop()
                self._options.emit(Notice(self.name, notice, detail=True))
        if self._way.instead:
            self._options.emit(Notice(self.name, self._way.instead, detail=True))
        if pending is None:
            self._way.open()

    def close(self) -> None:
        """End the connection."""
        self._way.close()

    def _prove(self, token: str) -> str:
        """Log in again, as the first time, and confirm a change."""
        seconds = self.inventory.connection.guard_seconds
        within = max(1, int(seconds / 2))
        # sshd(8): on SIGHUP it executes itself again, and does not listen for a moment
        last = time.monotonic() + min(REOPENS, seconds / 3)
        while True:
            reason = log_in_again(self.name, self._way.new_login(within), self._login(), token)
            if not reason or time.monotonic() > last:
                return reason
            time.sleep(0.2)

    def _open_channel(self, command: str) -> Channel:
        return self._way.channel(command)

    def _login(self) -> Login:
        return login_of(self.inventory, self.user, self._options.ask)


def log_in_again(host: str, second: Transport, login: Login, token: str) -> str:
    """Log in, become root, and confirm the guarded change with that token. Return "" or why it failed."""
    options = RunOptions(opening={"confirm": token}, who="")
    try:
        second.open()
        Session(host, second.channel, login, options).finish()
    except ProvError as error:
        return error.message
    finally:
        second.close()
    return ""


def role_file(role: str, kind: str, name: str) -> Path:
    """Return a file of a role used in this process: the project's, else the built-in role's of that name.

    kind: its folder there, templates or files.
    """
    own = Path(str(importlib.import_module(f"roles.{role}").__file__)).parent / kind / name
    return own if own.is_file() else BUILTIN / role / kind / name
