"""Repositories of packages for dnf. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple, Union

from provision.agent.commands import failure
from provision.agent.dnf import KEYS, REPOSITORIES
from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted
from provision.steps.dnf import manager
from provision.steps.files import File
from provision.steps.kernel import put
from provision.steps.repository import ARMOR

if TYPE_CHECKING:
    from provision.agent.system import System

#: dnf.conf(5), "repo id"; no ":" or ".", as it is a file's name as well
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
WHERE = ("baseurl", "metalink", "mirrorlist")


@wanted()
class Repository(Step):
    """A repository that dnf takes packages from, with the key that must have signed them.

        dnf_repository.repository(c, "nginx", baseurl="https://packages.example.org/rhel/$releasever/$basearch/",
                                  key=Path("files/nginx.asc").read_text())

    name: its id, and that of its file: letters, digits, "-" and "_".  title: for people; the name if not given.
    baseurl, metalink, mirrorlist: where it is; one of them, http or https, without a password.
    key: the public key that packages are signed with, armored text; written to /etc/pki/rpm-gpg. rpm trusts it from
    the first package on, for packages of other repositories too.  signed_by: or the path of a key on the host.
    signed_metadata: the list of packages has to be signed as well (repo_gpgcheck); many repositories do not do that.
    enabled: False leaves it to `--enablerepo`.

    What it has is fetched as soon as it is there; if that fails, what was there before is put back, so that dnf keeps
    working. A plan fetches it as well, into dnf's cache, so that it knows the packages of a repository that is only
    planned.  Source: dnf.conf(5).
    """

    name: str
    baseurl: str = ""
    metalink: str = ""
    mirrorlist: str = ""
    key: str = ""
    signed_by: str = ""
    signed_metadata: bool = False
    title: str = ""
    enabled: bool = True

    DEADLINE = 600.0

    def label(self) -> str:
        return "repository %s" % self.name

    def validate(self) -> None:
        check_repository_name(self.name)
        given = [what for what in WHERE if getattr(self, what)]
        if len(given) != 1:
            raise ValueError("give one of %s" % ", ".join(WHERE))
        uri = getattr(self, given[0])
        if not isinstance(uri, str) or not re.fullmatch(r"(https?://|file:///)\S+", uri):
            raise ValueError(
                "%s must begin with http:// or https://, and have no spaces: %r" % (given[0], uri)
            )
        if re.match(r"https?://[^/]*@", uri):
            raise ValueError("%s must not have a password in it" % given[0])
        if bool(self.key) == bool(self.signed_by):
            raise ValueError("give one of key and signed_by: an unsigned repository is not taken")
        if self.signed_by:
            check_path(self.signed_by, "signed_by")
        if self.key and (not isinstance(self.key, str) or ARMOR not in self.key):
            raise ValueError("key must be an armored public key (%s)" % ARMOR)
        if self.title:
            check_text(self.title, "title")

    def check(self, host: "System") -> Diff:
        if self.signed_by and not host.files.exists(self.signed_by):
            raise StepError("there is no key %s on this host" % self.signed_by)
        found: List[Change] = []
        for file in self._files():
            found += file.check(host).changes
        return Diff(found) if found else Diff.none("is there")

    def apply(self, host: "System", diff: Diff) -> None:
        files = self._files()
        before = [(f.path, host.files.read(f.path) if host.files.exists(f.path) else None) for f in files]
        for file in files:
            put(host, file)
        if not self.enabled:
            return
        result = manager(host).fetch_metadata_of(self.name)
        if result.status:
            restore(host, before)
            raise failure(
                "the repository %s can't be used" % self.name,
                result,
                "It has been taken away again. Is the address right, and is it signed with this key?",
            )

    def fingerprint(self, host: "System") -> str:
        return " ".join(f.fingerprint(host) for f in self._files())

    def _files(self) -> List[File]:
        """The key first: dnf must never see the repository without it."""
        keys = (
            [File(key_path(self.name), self.key, mode=0o644, owner="root", group="root")] if self.key else []
        )
        fields: Sequence[Tuple[str, Union[str, int]]] = [
            ("name", self.title or self.name),
            *((what, getattr(self, what)) for what in WHERE if getattr(self, what)),
            ("enabled", int(self.enabled)),
            ("gpgcheck", 1),
            ("repo_gpgcheck", int(self.signed_metadata)),
            ("gpgkey", "file://%s" % (self.signed_by or key_path(self.name))),
        ]
        text = "[%s]\n%s" % (self.name, "".join("%s=%s\n" % pair for pair in fields))
        return [*keys, File(path(self.name), text, mode=0o644, owner="root", group="root")]


@wanted()
class NoRepository(Step):
    """No repository of that name. Packages that came from it stay, and so does rpm's trust in its key.

        dnf_repository.no_repository(c, "nginx")

    name: of its file, and of its key.
    """

    name: str

    def label(self) -> str:
        return "no repository %s" % self.name

    def validate(self) -> None:
        check_repository_name(self.name)

    def check(self, host: "System") -> Diff:
        paths = (path(self.name), key_path(self.name))
        found = [Change("removed", p, "") for p in paths if host.files.stat(p) is not None]
        return Diff(found) if found else Diff.none("there is none")

    def apply(self, host: "System", diff: Diff) -> None:
        for change in diff.changes:
            host.files.remove(change.before)

    def fingerprint(self, host: "System") -> str:
        return " ".join(p for p in (path(self.name), key_path(self.name)) if host.files.stat(p) is not None)


repository = step(Repository)
no_repository = step(NoRepository)


def path(name: str) -> str:
    """The file of a repository."""
    return "%s/%s.repo" % (REPOSITORIES, name)


def key_path(name: str) -> str:
    """The file of a repository's key."""
    return "%s/RPM-GPG-KEY-%s" % (KEYS, name)


def check_repository_name(name: str) -> None:
    """Raise ValueError unless a repository can have that name."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ValueError("%r is not a name of letters, digits, '-' and '_'" % (name,))


def restore(host: "System", before: "Sequence[Tuple[str, Optional[bytes]]]") -> None:
    """Put files back as they were."""
    for file, content in reversed(before):
        if content is None:
            host.files.remove(file)
        else:
            host.files.write(file, content, 0o644, *host.owner("root", "root"))
