"""Limits of login sessions. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Mapping, Tuple, Union

from provision.steps.base import Diff, Step, step, wanted
from provision.steps.files import File
from provision.steps.kernel import HEADER, check_file_name, check_gone, put

if TYPE_CHECKING:
    from provision.system.host import System

#: limits.conf(5)
ITEMS = (
    *("core", "data", "fsize", "memlock", "nofile", "rss", "stack", "cpu", "nproc", "as", "maxlogins"),
    *(
        "maxsyslogins",
        "priority",
        "locks",
        "sigpending",
        "msgqueue",
        "nice",
        "rtprio",
        "chroot",
        "nonewprivs",
    ),
)
DOMAIN = re.compile(r"^(\*|[@%]?[^\s:,/~+@%#!*\x00-\x1f\x7f-][^\s:,/\x00-\x1f\x7f]*|%|[@%]?[0-9]*:[0-9]*)\Z")

Value = Union[int, str]


@wanted()
class Limits(Step):
    """Resource limits of a user's sessions, in a file of /etc/security/limits.d.

        limits.limits(c, "shop", {"nofile": 65536, "nproc": (512, 1024)})

    domain: a user, "@group", "*" for everyone but root, or one of the other forms of limits.conf(5).
    values: item -> value for both limits, or (soft, hard); an item is "nofile" (number of files), "nproc"
    (number of processes), "memlock" (KiB), "core" (KiB), "as" (KiB)...; a value is a number or "unlimited".
    None of them removes the file.
    name: of the file, ".conf" is added; by default it is made from the domain.
    PAM sets them when a session begins (login, ssh, su, cron); running sessions keep theirs. Units of systemd
    ignore them and have LimitNOFILE= and the like.  Source: limits.conf(5), pam_limits(8).
    """

    domain: str
    values: "Mapping[str, Union[Value, Tuple[Value, Value]]]" = ()  # type: ignore[assignment]
    name: str = ""

    @property
    def path(self) -> str:
        made = re.sub(r"[^\w.-]", "", self.domain.replace("*", "all").replace("@", "group-"))
        return "/etc/security/limits.d/%s.conf" % (self.name or "prov-" + made)

    def label(self) -> str:
        return "limits of %s" % self.domain

    def validate(self) -> None:
        if not isinstance(self.domain, str) or not DOMAIN.match(self.domain):
            raise ValueError("%r is neither a user, nor @group, nor * (limits.conf(5))" % (self.domain,))
        if self.name:
            check_file_name(self.name)
        for item, value in dict(self.values or {}).items():
            if item not in ITEMS:
                raise ValueError("%r is not one of %s" % (item, ", ".join(ITEMS)))
            both = value if isinstance(value, (tuple, list)) else (value, value)
            if len(both) != 2 or not all(is_limit(v) for v in both):
                raise ValueError('%s: %r is neither a number, "unlimited", nor (soft, hard)' % (item, value))
            soft, hard = both
            if isinstance(soft, int) and isinstance(hard, int) and soft > hard >= 0:
                raise ValueError("%s: the soft limit %d is above the hard one %d" % (item, soft, hard))

    def check(self, host: "System") -> Diff:
        if not self.values:
            return check_gone(host, self.path)
        return self._file().check(host) or Diff.none("has these limits")

    def apply(self, host: "System", diff: Diff) -> None:
        if self.values:
            put(host, self._file())
        else:
            host.files.remove(self.path)

    def fingerprint(self, host: "System") -> str:
        return self._file().fingerprint(host)

    def _file(self) -> File:
        lines: List[str] = []
        for item, value in dict(self.values or {}).items():
            both = zip(("soft", "hard"), value) if isinstance(value, (tuple, list)) else [("-", value)]
            lines += ["%s %s %s %s\n" % (self.domain, kind, item, each) for kind, each in both]
        return File(self.path, HEADER + "".join(lines), mode=0o644, owner="root", group="root")


limits = step(Limits)


def is_limit(value: object) -> bool:
    """Whether limits.conf(5) has such a value."""
    if isinstance(value, int):
        return not isinstance(value, bool) and value >= -20
    return value in ("unlimited", "infinity")
