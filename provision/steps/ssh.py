"""sshd's settings, by drop-in. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING

from provision.steps.base import Change, Diff, wanted
from provision.steps.files import File

if TYPE_CHECKING:
    from provision.agent.system import System
    from provision.host import Steps
    from provision.outcome import Outcome

FOLDER = "/etc/ssh/sshd_config.d"


@wanted()
class SshdDropIn(File):
    """A file of settings in /etc/ssh/sshd_config.d, judged by `sshd -t` before it is in place.

    path: its name there, ending in .conf; sshd takes the first value that it reads for each keyword.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if "/" not in self.path:
            object.__setattr__(self, "path", "%s/%s" % (FOLDER, self.path))

    def label(self) -> str:
        return "sshd settings %s" % self.path.rsplit("/", 1)[-1]

    def validate(self) -> None:
        super().validate()
        if not re.fullmatch(r"^%s/[\w.-]+\.conf$" % FOLDER, self.path):
            raise ValueError("a drop-in of sshd is named like 10-prov.conf, not %r" % self.path)

    def check(self, host: "System") -> Diff:
        diff = super().check(host)
        if self._included(host):
            return diff
        return Diff([*diff.changes, Change("include", "", "sshd_config does not read %s" % FOLDER)])

    def apply(self, host: "System", diff: Diff) -> None:
        if host.files.stat(FOLDER) is None:
            host.files.mkdir(FOLDER, 0o755, 0, 0)
        if not self._included(host):
            main = host.files.read("/etc/ssh/sshd_config")
            text = ("Include %s/*.conf\n" % FOLDER).encode() + main
            File("/etc/ssh/sshd_config", text).apply(host, Diff([Change("content")]))
        if any(change.what != "include" for change in diff.changes):
            super().apply(host, diff)

    def _included(self, host: "System") -> bool:
        path = "/etc/ssh/sshd_config"
        text = host.files.read(path).decode(errors="replace") if host.files.exists(path) else ""
        return re.search(r"^\s*Include\s+%s/" % FOLDER, text, re.MULTILINE | re.IGNORECASE) is not None


def sshd_drop_in(c: "Steps", name: str, content: str) -> "Outcome":
    """Settings for sshd under that name (10-prov.conf), mode 0644."""
    return c.submit(SshdDropIn(name, content, mode=0o644, validate_with=["sshd", "-t", "-f", "%s"]))
