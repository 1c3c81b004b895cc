"""Settings of sshd and ssh, as drop-ins. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Optional

from provision.errors import StepError
from provision.steps.base import Change, Diff, step, wanted
from provision.steps.files import File
from provision.steps.support.lockout import Guarded, sshd_settings

if TYPE_CHECKING:
    from typing import Unpack  # novm: for type checkers only

    from provision.steps.on_controller import Outcome, StepOptions, Steps
    from provision.system.host import System


@wanted()
class SshdDropIn(File):
    """A settings file in /etc/ssh/sshd_config.d, checked by `sshd -t` before it is in place.

    path: its name there, ending in .conf; sshd uses the first value that it reads for each keyword.
    """

    #: what it configures, the folder, and the program that reads the folder if its main file includes it
    WHAT, FOLDER, MAIN, PACKAGE = "sshd", "/etc/ssh/sshd_config.d", "/etc/ssh/sshd_config", "openssh-server"

    def __post_init__(self) -> None:
        super().__post_init__()
        if "/" not in self.path:
            object.__setattr__(self, "path", "%s/%s" % (self.FOLDER, self.path))

    def label(self) -> str:
        return "%s settings %s" % (self.WHAT, self.path.rsplit("/", 1)[-1])

    def validate(self) -> None:
        super().validate()
        if not re.fullmatch(r"^%s/[\w-][\w.-]*\.conf$" % self.FOLDER, self.path):
            raise ValueError("a drop-in of %s is named like 10-prov.conf, not %r" % (self.WHAT, self.path))

    def check(self, host: "System") -> Diff:
        if not host.files.exists(self.MAIN):
            raise StepError(
                "this host has no %s" % self.MAIN,
                hint='Add apt.packages(c, "%s") before this step.' % self.PACKAGE,
            )
        diff = super().check(host)
        if self._included(host):
            return diff
        main = self.MAIN.rsplit("/", 1)[-1]
        return Diff([*diff.changes, Change("include", "", "%s does not read %s" % (main, self.FOLDER))])

    def apply(self, host: "System", diff: Diff) -> None:
        if host.files.stat(self.FOLDER) is None:
            host.files.mkdir(self.FOLDER, 0o755, 0, 0)
        if not self._included(host):
            text = ("Include %s/*.conf\n" % self.FOLDER).encode() + host.files.read(self.MAIN)
            # sshd before OpenSSH 8.2, and ssh before 7.3, do not know Include, and would not start with it
            main = File(self.MAIN, text, validate_with=self.validate_with)
            main.noting(self).apply(host, Diff([Change("content")]))
        if any(change.what != "include" for change in diff.changes):
            super().apply(host, diff)

    def guarded(self, host: "System", diff: Diff) -> "Optional[Guarded]":
        return sshd_settings(self.path, self.MAIN) if self.WHAT == "sshd" else None

    def _included(self, host: "System") -> bool:
        text = host.files.read(self.MAIN).decode(errors="replace")
        return re.search(r"^\s*Include\s+%s/" % self.FOLDER, text, re.MULTILINE | re.IGNORECASE) is not None


@wanted()
class ClientDropIn(SshdDropIn):
    """A settings file in /etc/ssh/ssh_config.d for every user of ssh on the host, checked by `ssh -G`.

    path: its name there, ending in .conf; ssh uses the first value that it reads, and a user's own file comes
    first.
    """

    WHAT, FOLDER, MAIN, PACKAGE = "ssh", "/etc/ssh/ssh_config.d", "/etc/ssh/ssh_config", "openssh-client"


def sshd_drop_in(c: "Steps", name: str, content: str, **options: "Unpack[StepOptions]") -> "Outcome":
    """Settings for sshd, mode 0644.

    name: of the file: 10-prov.conf.  content: its lines, checked by `sshd -t`.
    """
    judge = ["sshd", "-t", "-f", "%s"]
    return step(SshdDropIn)(c, name, content, mode=0o644, validate_with=judge, **options)


def client_drop_in(c: "Steps", name: str, content: str, **options: "Unpack[StepOptions]") -> "Outcome":
    """Settings for ssh, mode 0644, such as a `Host` block with a jump host.

    name: of the file: 10-prov.conf.  content: its lines, checked by `ssh -G`.
    """
    judge = ["ssh", "-G", "-F", "%s", "prov.invalid"]
    return step(ClientDropIn)(c, name, content, mode=0o644, validate_with=judge, **options)
