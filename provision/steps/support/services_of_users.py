"""Units of users' own systemds that a run started, stopped, enabled or disabled. Shipped for undo (Python 3.8).

Their files are kept as all files are; the differences that the steps recorded say how the units were before.
"""

import re
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Sequence, Set, Tuple

from provision.steps.base import Change
from provision.steps.support.unit_judging import full_name
from provision.steps.user_units import LINGER, OWN, manager, manager_unit, runs
from provision.system.unit_state import ENABLED

if TYPE_CHECKING:
    from provision.system.host import System

#: labels of user_units.user_service, user_unit and linger
SERVICE = re.compile(r"^(?:service|unit) (\S+) of (\S+)\Z")
FILE = re.compile(r"^unit file (\S+) of (\S+)\Z")
LINGERS = re.compile(r"^linger (\S+)\Z")
#: words of systemctl(1) for a unit that runs
RUNNING = ("active", "reloading", "activating")


class UserUnitWork(NamedTuple):
    """A user's unit to restore: verbs before its files are restored, and verbs after."""

    user: str
    name: str
    first: Sequence[str]
    then: Sequence[str]

    def change(self) -> Change:
        return Change("unit %s of %s" % (self.name, self.user), "", ", ".join([*self.first, *self.then]))


class UserServices:
    """What a run did with users' systemds. steps: as of Runs.steps.  units: as of FormerStates."""

    def __init__(
        self, host: "System", steps: Sequence[Dict[str, Any]], units: Dict[str, Dict[str, Any]]
    ) -> None:
        self.host = host
        #: users' systemds that the run started, which end again
        self._started = {name for name, entry in units.items() if entry["was"]["active"] not in RUNNING}
        self._restored: Sequence[str] = ()
        self._labels: List[str] = []
        self._users: Set[str] = set()
        #: (user, unit) -> what differed -> the words before and after, the first and the last
        self._units: Dict[Tuple[str, str], Dict[str, Tuple[str, str]]] = {}
        self._linger: Dict[str, Tuple[str, str]] = {}
        for step in steps:
            if step["state"] == "changed":
                self._read(step["step"], [tuple(change[:3]) for change in step.get("diff", ())])
        self.work = list(self._work())
        self.lingering = {user: was for user, (was, _) in self._linger.items() if was != self._lingers(user)}

    def expect(self, restored: Sequence[str]) -> None:
        """Note the paths that are put back: units that run by such a file are restarted."""
        self._restored = restored
        self.work = list(self._work())

    def removes(self, path: str) -> bool:
        """Return whether a folder of links to units goes, as all of these units are disabled."""
        folder, _, name = path.rpartition("/")
        if not name.endswith((".wants", ".requires")) or not folder.endswith("/" + OWN):
            return False
        going = [each for each in self.work if "disable" in each.first]
        names = {each.name for each in going if folder == "%s/%s" % (self._home(each.user), OWN)}
        return bool(names) and names.issuperset(self.host.files.list(path))

    def _home(self, user: str) -> str:
        account = self.host.accounts.user(user)
        return account.home if account is not None else ""

    def labels(self) -> List[str]:
        """Return the steps whose commands are all undone."""
        return self._labels

    def stays(self) -> List[str]:
        """Return what can't be put back."""
        ended = [user for user, was in self.lingering.items() if was == "yes"]
        return ["which units of %s run (they have ended, and start as at boot)" % user for user in ended]

    def changes(self) -> List[Change]:
        """Return all that would be put back."""
        found = [each.change() for each in self.work]
        return found + [
            Change("lingers: %s" % user, self._lingers(user), w) for user, w in self.lingering.items()
        ]

    def end(self) -> None:
        """Stop and disable what did not run before, while its files are there. Raises StepError."""
        for each in self.work:
            for verb in each.first:
                manager(self.host, each.user).do(verb, each.name)

    def begin(self, *, ending: bool = False) -> None:
        """Have users' systemds read their restored files, and start what ran before. Raises StepError.

        ending: those that end now; False for the others.
        """
        users = [user for user in sorted(self._users) if self._runs(user) and self._ends(user) == ending]
        for user in users:
            manager(self.host, user).reload_manager()
        for each in self.work:
            for verb in each.then if each.user in users else ():
                manager(self.host, each.user).do(verb, each.name)

    def linger(self) -> None:
        """Have users' systemds run without a login, or not, as before. Raises StepError."""
        for user, was in self.lingering.items():
            verb = "enable-linger" if was == "yes" else "disable-linger"
            self.host.run(("loginctl", verb, user)).require("loginctl %s" % verb)
            if was == "yes":
                # logind starts it too, but does not wait until it takes commands
                self.host.units.do("start", manager_unit(self.host, user))

    def _read(self, label: str, diff: "Sequence[Tuple[str, str, str]]") -> None:
        service, file, linger = SERVICE.match(label), FILE.match(label), LINGERS.match(label)
        if not (service or file or linger):
            return
        self._labels.append(label)
        for what, before, after in diff:
            if linger and what == "lingers":
                self._linger.setdefault(linger.group(1), (before, after))
            elif service:
                unit = (service.group(2), full_name(service.group(1)))
                self._units.setdefault(unit, {}).setdefault(what, (before, after))
        found = service or file
        if found:
            self._users.add(found.group(2))

    def _work(self) -> Iterator[UserUnitWork]:
        for (user, name), changed in self._units.items():
            if not self._runs(user):
                continue
            now = manager(self.host, user).state(name)
            first: List[str] = []
            then: List[str] = []
            if "enabled" in changed:
                was = changed["enabled"][0]
                # until the next boot, not at each one
                less = (now.enabled, was) == ENABLED
                if less or (now.enabled in ENABLED and was not in ENABLED):
                    first.append("disable")
                if less or (was in ENABLED and now.enabled not in ENABLED):
                    then.append("enable --runtime" if was == "enabled-runtime" else "enable")
            ran = changed.get("running", ("active",))[0] in RUNNING
            own = any(path.endswith("/%s/%s" % (OWN, name)) for path in self._restored)
            if now.running and not ran:
                first.append("stop")
            elif self._ends(user):
                # all of its units end with it
                pass
            elif ran and not now.running and "running" in changed:
                then.append("start")
            elif ran and now.running and (own or {"restart", "reload"} & set(changed)):
                then.append("restart")
            if first or then:
                yield UserUnitWork(user, name, first, then)

    def _runs(self, user: str) -> bool:
        return self.host.accounts.user(user) is not None and runs(self.host, user)

    def _ends(self, user: str) -> bool:
        return manager_unit(self.host, user) in self._started

    def _lingers(self, user: str) -> str:
        return "yes" if self.host.files.exists(LINGER + user) else "no"
