"""Locales. Shipped to hosts (Python 3.8, standard library)."""

import posixpath
import re
from typing import TYPE_CHECKING, List, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, step, wanted
from provision.steps.files import File
from provision.steps.support.foresight import foresee, foreseen

if TYPE_CHECKING:
    from provision.system.host import System

GEN = "/etc/locale.gen"
PROGRAM = "/usr/sbin/locale-gen"
SUPPORTED = "/usr/share/i18n/SUPPORTED"
#: Debian's own place, from 13 on a link to the one of all others (systemd 253's changelog there)
DEBIAN = "/etc/default/locale"
DEFAULT = "/etc/locale.conf"
NAME = re.compile(r"^(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?(@[a-z]+)?)(\.[A-Za-z0-9-]+)?(@[a-z]+)?\Z")


@wanted()
class Locale(Step):
    """A locale that programs of this host can use, and their default.

        locale.locale(c, "de_DE.UTF-8")

    name: as in /usr/share/i18n/SUPPORTED: language, country and encoding. "C.UTF-8" is always there.
    default: also make it the host's default: LANG in /etc/default/locale (Debian and Ubuntu) or
    /etc/locale.conf (others), which new sessions get.
    All but C.UTF-8 need a package: on Debian and Ubuntu locales, by which it is generated here; on Fedora and
    Amazon Linux the language's own, such as glibc-langpack-de.
    Source: locale-gen(8), locale.gen(5), locale.conf(5).
    """

    name: str
    default: bool = True

    DEADLINE = 600.0

    def label(self) -> str:
        return "locale %s" % self.name

    def validate(self) -> None:
        if not isinstance(self.name, str) or not NAME.match(self.name):
            raise ValueError("%r is not the name of a locale, such as de_DE.UTF-8" % (self.name,))

    def check(self, host: "System") -> Diff:
        found: List[Change] = []
        if not self._usable(host):
            if host.facts.get("family") != "debian":
                raise StepError(
                    "this host has no locale %s" % self.name,
                    hint="Install the package glibc-langpack-%s before this step."
                    % self.name.split("_")[0].split(".")[0],
                )
            if not host.files.exists(PROGRAM):
                raise StepError(
                    "this host has no locale-gen", hint='Add apt.packages(c, "locales") before this step.'
                )
            self._line(host)
            found += self._gen(host).check(host).changes
            found.append(Change("locale", "", "%s generated" % self.name))
        if self.default:
            found += self._default(host).check(host).changes
        return Diff(found) if found else Diff.none("is the default" if self.default else "can be used")

    def apply(self, host: "System", diff: Diff) -> None:
        if any(c.what == "locale" for c in diff.changes):
            self._write(host, self._gen(host))
            argv = (PROGRAM, "--keep-existing")
            host.run(argv).require("generating the locale %s" % self.name)
            foresee(host, self.label(), "usable")
            if not self._usable(host):
                raise StepError("locale-gen succeeded, but the host still has no locale %s" % self.name)
        if self.default:
            self._write(host, self._default(host))

    def fingerprint(self, host: "System") -> str:
        path = default_file(host)
        return host.files.sha256(path) if self.default and host.files.exists(path) else self.name

    def _write(self, host: "System", file: File) -> None:
        found = file.check(host)
        if found:
            file.apply(host, found)

    def _usable(self, host: "System") -> bool:
        """Whether locale(1) lists it; that writes encodings as "utf8"."""
        if foreseen(host, self.label()):
            return True
        listed = host.ask(("locale", "-a")).stdout.split()
        return folded(self.name) in map(folded, listed)

    def _line(self, host: "System") -> str:
        """ "de_DE.UTF-8 UTF-8", from the list of what glibc can make. Raises StepError."""
        encoding = self.name.split("@")[0].partition(".")[2]
        if not host.files.exists(SUPPORTED) or (host.planned and not host.runnable(SUPPORTED)):
            return "%s %s" % (self.name, encoding or "ISO-8859-1")
        for line in host.files.read(SUPPORTED).decode(errors="replace").splitlines():
            if line.split()[:1] == [self.name]:
                return " ".join(line.split())
        raise StepError(
            "glibc has no locale %r" % self.name, hint="%s on the host lists the available ones." % SUPPORTED
        )

    def _gen(self, host: "System") -> File:
        """locale.gen with the locale's line, uncommented where it stands."""
        line = self._line(host)
        lines = lines_of(host, GEN)
        at = [n for n, old in enumerate(lines) if old.lstrip("# \t").split() == line.split()]
        if at:
            lines[at[0]] = line
        else:
            lines.append(line)
        return file_of(GEN, lines)

    def _default(self, host: "System") -> File:
        path = default_file(host)
        lines = lines_of(host, path)
        at = [n for n, old in enumerate(lines) if re.match(r"\s*LANG=", old)]
        if at and lines[at[-1]].split("=", 1)[1].strip().strip("\"'") == self.name:
            return File(path, host.files.read(path))
        lines = [old for n, old in enumerate(lines) if n not in at]
        return file_of(path, [*lines, "LANG=%s" % self.name])


locale = step(Locale)


def lines_of(host: "System", path: str) -> List[str]:
    """The lines of a file; bytes that are not UTF-8 are kept as surrogates."""
    if not host.files.exists(path):
        return []
    lines = host.files.read(path).decode(errors="surrogateescape").split("\n")
    return lines if lines[-1] else lines[:-1]


def file_of(path: str, lines: Sequence[str]) -> File:
    """The file of such lines."""
    return File(path, "".join(each + "\n" for each in lines).encode(errors="surrogateescape"))


def default_file(host: "System") -> str:
    """Where the host's own locale is said: the file itself, as the link to it has to stay."""
    if host.facts.get("family") != "debian":
        return DEFAULT
    return posixpath.normpath(host.files.follow(DEBIAN))


def folded(name: str) -> str:
    """The name as locale(1) writes it, or nearly: "de_DE.utf8"."""
    head, dot, encoding = name.partition(".")
    encoding, at, rest = encoding.partition("@")
    return head + dot + encoding.lower().replace("-", "") + at + rest
