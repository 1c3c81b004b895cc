"""What all platforms make of an application's settings: which of them are secret, and which have no counterpart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property

from provision.apps.app_model import App
from provision.apps.app_releases import Release
from provision.declared.fronts import OFFERS
from provision.errors import ConfigError
from provision.inventory import InventoryHost
from provision.secrets import Secret
from provision.values import dataclass

#: settings that keep people out: an application without them would be open to all
PROTECTING = ("auth", "allow", "deny", "maintenance")
#: settings of fronts that have a counterpart, or a note or refusal of their own
MAPPED = ("static", "media", "auth: basic", "auth: django", "auth: certificate", *PROTECTING)


@dataclass(frozen=True)
class MappedRelease:
    """A release of an application, on its target."""

    host: InventoryHost
    release: Release

    @property
    def app(self) -> App:
        """Return its settings."""
        return self.release.app

    @cached_property
    def variables(self) -> dict[str, str | Secret]:
        """Return the environment of its processes there."""
        raise NotImplementedError

    @property
    def plain(self) -> dict[str, str]:
        """Return the variables that are not secret."""
        return {name: value for name, value in self.variables.items() if not isinstance(value, Secret)}

    @property
    def secrets(self) -> dict[str, Secret]:
        """Return those that are."""
        return {name: value for name, value in self.variables.items() if isinstance(value, Secret)}


def only_app(host: InventoryHost) -> str:
    """Return the name of a target's only application, or "APP", for a command line that is shown."""
    names = list(host.vars.get("apps") or ())
    return names[0] if len(names) == 1 else "APP"


def without_counterpart(app: App) -> dict[str, object]:
    """Return what is set for a front, as a note has it, and whether anything is."""
    wanted = {each.partition(":")[0]: each for each in OFFERS if each not in MAPPED}
    front = [setting for setting in wanted if getattr(app, setting, None)]
    return {f"settings of the front ({', '.join(front)})": front}


def notes_on(app: App, left: Mapping[str, object], served: Collection[str]) -> list[str]:
    """Return notes on what has no counterpart, and on what the application must serve itself.

    left: what a note has, and whether it is set.  served: paths of files.
    """
    found = [f"{app.name}: no counterpart: {what}" for what, there in left.items() if there]
    if served:
        found.append(f"{app.name}: the application must serve {', '.join(served)} (WhiteNoise, for example)")
    return found


def instead_by_prov(host: InventoryHost, command: str) -> str:
    """Return which command of prov's does what another one does on hosts, where releases are recorded; "" if none."""
    if command == "start":
        return f"Deploy it:  prov deploy {host.name}"
    if command == "undo":
        return f"Go back to the release before:  prov rollback {host.name}"
    if command == "history":
        return f"Its releases, who deployed them, when, and from which commit:  prov releases {host.name}"
    return ""


def open_to_all(host: InventoryHost, app: App, place: str, hint: str) -> Iterator[ConfigError]:
    """Yield an error for each setting that keeps people out. place: of the platform, as messages name it."""
    for name in PROTECTING:
        if getattr(app, name):
            message = f"keeps people out on a host, and has no counterpart on {place}"
            yield host.error(("apps", app.name, name), message, hint)


def hosts_services(host: InventoryHost, app: App, parts: str) -> Iterator[ConfigError]:
    """Yield an error for services of hosts. parts: what would have to reach them."""
    if app.uses:
        message = f"uses services of hosts, which {parts} do not reach by sockets or certificates of hosts"
        hint = "Give the service's address in `secrets`, such as DATABASE_URL."
        yield host.error(("apps", app.name, "uses"), message, hint)


def unsaid_schedule(
    host: InventoryHost, app: App, job: str, say: Callable[[str], str]
) -> Iterator[ConfigError]:
    """Yield an error for a schedule of a job that a platform has no words for. say: raises ValueError for those."""
    try:
        say(app.jobs[job].schedule)
    except ValueError as error:
        hint = "Write the five fields of cron, such as '30 3 * * *'."
        yield host.error(("apps", app.name, "jobs", job, "schedule"), str(error), hint)
