"""How long a user's password may live. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Dict, Optional

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, wanted
from provision.steps.groups import check_name
from provision.steps.support.lockout import Guarded, login_account

if TYPE_CHECKING:
    from provision.system.accounts import Shadow
    from provision.system.host import System


@wanted()
class Ageing(Step):
    """How long a user may, and must, keep a password.

        users.ageing(c, "ada", max_days=90, warn_days=14)

    user: must exist.  max_days: days after which it must be changed.  min_days: days for which it can't be.
    warn_days: days before it expires from which on the user is warned.  inactive_days: days after it expires
    in which a login can still change it; then the account is closed.  -1 is never, None leaves the current
    value. An expired password does not stop logins by key unless sshd uses PAM.  Source: chage(1), shadow(5).
    """

    user: str
    max_days: Optional[int] = None
    min_days: Optional[int] = None
    warn_days: Optional[int] = None
    inactive_days: Optional[int] = None

    def label(self) -> str:
        return "password ages of %s" % self.user

    def validate(self) -> None:
        check_name(self.user)
        if not self._wanted():
            raise ValueError("give at least one of max_days, min_days, warn_days and inactive_days")
        for what, days in self._wanted().items():
            if not isinstance(days, int) or isinstance(days, bool) or days < -1:
                raise ValueError("%s_days must be a number of days, or -1 for never, not %r" % (what, days))
        if self.min_days is not None and self.max_days is not None and -1 < self.max_days < self.min_days:
            raise ValueError("min_days is above max_days: the password could never be changed in time")

    def check(self, host: "System") -> Diff:
        now = shadow_of(host, self.user)
        found = [
            Change("%s_days" % what, shown(getattr(now, what)), shown(days))
            for what, days in self._wanted().items()
            if getattr(now, what) != days
        ]
        return Diff(found) if found else Diff.none("has these ages")

    def apply(self, host: "System", diff: Diff) -> None:
        host.accounts.set_ageing(self.user, self._wanted())

    def guarded(self, host: "System", diff: Diff) -> "Optional[Guarded]":
        return login_account(host, self.user)

    def fingerprint(self, host: "System") -> str:
        return repr([getattr(shadow_of(host, self.user), what) for what in self._wanted()])

    def _wanted(self) -> Dict[str, int]:
        """What is asked for, under the names of Shadow."""
        every = {
            "max": self.max_days,
            "min": self.min_days,
            "warn": self.warn_days,
            "inactive": self.inactive_days,
        }
        return {what: days for what, days in every.items() if days is not None}


def shown(days: int) -> str:
    """A number of days for people."""
    return "never" if days == -1 else str(days)


def shadow_of(host: "System", user: str) -> "Shadow":
    """The user's line in shadow(5). Raises StepError."""
    if host.accounts.user(user) is None:
        raise StepError("there is no user %r on this host" % user, hint="Add a users.user step first.")
    found = host.accounts.shadow(user)
    if found is None:
        raise StepError(
            "user %s has no line in /etc/shadow" % user,
            hint="pwconv(8) adds missing lines; users from LDAP and the like have none.",
        )
    return found
