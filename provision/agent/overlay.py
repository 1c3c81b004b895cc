"""The host as a plan predicts it: the same interface as System, and nothing is written (design D4). Shipped."""

from typing import Any, Callable, Dict, List, Optional, Sequence

from provision.agent.accounts import Account, Accounts
from provision.agent.commands import Result
from provision.agent.ledger import Ledger
from provision.agent.overlay_files import PlannedFiles
from provision.agent.overlay_packages import PlannedApt
from provision.agent.overlay_units import PlannedUnits
from provision.agent.system import Controller, System

#: ids for accounts that a plan has added; far above those that hosts give out (login.defs(5): 60000)
FIRST_ID = 4_000_000


class PlannedSystem(System):
    """Steps run against this in a plan; what they do is seen by the steps after them."""

    planned = True

    def __init__(
        self, controller: Controller, facts: Dict[str, Any], ledger: Ledger, left: Callable[[], float]
    ) -> None:
        super().__init__(controller, facts, ledger, left)
        files = PlannedFiles(controller.fetch)
        units = PlannedUnits(self.run, self.ask, files)
        self.files = files
        self.units = units
        self.packages = PlannedApt(self.run, self.ask, controller.progress, files, units)
        self.accounts = PlannedAccounts(self.run, files)
        self._hostname = super().hostname()

    def run(self, argv: Sequence[str], **options: Any) -> Result:
        """Pretend that the command ended well."""
        return Result(argv, 0, "", "")

    def judge(self, argv: Sequence[str], doing: str, hint: str) -> None:
        """What would be judged is not on disk."""

    def hostname(self) -> str:
        return self._hostname

    def set_hostname(self, name: str) -> None:
        self._hostname = name


class PlannedAccounts(Accounts):
    """Users and groups whose changes go into a picture only. files: where new home directories are seen."""

    def __init__(self, run: Callable[..., Result], files: PlannedFiles) -> None:
        super().__init__(run)
        self._files = files
        self._users: Dict[str, Optional[Account]] = {}
        self._groups: Dict[str, Optional[int]] = {}
        self._next = FIRST_ID

    def user(self, name: str) -> Optional[Account]:
        return self._users[name] if name in self._users else super().user(name)

    def group(self, name: str) -> Optional[int]:
        return self._groups[name] if name in self._groups else super().group(name)

    def user_name(self, uid: int) -> str:
        for name, account in self._users.items():
            if account is not None and account.uid == uid:
                return name
        return super().user_name(uid)

    def group_name(self, gid: int) -> str:
        for name, found in self._groups.items():
            if found == gid:
                return name
        return super().group_name(gid)

    def add_user(self, name: str, options: Dict[str, str], flags: Sequence[str] = ()) -> None:
        uid = int(options.get("--uid", self._id()))
        if "--user-group" in flags:
            self.add_group(name, {})
        gid = self.group(flags[flags.index("--gid") + 1] if "--gid" in flags else name)
        home = options.get("--home", "/home/%s" % name)
        self._users[name] = Account(
            name,
            uid,
            gid if gid is not None else uid,
            home,
            options.get("--shell", "/bin/sh"),
            options.get("--comment", ""),
            split(options.get("--groups", "")),
        )
        if "--create-home" in flags and self._files.stat(home) is None:
            self._files.mkdir(home, 0o755, uid, gid if gid is not None else uid)

    def change_user(self, name: str, options: Dict[str, str]) -> None:
        now = self.user(name)
        assert now is not None  # steps change users that they have seen
        self._users[name] = now._replace(
            home=options.get("--home", now.home),
            shell=options.get("--shell", now.shell),
            comment=options.get("--comment", now.comment),
            groups=split(options["--groups"]) if "--groups" in options else now.groups,
        )

    def remove_user(self, name: str) -> None:
        self._users[name] = None

    def add_group(self, name: str, options: Dict[str, str], flags: Sequence[str] = ()) -> None:
        self._groups[name] = int(options.get("--gid", self._id()))

    def _id(self) -> int:
        self._next += 1
        return self._next


def split(names: str) -> List[str]:
    """ "a,b" as ["a", "b"]."""
    return sorted(filter(None, names.split(",")))
