"""What to put back if a step locks prov out of the host. Shipped to hosts (Python 3.8, standard library)."""

from types import MappingProxyType
from typing import TYPE_CHECKING, ContextManager, Mapping, NamedTuple, Optional, Sequence

from provision.system.guard import Guard

if TYPE_CHECKING:
    from provision.system.guard_proof import Proof
    from provision.system.host import System

SSH_UNITS = ("ssh.service", "sshd.service", "ssh.socket", "sshd.socket")
#: passwd(5), shadow(5), group(5), gshadow(5)
ACCOUNTS = ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow")


class Guarded(NamedTuple):
    """Steps return it from `guarded` if their change can keep prov from logging in again.

    paths: what to put back.  commands: argv of the commands that apply it afterwards.
    effective: whether the step's change takes effect at once; if not, the step that applies it is guarded as
    well.
    contents: further files of the guard's own folder, for its commands to read.
    """

    paths: Sequence[str]
    commands: Sequence[Sequence[str]] = ()
    effective: bool = True
    contents: Mapping[str, str] = MappingProxyType({})

    def against(self, proof: "Proof") -> "ContextManager[None]":
        """Make the step's change, which stays only if a new login works. Raises StepError if it does not."""
        return Guard(proof).around(self)


def sshd_settings(*paths: str) -> Guarded:
    """Return the files that sshd reads on a reload."""
    reload = [["systemctl", "try-reload-or-restart", unit] for unit in ("ssh.service", "sshd.service")]
    return Guarded(paths, reload, effective=False)


def ssh_unit(host: "System", name: str) -> Optional[Guarded]:
    """Return the current state of a unit that logins need; None for other units."""
    if name not in SSH_UNITS:
        return None
    now = host.units.state(name)
    verbs = ["enable"] if now.enabled == "enabled" else []
    verbs += ["start"] if now.running else []
    return Guarded((), [["systemctl", "--no-block", verb, name] for verb in verbs])


def login_account(host: "System", user: str) -> Optional[Guarded]:
    """Return the account that prov logs in with, and its keys; None for other accounts."""
    account = host.accounts.user(user)
    if user != host.login or account is None:
        return None
    home = account.home.rstrip("/")
    return Guarded((*ACCOUNTS, home, home + "/.ssh", home + "/.ssh/authorized_keys"))
