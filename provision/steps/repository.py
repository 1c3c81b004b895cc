"""Package repositories for apt. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Sequence, Tuple, Union

from provision.steps.base import Diff, Step, step, wanted
from provision.steps.files import File
from provision.steps.support.repository_files import (
    ARMOR,
    RepositoryGone,
    check_one_key,
    compared,
    put_in_use,
)
from provision.system.packages.apt_packages import SOURCES

if TYPE_CHECKING:
    from provision.system.host import System

KEYS = "/etc/apt/keyrings"
#: sources.list(5): apt ignores files with other names
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]*\Z")
WORD = re.compile(r"^[A-Za-z0-9./_~+-]+\Z")


@wanted()
class Repository(Step):
    """A repository that apt installs packages from, with the key that must have signed it.

        repository.repository(c, "pgdg", "https://apt.example.org/pub/repos/apt", ["bookworm-pgdg"], ["main"],
                              key=Path("files/pgdg.asc").read_text())

    name: of its file: letters, digits, "-" and "_".  uri: http or https, without a password.
    suites: such as ["bookworm"], or one path that ends in "/" (then without components).
    components: such as ["main"].  types: ["deb"], and "deb-src" for sources.
    architectures: such as ["amd64"]; an empty list means those of the host.
    key: the repository's public key, armored text or bytes. It is written to /etc/apt/keyrings and trusted
    for this repository only.  signed_by: instead of a key, the path of a keyring that is already on the host.
    The step fetches and verifies the repository's lists as soon as it is in place. If that fails
    (unreachable, or another key), it restores the previous files, so that apt keeps working.  A plan fetches
    and verifies them as well, into apt's cache, and so knows the packages of a repository that is only
    planned.
    Source: sources.list(5), deb822 format; apt-secure(8).
    """

    name: str
    uri: str
    suites: Sequence[str]
    components: Sequence[str] = ()
    key: Union[str, bytes] = ""
    signed_by: str = ""
    types: Sequence[str] = ("deb",)
    architectures: Sequence[str] = ()

    DEADLINE = 600.0

    def label(self) -> str:
        return "repository %s" % self.name

    def validate(self) -> None:
        check_repository_name(self.name)
        if not re.match(r"^(https?://|file:/)[^\s]+\Z", self.uri):
            raise ValueError("uri must begin with http:// or https://, and have no spaces: %r" % self.uri)
        if re.match(r"^https?://[^/]*@", self.uri):
            raise ValueError("uri must not have a password in it: use a file in /etc/apt/auth.conf.d")
        for what in ("suites", "components", "types", "architectures"):
            words = getattr(self, what)
            if isinstance(words, str) or not all(isinstance(w, str) and WORD.match(w) for w in words):
                raise ValueError("%s must be a list of words, not %r" % (what, words))
        if not self.suites or not self.types or set(self.types) - {"deb", "deb-src"}:
            raise ValueError("suites must not be empty, and types are deb and deb-src")
        exact = [s for s in self.suites if s.endswith("/")]
        if bool(exact) == bool(self.components):
            raise ValueError('components belong to suites, unless the suite is a path that ends in "/"')
        check_one_key(self.key, self.signed_by)

    def check(self, host: "System") -> Diff:
        return compared(host, self._files(), self.signed_by)

    def apply(self, host: "System", diff: Diff) -> None:
        put_in_use(
            host, self.name, self._files(), lambda: host.packages.fetch_lists_of("%s.sources" % self.name)
        )

    def fingerprint(self, host: "System") -> str:
        return " ".join(f.fingerprint(host) for f in self._files())

    def _path(self) -> str:
        return "%s/%s.sources" % (SOURCES, self.name)

    def _files(self) -> List[File]:
        """Return the files, key first: apt must never see the repository without its key."""
        files = []
        keyring = self.signed_by
        if self.key:
            armored = isinstance(self.key, str) or ARMOR.encode() in self.key
            keyring = "%s/%s.%s" % (KEYS, self.name, "asc" if armored else "gpg")
            files.append(File(keyring, self.key, mode=0o644, owner="root", group="root"))
        fields: List[Tuple[str, Sequence[str]]] = [
            ("Types", self.types),
            ("URIs", [self.uri]),
            ("Suites", self.suites),
            ("Components", self.components),
            ("Architectures", self.architectures),
            ("Signed-By", [keyring]),
        ]
        text = "".join("%s: %s\n" % (name, " ".join(words)) for name, words in fields if words)
        return [*files, File(self._path(), text, mode=0o644, owner="root", group="root")]


@wanted()
class NoRepository(RepositoryGone):
    """Remove the repository of that name. Packages that came from it stay.

        repository.no_repository(c, "pgdg")

    The repository's file is removed first, then its keys.  Source: sources.list(5).
    """

    def validate(self) -> None:
        check_repository_name(self.name)

    def paths(self) -> List[str]:
        keys = ["%s/%s.%s" % (KEYS, self.name, ending) for ending in ("asc", "gpg")]
        return ["%s/%s.sources" % (SOURCES, self.name), *keys]


repository = step(Repository)
no_repository = step(NoRepository)


def check_repository_name(name: str) -> None:
    """Raise ValueError unless apt reads a file of that name."""
    if not isinstance(name, str) or not NAME.match(name):
        raise ValueError("%r is not a name of letters, digits, '-' and '_'" % (name,))
