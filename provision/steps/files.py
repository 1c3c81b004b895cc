"""Files, directories and links in the wanted state. Shipped to hosts (Python 3.8, standard library)."""

from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Union

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import (
    Change,
    Diff,
    Step,
    changes,
    check_mode,
    check_names,
    check_path,
    check_text,
    mode_text,
    step,
    wanted,
)
from provision.steps.support.file_changes import (
    DIFF_LIMIT,
    attribute_words,
    attributes,
    keep_source,
    replaced_mode,
    set_attributes,
    size_text,
    text_change,
    wanted_owner,
)
from provision.steps.support.safeguards import backup_change, check_judge, judge, keep_backup
from provision.system.source import Source

if TYPE_CHECKING:
    from typing import Unpack  # novm: for type checkers only

    from provision.steps.on_controller import Host, Outcome, StepOptions
    from provision.system.host import System
    from provision.system.host_files import Stat


@wanted()
class File(Step):
    """A file with these contents.

    path: absolute.  content: text, bytes, a Secret, or a Source (see `copy` and `template`).
    mode: permission bits; None keeps those of an existing file, and is 0644 (0600 for secrets) for a new
    file.
    owner, group: names; None leaves them, and is the login's own for a new file.
    validate_with: argv that checks the new contents before they are put in place; "%s" in it becomes their
    path. A plan has it check them as well, on files as the deploy finds them, and discards what it writes;
    if packages or commands before this step decide what it says, the plan says that only the deploy can tell.
    backup: keep the old contents beside it, as PATH.20270131T120000Z~ (the time of the copy); the outcome
    names it.
    The file is replaced atomically (rename(2)) after its contents are on disk; its ACL and SELinux label
    stay. A mounted file, such as a container's /etc/hosts, can't be replaced: its contents are overwritten.
    """

    path: str
    content: Union[str, bytes, Secret, Source]
    mode: Optional[int] = None
    owner: Optional[str] = None
    group: Optional[str] = None
    validate_with: Sequence[str] = ()
    backup: bool = False

    DEADLINE = 1800.0

    def __post_init__(self) -> None:
        keep_source(self)

    @property
    def source(self) -> Source:
        assert isinstance(self.content, Source)
        return self.content

    def noting(self, step: Step) -> "File":
        """Have a step say what this file finds out; return the file."""
        vars(self)["_scratch"] = step.scratch
        return self

    def label(self) -> str:
        return "file %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_mode(self.mode)
        check_names(self, "owner", "group")
        if not isinstance(self.content, Source):
            raise ValueError("content must be text, bytes, a Secret or a Source, not %r" % (self.content,))
        check_judge(self.validate_with)

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is None:
            return Diff([self._content_change(host, None), *attributes(self, host, None, self._new_mode())])
        if now.kind == "dir":
            raise StepError(
                "%s is a directory, expected a file" % self.path,
                hint="If nothing in it is needed, remove it with files.absent before this step.",
            )
        content = None
        if now.kind != "file" or host.files.sha256(self.path) != self.source.sha256:
            content = self._content_change(host, now)
        backup = backup_change(host, self.path, content) if self.backup else None
        found = changes(content, backup, *attributes(self, host, now, None))
        return Diff(found) if found else Diff.none("has these contents" + attribute_words(self))

    def apply(self, host: "System", diff: Diff) -> None:
        now = host.files.stat(self.path)
        if (
            now is not None
            and now.kind == "file"
            and not any(c.what in CONTENT_CHANGES for c in diff.changes)
        ):
            set_attributes(self, host, now)
            return
        mode = self.mode if self.mode is not None else replaced_mode(now, self._new_mode())
        uid, gid = wanted_owner(self, host, now)
        if self.validate_with:
            said = judge(host, self.path, self.source, self.validate_with, mode, uid, gid)
            self.scratch.update({"why": said} if said else {})
        if self.backup and now is not None and now.kind == "file":
            keep_backup(host, self.path)
        host.files.write(self.path, self.source, mode, uid, gid)

    def fingerprint(self, host: "System") -> str:
        now = host.files.stat(self.path)
        if now is None or now.kind != "file":
            return "absent"
        return "%s %s" % (host.files.sha256(self.path), mode_text(now.mode))

    def _new_mode(self) -> int:
        if self.mode is not None:
            return self.mode
        return 0o600 if self.source.secret else 0o644

    def _content_change(self, host: "System", now: "Optional[Stat]") -> Change:
        if now is not None and now.kind == "link":
            return Change("link", "-> %s" % now.target, "a file")
        if now is not None and now.kind == "other":
            return Change("kind", "a device, pipe or socket", "a file")
        if self.source.secret:
            return Change("content", "" if now is None else "********", "********")
        size = now.size if now is not None else 0
        what = "content" if now is not None else "new file"
        if self.source.size < 0 or max(size, self.source.size) > DIFF_LIMIT:
            return Change(what, size_text(size) if now else "", size_text(self.source.size))
        old = host.files.read(self.path) if now is not None else b""
        return text_change(what, old, host.fetch(self.source), self.path)


