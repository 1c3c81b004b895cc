"""The host as a plan predicts it: the interface of System, but nothing is written (decision D4). Shipped."""

import grp
import pwd
import re
from functools import partial
from typing import Any, Callable, Dict, List, Optional, Sequence, Set

from provision.system.accounts import Account, Accounts, Shadow
from provision.system.command_execution import Result
from provision.system.host import Controller, System
from provision.system.memory.ledger import Ledger
from provision.system.planned import programs
from provision.system.planned.ids import free_id
from provision.system.planned.planned_files import PlannedFiles
from provision.system.planned.planned_packages import PlannedApt
from provision.system.planned.planned_units import PlannedUnits
from provision.system.planned.relocation import move

LOGIN_DEFS = "/etc/login.defs"
#: commands whose effects are not on files
WITHOUT_FILES = ("systemctl", "nft", "ufw")


class PlannedSystem(System):
    """The host that steps of a plan run against; later steps see the effects of earlier ones."""

    planned = True

    def __init__(self, controller: Controller, facts: Dict[str, Any], ledger: Ledger) -> None:
        super().__init__(controller, facts, ledger)
        files = PlannedFiles(controller.fetch)
        units = PlannedUnits(self.run, self.ask, files)
        self.files = self._files = files
        self.units = units
        self.packages = packages = PlannedApt(self.run, self.ask, controller.progress, files, units)
        self.accounts = self._accounts = PlannedAccounts(self.run, files, packages.adds)
        self._hostname = super().hostname()
        #: commands whose effects on files no plan knows
        self._pretended: List[str] = []

    def run(self, argv: Sequence[str], **options: Any) -> Result:
        """Pretend that the command succeeded."""
        if argv[0] not in WITHOUT_FILES:
            self._pretended.append(argv[0])
            self._files.unsure = True
        return Result(argv, 0, "", "")

    def ask(self, argv: Sequence[str], **options: Any) -> Result:
        return programs.ask(self._files, super().ask, argv, **options)

    def judged(
        self, argv: Sequence[str], folder: str = "/etc", silent: bool = False, **options: Any
    ) -> Optional[Result]:
        """Return a program's verdict on the predicted configuration. The steps that ask for it ship the module."""
        from provision.system.planned import judging

        names = [*self._accounts.foreseen(), *(self._pretended if silent else ())]
        return judging.judge(self._files, argv, folder, names, partial(self.ask, **options), silent)

    def hostname(self) -> str:
        return self._hostname

    def set_hostname(self, name: str) -> None:
        self._hostname = name


