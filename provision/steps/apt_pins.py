"""Which versions apt prefers: apt_preferences(5). Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Sequence, Union

from provision.steps.base import Diff, Step, wanted
from provision.steps.files import File
from provision.steps.kernel import check_gone, put
from provision.steps.support.package_names import many

if TYPE_CHECKING:
    from provision.system.host import System

FOLDER = "/etc/apt/preferences.d"
#: apt passes over files with other names
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*\Z")
#: names, shell patterns, and regular expressions between slashes; src: is for all of a source package
PACKAGE = re.compile(r"^(src:)?(/\S+/|[A-Za-z0-9*?\[][A-Za-z0-9+.*?\[\]:-]*)\Z")
#: apt passes over a release without one of these letters, and says nothing
PIN = re.compile(r'^(release [anolcvb]=[^,\n"]+(, ?[anolcvb]=[^,\n"]+)*|version \S+|origin "[^"\s]*")\Z')


def path_of(name: str) -> str:
    """Return the path of a pin's file."""
    return "%s/%s.pref" % (FOLDER, name)


def check_name(name: str) -> None:
    """Raise ValueError unless apt reads a file of that name."""
    if not isinstance(name, str) or not NAME.match(name):
        raise ValueError("%r is not a name of letters, digits, '-' and '_'" % (name,))


@wanted()
class Pin(Step):
    """Which version apt prefers of some packages, from now on.

        apt.pin(c, "nginx", ["nginx*", "libnginx-*"], "release n=bookworm-backports", 500)
        apt.pin(c, "not-from-there", "*", 'origin "apt.example.org"', 100)

    name: of its file, NAME.pref in /etc/apt/preferences.d.
    packages: names, shell patterns, or regular expressions between slashes; "*" is all.
    pin: "release n=CODENAME" or "release a=SUITE", "version 1.22.*", or 'origin "HOST"'.
    priority: 1000 and above also replaces a newer installed version; 990 to 999 wins over the default release,
    500 to 989 over other releases, 100 to 499 only over the installed version; below 0 such a version is never
    installed. 0 is not a priority.
    Installed packages change only with the next apt.packages(..., latest=True) or apt.upgrade. Of several pins
    for one package, apt uses the first, by the files' names.
    Source: apt_preferences(5).
    """

    name: str
    packages: Union[str, Sequence[str]]
    pin: str
    priority: int

    def label(self) -> str:
        return "pin %s" % self.name

    def validate(self) -> None:
        check_name(self.name)
        if not isinstance(self.packages, (str, list, tuple)) or not self.packages:
            raise ValueError("packages must be a name or a list of names, not %r" % (self.packages,))
        wrong = [p for p in many(self.packages) if not isinstance(p, str) or not PACKAGE.match(p)]
        if wrong:
            raise ValueError("%r is neither the name of a package nor a pattern of names" % (wrong[0],))
        if not isinstance(self.pin, str) or not PIN.match(self.pin):
            raise ValueError(
                "%r is not a pin such as 'release n=bookworm-backports' or 'version 1.22.*'" % (self.pin,)
            )
        if isinstance(self.priority, bool) or not isinstance(self.priority, int) or not self.priority:
            raise ValueError("priority must be a whole number other than 0, not %r" % (self.priority,))
        if not -32768 <= self.priority <= 32767:
            raise ValueError("priority must be from -32768 to 32767, not %d" % self.priority)

    def check(self, host: "System") -> Diff:
        return self._file().check(host)

    def apply(self, host: "System", diff: Diff) -> None:
        put(host, self._file())

    def fingerprint(self, host: "System") -> str:
        return self._file().fingerprint(host)

    def _file(self) -> File:
        lines = [
            ("Package", " ".join(many(self.packages))),
            ("Pin", self.pin),
            ("Pin-Priority", self.priority),
        ]
        text = "".join("%s: %s\n" % line for line in lines)
        return File(path_of(self.name), text, mode=0o644, owner="root", group="root")


@wanted()
class NoPin(Step):
    """No pin of that name. What is installed stays.

        apt.no_pin(c, "nginx")

    name: of its file.
    """

    name: str

    def label(self) -> str:
        return "no pin %s" % self.name

    def validate(self) -> None:
        check_name(self.name)

    def check(self, host: "System") -> Diff:
        return check_gone(host, path_of(self.name))

    def apply(self, host: "System", diff: Diff) -> None:
        host.files.remove(path_of(self.name))

    def fingerprint(self, host: "System") -> str:
        return "" if host.files.stat(path_of(self.name)) is None else path_of(self.name)
