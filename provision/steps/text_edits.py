"""Common code of the steps that edit text files. Shipped (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Optional, Protocol, Sequence

from provision.errors import StepError
from provision.steps.base import Diff, check_mode, check_names, check_path
from provision.steps.files import File
from provision.steps.support.file_changes import refuse_gift, replaced_mode, wanted_owner
from provision.steps.support.rows import Rows, rows_of
from provision.steps.support.safeguards import check_judge
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.host_files import Stat


class Edit(Protocol):
    """A step that changes part of a text file."""

    @property
    def path(self) -> str: ...
    @property
    def create(self) -> bool: ...
    @property
    def mode(self) -> Optional[int]: ...
    @property
    def owner(self) -> Optional[str]: ...
    @property
    def group(self) -> Optional[str]: ...
    @property
    def validate_with(self) -> Sequence[str]: ...
    @property
    def backup(self) -> bool: ...

    def edit(self, old: Rows) -> bytes:
        """Return the file's wanted contents. Raises StepError."""

    def removes(self) -> bool:
        """Return whether a missing file already is as wanted."""

    def hidden(self) -> bool:
        """Return whether the file must not be shown, because a Secret goes into it."""


def check_arguments(s: Edit) -> None:
    """Raise ValueError unless the arguments that all of these steps take make sense."""
    check_path(s.path)
    check_mode(s.mode)
    check_names(s, "owner", "group")
    check_judge(s.validate_with)


def check_edit(s: Edit, host: "System", why: str) -> Diff:
    """Return what the edit would change; why: the reason for no change. Raises StepError."""
    if not host.files.exists(s.path):
        if s.removes():
            return Diff.none("there is no such file")
        if not s.create:
            raise StepError("%s does not exist" % s.path, hint="Pass create=True to make it.")
    return edited(s, host).check(host) or Diff.none(why)


def edited(s: Edit, host: "System") -> File:
    """Return the file as it should be; for a link, its target, as an editor would. Raises StepError."""
    path = host.files.follow(s.path)
    now = host.files.stat(path)
    if now is not None and now.kind != "file":
        raise StepError(
            "%s is a directory, not a file" % s.path if now.kind == "dir" else "%s is not a file" % s.path
        )
    refuse_given(s, host, now, path)
    old = host.files.read(path) if now is not None else b""
    source = Source.of(s.edit(rows_of(old, s.path)))
    source.secret = s.hidden()
    return File(
        path,
        source,
        mode=s.mode,
        owner=s.owner,
        group=s.group,
        validate_with=s.validate_with,
        backup=s.backup,
    )


def refuse_given(s: Edit, host: "System", now: "Optional[Stat]", path: str) -> None:
    """Raise StepError if the edited file would reveal its current contents to other users."""
    if now is not None:
        mode = replaced_mode(now, 0) if s.mode is None else s.mode
        refuse_gift(host, path, now, wanted_owner(s, host, now)[0], mode)


def fingerprint(s: Edit, host: "System") -> str:
    """Return what a unit that reads the file compares."""
    return host.files.sha256(s.path) if host.files.exists(s.path) else "absent"