class PlannedAccounts(Accounts):
    """Users and groups whose changes only go into the prediction.

    files: where new home directories appear.  brought: whether a package of this plan adds a "user" or "group".
    """

    def __init__(
        self, run: Callable[..., Result], files: PlannedFiles, brought: Callable[[str, str], bool]
    ) -> None:
        super().__init__(run)
        self._files = files
        self._brought = brought
        self._users: Dict[str, Optional[Account]] = {}
        self._groups: Dict[str, Optional[int]] = {}
        self._shadows: Dict[str, Shadow] = {}
        #: group -> members that the plan removes, and that are not users
        self._removed: Dict[str, Set[str]] = {}

    def foreseen(self) -> List[str]:
        """Return the names of users and groups that the plan has added, changed or removed."""
        return [*self._users, *self._groups]

    def user(self, name: str) -> Optional[Account]:
        self.looked.add("user %s" % name)
        if name in self._users:
            return self._users[name]
        found = super().user(name)
        if found is None and self._brought("user", name):
            own = [] if self.group(name) is not None else ["--user-group"]
            self.add_user(
                name, {"--home": "/nonexistent", "--shell": "/usr/sbin/nologin"}, ["--system", *own]
            )
            return self._users[name]
        return found

    def group(self, name: str) -> Optional[int]:
        self.looked.add("group %s" % name)
        if name in self._groups:
            return self._groups[name]
        found = super().group(name)
        if found is None and self._brought("group", name):
            self.add_group(name, {}, ["--system"])
            return self._groups[name]
        return found

    def is_own(self, kind: str, name: str) -> bool:
        return name in (self._users if kind == "user" else self._groups) or super().is_own(kind, name)

    def user_name(self, uid: int) -> str:
        for name, account in self._users.items():
            if account is not None and account.uid == uid:
                return name
        found = super().user_name(uid)
        return str(uid) if found in self._users else found

    def group_name(self, gid: int) -> str:
        for name, found in self._groups.items():
            if found == gid:
                return name
        name = super().group_name(gid)
        return str(gid) if name in self._groups else name

    def members(self, group: str) -> List[str]:
        if group in self._groups and self._groups[group] is None:
            return []
        found = {name for name in super().members(group) if name not in self._users}
        found -= self._removed.get(group, set())
        return sorted(found | {n for n, a in self._users.items() if a is not None and group in a.groups})

    def users_of(self, gid: int) -> List[str]:
        found = {name for name in super().users_of(gid) if name not in self._users}
        return sorted(found | {n for n, a in self._users.items() if a is not None and a.gid == gid})

    def shadow(self, name: str) -> Optional[Shadow]:
        return self._shadows[name] if name in self._shadows else super().shadow(name)

    def add_user(self, name: str, options: Dict[str, str], flags: Sequence[str] = ()) -> None:
        uid = int(options["--uid"]) if "--uid" in options else self._free_uid("--system" in flags)
        if "--user-group" in flags:
            # useradd(8) also uses the user's id for the group, if it is free
            same = {} if uid in self._gids() else {"--gid": str(uid)}
            self.add_group(name, same, [flag for flag in flags if flag == "--system"])
        gid = self.gid(options.get("--gid", name))
        home = options.get("--home", "/home/%s" % name)
        self._users[name] = Account(
            name,
            uid,
            gid,
            home,
            options.get("--shell", "/bin/sh"),
            options.get("--comment", ""),
            split(options.get("--groups", "")),
        )
        # useradd(8): no password yet, and ages from login.defs(5), which are these nearly everywhere
        self._shadows[name] = Shadow("!", 0, 99999, 7, -1, -1)
        if "--create-home" in flags and self._files.stat(home) is None:
            self._files.mkdir(home, self._home_mode(), uid, gid)

    def change_user(self, name: str, options: Dict[str, str], flags: Sequence[str] = ()) -> None:
        now = self.user(name)
        assert now is not None  # steps only change users that they have queried
        self._users[name] = now._replace(
            uid=int(options.get("--uid", now.uid)),
            gid=self.gid(options["--gid"]) if "--gid" in options else now.gid,
            home=options.get("--home", now.home),
            shell=options.get("--shell", now.shell),
            comment=options.get("--comment", now.comment),
            groups=split(options["--groups"]) if "--groups" in options else now.groups,
        )
        if "--move-home" in flags and self._files.stat(now.home) is not None:
            move(self._files, now.home, options["--home"])

    def set_password(self, name: str, hashed: str) -> None:
        now = self.shadow(name)
        assert now is not None  # steps only change what they have queried
        self._shadows[name] = now._replace(password=hashed)

    def set_ageing(self, name: str, ages: Dict[str, int]) -> None:
        now = self.shadow(name)
        assert now is not None  # steps only change what they have queried
        self._shadows[name] = Shadow(**{**now._asdict(), **ages})

    def remove_user(self, name: str, with_home: bool = False) -> None:
        now = self.user(name)
        assert now is not None  # steps only remove users that they have queried
        if with_home and self._files.stat(now.home) is not None:
            self._files.remove(now.home)
        self._users[name] = None
        # userdel(8), USERGROUPS_ENAB in login.defs(5)
        own = self.group(name)
        if own is not None and not self.members(name) and not self.users_of(own):
            self._groups[name] = None

    def add_group(self, name: str, options: Dict[str, str], flags: Sequence[str] = ()) -> None:
        system = "--system" in flags
        self._groups[name] = int(options["--gid"]) if "--gid" in options else self._free_gid(system)

    def set_members(self, group: str, names: Sequence[str]) -> None:
        for name in {*names, *self.members(group)}:
            account = self.user(name)
            if account is None:
                self._removed.setdefault(group, set()).add(name)
            else:
                others = set(account.groups) - {group}
                groups = others | {group} if name in names else others
                self._users[name] = account._replace(groups=sorted(groups))

    def set_gid(self, group: str, gid: str) -> None:
        former, self._groups[group] = self.group(group), int(gid)
        for name in self.users_of(former) if former is not None else ():
            account = self.user(name)
            if account is not None:
                self._users[name] = account._replace(gid=int(gid))

    def remove_group(self, name: str) -> None:
        self.set_members(name, [])
        self._groups[name] = None

    def _home_mode(self) -> int:
        """Return the mode of new homes (login.defs(5): HOME_MODE, else from UMASK)."""
        said = {
            what: int(mode, 8)
            for what, mode in re.findall(r"(?m)^(HOME_MODE|UMASK)\s+([0-7]+)", self._settings())
        }
        return said.get("HOME_MODE", 0o777 & ~said.get("UMASK", 0o022))

    def _settings(self) -> str:
        there = self._files.exists(LOGIN_DEFS)
        return self._files.read(LOGIN_DEFS).decode(errors="replace") if there else ""

    def _free_uid(self, system: bool) -> int:
        used = {p.pw_uid for p in pwd.getpwall() if p.pw_name not in self._users}
        used |= {a.uid for a in self._users.values() if a is not None}
        return free_id(used, "UID", system, self._settings())

    def _free_gid(self, system: bool) -> int:
        return free_id(self._gids(), "GID", system, self._settings())

    def _gids(self) -> Set[int]:
        used = {g.gr_gid for g in grp.getgrall() if g.gr_name not in self._groups}
        return used | {gid for gid in self._groups.values() if gid is not None}


def split(names: str) -> List[str]:
    """Return "a,b" as ["a", "b"]."""
    return sorted(filter(None, names.split(",")))
