"""Accounts that belong to a single service. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Optional

from provision.errors import StepError
from provision.steps.base import Diff, Step, check_path, step, wanted
from provision.steps.groups import check_name
from provision.steps.support.lockout import Guarded
from provision.steps.users import User

if TYPE_CHECKING:
    from provision.system.accounts import Account
    from provision.system.host import System

#: marks the account as made for this purpose, even if prov's records are lost
MARK = "service user made by prov"
#: shells that refuse logins
CLOSED = ("nologin", "false")
#: the largest id of a service's account, where login.defs(5) does not set one
LARGEST = 999


@wanted()
class ServiceUser(Step):
    """An account for a service, without a login. An existing account of another purpose is never changed.

        service_users.service_user(c, "app-shop", home="/var/lib/app-shop")

    name: as useradd(8) takes it.  home: its home directory, which the step does not create.
    said_in: where the name was chosen, such as "inventory.yml:12"; an error shows it.
    An existing account counts as this one if a step of this name made it. Any other account is refused, and
    nothing is changed. It may be a person's (their home and login would move), a package's, or root's.
    """

    name: str
    home: str
    said_in: str = ""

    def label(self) -> str:
        return "user %s" % self.name

    def validate(self) -> None:
        check_name(self.name)
        check_path(self.home, "home")

    def check(self, host: "System") -> Diff:
        now = host.accounts.user(self.name)
        if now is not None and not self._is_ours(host, now):
            raise StepError(
                "%s%s is an account of this host already, and not one for this: id %d, home %s, shell %s"
                % ("%s: " % self.said_in if self.said_in else "", self.name, now.uid, now.home, now.shell),
                hint="A service runs as a user of its own. Give a name that no account has; for an application, leave "
                "out `user`, and prov makes app-NAME. The account has not been changed.",
            )
        return self._user(now).check(host)

    def apply(self, host: "System", diff: Diff) -> None:
        self._user(host.accounts.user(self.name)).apply(host, diff)

    def guarded(self, host: "System", diff: Diff) -> "Optional[Guarded]":
        return self._user(None).guarded(host, diff)

    def fingerprint(self, host: "System") -> str:
        return self._user(None).fingerprint(host)

    def _user(self, now: "Optional[Account]") -> User:
        return User(self.name, system=True, home=self.home, comment=MARK if now is None else None)

    def _is_ours(self, host: "System", now: "Account") -> bool:
        if not 0 < now.uid <= largest_system_id(host):
            return False
        if host.ledger.made_by_this("user %s" % self.name):
            return True
        closed = now.shell.rsplit("/", 1)[-1] in CLOSED and now.home == self.home
        # made by an older prov, on a host that has lost its records
        return closed and (now.comment == MARK or self.name.startswith("app-"))


def largest_system_id(host: "System") -> int:
    """Return the largest id of service accounts (login.defs(5))."""
    path = "/etc/login.defs"
    text = host.files.read(path).decode(errors="replace") if host.files.exists(path) else ""
    found = dict(re.findall(r"(?m)^(SYS_UID_MAX|UID_MIN)\s+(\d+)\s*$", text))
    return int(found.get("SYS_UID_MAX", int(found.get("UID_MIN", LARGEST + 1)) - 1))


service_user = step(ServiceUser)
