"""Rotation of log files. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Sequence, Union

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, step, wanted
from provision.steps.files import File
from provision.steps.groups import check_name
from provision.steps.support.rotations import FOLDER, PROGRAM, refuse_duplicates
from provision.system.writers import logrotate_command, logrotate_path

if TYPE_CHECKING:
    from provision.system.host import System

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*\Z")
TIMES = ("hourly", "daily", "weekly", "monthly", "yearly")
SIZE = re.compile(r"^[0-9]+[kMG]?\Z")
CREATE = re.compile(r"^0?[0-7]{3}( [a-z_][\w-]*( [a-z_][\w-]*)?)?\Z")


@wanted()
class Rotation(Step):
    """How log files are rotated: a file in /etc/logrotate.d, checked by `logrotate -d` before it is in place.

        logrotate.rotation(c, "shop", "/var/log/shop/*.log", keep=30,
                           after=[["systemctl", "kill", "-s", "USR1", "shop.service"]])

    name: of the file: letters, digits, "-" and "_".  paths: one or several, absolute; "*" and "?" as in a
    shell. A log that another file rotates is refused with that file's name: logrotate would skip one of the
    two files.
    every: "hourly", "daily", "weekly", "monthly" or "yearly" (hourly needs logrotate itself to run that
    often).
    keep: number of old files.  size: rotate only larger files, such as "100M"; min_size: size and time must
    both be reached.  max_age: days after which old files are removed; 0 is never.
    compress: with gzip; the newest old file stays plain, because the program may still write to it.
    create: mode, owner and group of the new file ("0640 www-data adm"); "" leaves logrotate's default.
    copy: copy and truncate instead of renaming, for programs that can't open their log again; loses what is
    written in between.  user, group: who rotates; needed if the folder is writable by others than root.
    before, after: commands, each a list of words, run once if anything is rotated.
    Needs logrotate on the host: apt.packages(c, "logrotate").  Source: logrotate(8).
    """

    name: str
    paths: Union[str, Sequence[str]]
    every: str = "daily"
    keep: int = 14
    size: str = ""
    min_size: str = ""
    max_age: int = 0
    compress: bool = True
    create: str = ""
    copy: bool = False
    user: str = ""
    group: str = ""
    before: Sequence[Sequence[str]] = ()
    after: Sequence[Sequence[str]] = ()

    def label(self) -> str:
        return "log rotation %s" % self.name

    def validate(self) -> None:
        check_rotation_name(self.name)
        if not self._paths():
            raise ValueError("paths must name at least one log file")
        for path in self._paths():
            check_path(path, "a path")
            logrotate_path(path)
        if self.every not in TIMES:
            raise ValueError("every must be one of %s, not %r" % (", ".join(TIMES), self.every))
        if not isinstance(self.keep, int) or self.keep < 0 or self.max_age < 0:
            raise ValueError("keep and max_age must be 0 or more")
        for size in (self.size, self.min_size):
            if size and not SIZE.match(size):
                raise ValueError("%r is not a size, such as 100k, 100M or 1G" % size)
        if self.size and self.min_size:
            raise ValueError("size and min_size cannot be combined")
        if self.create and not CREATE.match(self.create):
            raise ValueError('create must be like "0640 www-data adm", not %r' % self.create)
        if self.create and self.copy:
            raise ValueError("create and copy cannot be combined: a copied log file stays")
        if bool(self.user) != bool(self.group):
            raise ValueError("user and group must be given together")
        for name in (self.user, self.group):
            if name:
                check_name(name)
        for argv in (*self.before, *self.after):
            if isinstance(argv, str) or not argv:
                raise ValueError("a command must be a list of words, not %r" % (argv,))
            logrotate_command(argv)

    def check(self, host: "System") -> Diff:
        if not host.files.exists(PROGRAM):
            raise StepError(
                "this host has no logrotate", hint='Add apt.packages(c, "logrotate") before this step.'
            )
        refuse_duplicates(host, self._file().path, self._paths())
        return self._file().check(host) or Diff.none("is there, %s, %d are kept" % (self.every, self.keep))

    def apply(self, host: "System", diff: Diff) -> None:
        self._file().noting(self).apply(host, diff)

    def fingerprint(self, host: "System") -> str:
        return self._file().fingerprint(host)

    def _paths(self) -> List[str]:
        return [self.paths] if isinstance(self.paths, str) else list(self.paths)

    def _file(self) -> File:
        words = [self.every, "rotate %d" % self.keep, "missingok", "notifempty"]
        options = (("size", self.size), ("minsize", self.min_size), ("create", self.create))
        words += ["%s %s" % option for option in options if option[1]]
        words += ["maxage %d" % self.max_age] if self.max_age else []
        words += ["compress", "delaycompress"] if self.compress else ["nocompress"]
        words += ["copytruncate"] if self.copy else []
        words += ["su %s %s" % (self.user, self.group)] if self.user else []
        if self.before or self.after:
            words.append("sharedscripts")
        for what, commands in (("prerotate", self.before), ("postrotate", self.after)):
            if commands:
                lines = ["    " + logrotate_command(argv) for argv in commands]
                words += [what, *lines, "endscript"]
        head = "\n".join(map(logrotate_path, self._paths()))
        body = "".join("    %s\n" % word for word in words)
        text = "# written by prov; changes made here are undone\n%s {\n%s}\n" % (head, body)
        # logrotate ignores files that users other than root can write
        return File(
            "%s/%s" % (FOLDER, self.name),
            text,
            mode=0o644,
            owner="root",
            group="root",
            validate_with=[PROGRAM, "-d", "%s"],
        )


@wanted()
class NoRotation(Step):
    """No file of that name in /etc/logrotate.d; the logs themselves stay.

        logrotate.no_rotation(c, "shop")

    name: of the file there.
    """

    name: str

    def label(self) -> str:
        return "no log rotation %s" % self.name

    def validate(self) -> None:
        check_rotation_name(self.name)

    def check(self, host: "System") -> Diff:
        if host.files.stat("%s/%s" % (FOLDER, self.name)) is None:
            return Diff.none("there is none")
        return Diff([Change("log rotation", self.name, "")])

    def apply(self, host: "System", diff: Diff) -> None:
        host.files.remove("%s/%s" % (FOLDER, self.name))

    def fingerprint(self, host: "System") -> str:
        return "absent" if host.files.stat("%s/%s" % (FOLDER, self.name)) is None else "present"


rotation = step(Rotation)
no_rotation = step(NoRotation)


def check_rotation_name(name: str) -> None:
    """Raise ValueError unless it can name a file of logrotate's."""
    if not isinstance(name, str) or not NAME.match(name):
        raise ValueError("%r is not a name of letters, digits, '-' and '_'" % (name,))
