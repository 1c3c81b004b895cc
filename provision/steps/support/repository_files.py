"""Common code of repositories of apt and dnf: files that are restored if they do not work. Shipped."""

from typing import TYPE_CHECKING, Callable, List, Optional, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, wanted
from provision.steps.files import File
from provision.steps.kernel import put
from provision.system.command_execution import Result, failure

if TYPE_CHECKING:
    from provision.system.host import System

ARMOR = "-----BEGIN PGP PUBLIC KEY BLOCK-----"


def check_one_key(key: object, signed_by: str) -> None:
    """Raise ValueError unless exactly one of the two keys is given."""
    if bool(key) == bool(signed_by):
        raise ValueError("give one of key and signed_by: an unsigned repository is not taken")
    if signed_by:
        check_path(signed_by, "signed_by")
    if isinstance(key, str) and key and ARMOR not in key:
        raise ValueError("key must be an armored public key (%s)" % ARMOR)


def compared(host: "System", files: Sequence[File], signed_by: str) -> Diff:
    """Return the changes to a repository's files. Raises StepError if its key does not exist."""
    if signed_by and not host.files.exists(signed_by):
        raise StepError("there is no key %s on this host" % signed_by)
    found: List[Change] = []
    for file in files:
        found += file.check(host).changes
    return Diff(found) if found else Diff.none("is there")


def put_in_use(
    host: "System", name: str, files: Sequence[File], fetch: Callable[[], Optional[Result]]
) -> None:
    """Write a repository's files, in this order, and fetch its lists.

    fetch: returns None if there is nothing to try.  If it fails, the former files are restored, so that other
    repositories keep working, and StepError is raised.
    """
    before = [(f.path, host.files.read(f.path) if host.files.exists(f.path) else None) for f in files]
    for file in files:
        put(host, file)
    result = fetch()
    if result is None or not result.status:
        return
    for path, content in reversed(before):
        if content is None:
            host.files.remove(path)
        else:
            host.files.write(path, content, 0o644, *host.owner("root", "root"))
    raise failure(
        "the repository %s can't be used" % name,
        result,
        "It was removed again. Check its address, and that it is signed with this key.",
    )


@wanted()
class RepositoryGone(Step):
    """name: of its file, and of its key."""

    name: str

    def paths(self) -> List[str]:
        """Return the paths of the repository's files, before its key's."""
        raise NotImplementedError

    def label(self) -> str:
        return "no repository %s" % self.name

    def check(self, host: "System") -> Diff:
        found = [Change("removed", path, "") for path in self._there(host)]
        return Diff(found) if found else Diff.none("there is none")

    def apply(self, host: "System", diff: Diff) -> None:
        for change in diff.changes:
            host.files.remove(change.before)

    def fingerprint(self, host: "System") -> str:
        return " ".join(self._there(host))

    def _there(self, host: "System") -> List[str]:
        return [path for path in self.paths() if host.files.stat(path) is not None]
