"""Repositories of packages for dnf. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple, Union

from provision.steps.base import Diff, Step, check_text, step, wanted
from provision.steps.dnf import manager
from provision.steps.files import File
from provision.steps.support.repository_files import RepositoryGone, check_one_key, compared, put_in_use
from provision.system.command_execution import Result
from provision.system.packages.dnf_packages import KEYS, REPOSITORIES

if TYPE_CHECKING:
    from provision.system.host import System

#: dnf.conf(5), "repo id"; no ":" or ".", as it is a file's name as well
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
WHERE = ("baseurl", "metalink", "mirrorlist")


@wanted()
class Repository(Step):
    """A repository that dnf takes packages from, with the key that must have signed them.

        dnf_repository.repository(c, "nginx",
                                  baseurl="https://packages.example.org/rhel/$releasever/$basearch/",
                                  key=Path("files/nginx.asc").read_text())

    name: its id, and that of its file: letters, digits, "-" and "_".  title: for people; the name if not
    given.
    baseurl, metalink, mirrorlist: where it is; one of them, http or https, without a password.
    key: the public key that packages are signed with, armored text; written to /etc/pki/rpm-gpg. rpm trusts
    it from the first package on, also for other repositories.  signed_by: or the path of a key on the host.
    signed_metadata: the list of packages must be signed too (repo_gpgcheck); many repositories have no such
    signature.
    enabled: False: dnf uses it only with `--enablerepo`.

    Its metadata is fetched at once; if that fails, the previous state is put back, so that dnf keeps
    working. A plan fetches it as well, into dnf's cache, so that it knows the packages of a repository that
    is only planned.  Source: dnf.conf(5).
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
        if not isinstance(self.key, str):
            raise ValueError("key must be text, an armored public key")
        check_one_key(self.key, self.signed_by)
        if self.title:
            check_text(self.title, "title")

    def check(self, host: "System") -> Diff:
        return compared(host, self._files(), self.signed_by)

    def apply(self, host: "System", diff: Diff) -> None:
        put_in_use(host, self.name, self._files(), lambda: self._fetched(host))

    def fingerprint(self, host: "System") -> str:
        return " ".join(f.fingerprint(host) for f in self._files())

    def _fetched(self, host: "System") -> Optional[Result]:
        return manager(host).fetch_metadata_of(self.name) if self.enabled else None

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
class NoRepository(RepositoryGone):
    """No repository of that name. Packages that came from it stay, and so does rpm's trust in its key.

        dnf_repository.no_repository(c, "nginx")

    Its file goes first, then its key.  Source: dnf.conf(5), "repo id".
    """

    def validate(self) -> None:
        check_repository_name(self.name)

    def paths(self) -> List[str]:
        return [path(self.name), key_path(self.name)]


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