@wanted()
class Directory(Step):
    """A directory.

    path: absolute.  parents: create missing parents, with the same owner and mode 0755.
    mode, owner, group: as for files; by default a new directory gets 0755 and the login's own user.
    """

    path: str
    mode: Optional[int] = None
    owner: Optional[str] = None
    group: Optional[str] = None
    parents: bool = False

    def label(self) -> str:
        return "directory %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_mode(self.mode)
        check_names(self, "owner", "group")

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is None:
            missing = [Change("new directory", "", p) for p in self._missing_parents(host)]
            return Diff(
                [*missing, Change("new directory", "", self.path), *attributes(self, host, None, 0o755)]
            )
        end = host.files.end(self.path)
        if now.kind == "link" and end is not None and end.kind == "dir":
            for change in attributes(self, host, end, None):
                raise StepError(
                    "%s is a link to a directory whose %s is %s, not %s" % (self.path, *change[:3]),
                    hint="Name the link's target, the directory itself: %s." % now.target,
                )
            return Diff.none("is a link to a directory")
        if now.kind != "dir":
            raise StepError(
                "%s is a %s, expected a directory" % (self.path, now.kind),
                hint="If it is not needed, remove it with files.absent before this step.",
            )
        found = attributes(self, host, now, None)
        return Diff(found) if found else Diff.none("is there" + attribute_words(self))

    def apply(self, host: "System", diff: Diff) -> None:
        now = host.files.stat(self.path)
        if now is not None:
            set_attributes(self, host, now)
            return
        uid, gid = wanted_owner(self, host, None)
        for path in self._missing_parents(host):
            host.files.mkdir(path, 0o755, uid, gid)
        host.files.mkdir(self.path, 0o755 if self.mode is None else self.mode, uid, gid)

    def fingerprint(self, host: "System") -> str:
        now = host.files.stat(self.path)
        return "absent" if now is None else "%s %s" % (now.kind, mode_text(now.mode))

    def _missing_parents(self, host: "System") -> List[str]:
        if not self.parents:
            return []
        parts = self.path.strip("/").split("/")[:-1]
        above = ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]
        return [path for path in above if host.files.stat(path) is None]


@wanted()
class Link(Step):
    """A symbolic link at path to target. A file or link at path is replaced atomically."""

    path: str
    target: str

    def label(self) -> str:
        return "link %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_text(self.target, "target")

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is None:
            return Diff([Change("new link", "", "-> %s" % self.target)])
        if now.kind == "dir":
            raise StepError(
                "%s is a directory, expected a link" % self.path,
                hint="If nothing in it is needed, remove it with files.absent before this step.",
            )
        if now.kind != "link":
            return Diff([Change("kind", "a " + now.kind, "-> %s" % self.target)])
        if now.target == self.target:
            return Diff.none("points to %s" % self.target)
        return Diff([Change("target", now.target, self.target)])

    def apply(self, host: "System", diff: Diff) -> None:
        host.files.link(self.path, self.target)

    def fingerprint(self, host: "System") -> str:
        now = host.files.stat(self.path)
        return "absent" if now is None else "%s %s" % (now.kind, now.target)


@wanted()
class Absent(Step):
    """Nothing at path: a file, link or directory, with its contents, is removed. Links are not followed."""

    path: str

    def label(self) -> str:
        return "absent %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        if self.path.strip("/").count("/") == 0:
            raise ValueError("refusing to remove %r, a directory of the root" % self.path)

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is None:
            return Diff.none("is absent")
        return Diff([Change("removed", {"dir": "directory"}.get(now.kind, now.kind), "")])

    def apply(self, host: "System", diff: Diff) -> None:
        host.files.remove(self.path)

    def fingerprint(self, host: "System") -> str:
        return "absent" if host.files.stat(self.path) is None else "present"


@wanted()
class Watched(Step):
    """A file that something else manages, for units that read it: `reload_on=[files.watched(c, path)]`."""

    path: str

    def label(self) -> str:
        return "watched %s" % self.path

    def validate(self) -> None:
        check_path(self.path)

    def check(self, host: "System") -> Diff:
        return Diff.none("is there" if host.files.exists(self.path) else "is not there")

    def apply(self, host: "System", diff: Diff) -> None:
        raise AssertionError("watching changes nothing")

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"


file = step(File)
directory = step(Directory)
link = step(Link)
absent = step(Absent)
watched = step(Watched)


def copy(
    c: "Host",
    origin: Any,
    *,
    to: str,
    mode: Optional[int] = None,
    owner: Optional[str] = None,
    group: Optional[str] = None,
    validate_with: Sequence[str] = (),
    backup: bool = False,
    **options: "Unpack[StepOptions]",
) -> "Outcome":
    """The contents of a local file, at `to`. origin: absolute, or relative to the role's files/ folder.

    mode, owner, group, validate_with, backup: as of files.file.
    Raises ConfigError if there is no such local file.
    """
    import os

    from provision.errors import ConfigError
    from provision.steps.on_controller import role_file

    local = str(role_file(c, "files", str(origin)))
    if not os.path.isfile(local):
        raise ConfigError("there is no local file %s" % local)
    return file(
        c,
        to,
        Source.of_file(local),
        mode=mode,
        owner=owner,
        group=group,
        validate_with=validate_with,
        backup=backup,
        **options,
    )


def template(
    c: "Host",
    name: str,
    /,
    *,
    to: str,
    mode: Optional[int] = None,
    owner: Optional[str] = None,
    group: Optional[str] = None,
    validate_with: Sequence[str] = (),
    backup: bool = False,
    **values: Any,
) -> "Outcome":
    """A rendered Jinja template of the role's templates/ folder at `to`.

    name: of the template in that folder.
    values: names for the template; `c` (the host) is always there. The options of all steps, such as `when`,
    are not among them. Undefined names are errors that name the template's file and line. If it contains a
    Secret, the whole file is treated as one.
    mode, owner, group, validate_with, backup: as of files.file.
    """
    from provision.steps.on_controller import render, role_file

    options = {name: values.pop(name) for name in Step.__dataclass_fields__ if name in values}
    text = render(role_file(c, "templates", name), {"c": c, **values})
    return file(
        c,
        to,
        text,
        mode=mode,
        owner=owner,
        group=group,
        validate_with=validate_with,
        backup=backup,
        **options,
    )


# -- shared by the steps above

#: words under which a File's contents show in its diff
CONTENT_CHANGES = ("content", "new file", "link", "kind")
