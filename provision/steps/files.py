"""Files, directories and links in the wanted state. Shipped to hosts (Python 3.8, standard library)."""

import difflib
import hashlib
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
from provision.steps.source import Source

if TYPE_CHECKING:
    from provision.agent.files import Stat
    from provision.agent.system import System
    from provision.host import Host
    from provision.outcome import Outcome

#: contents larger than this are told apart by hash and size, without a textual diff
DIFF_LIMIT = 512 * 1024
#: lines of a diff that are sent to the controller
DIFF_LINES = 400


@wanted()
class File(Step):
    """A file with these contents.

    path: absolute.  content: text, bytes, a Secret, or a Source (see `copy` and `template`).
    mode: permission bits; None leaves those of an existing file, and is 0644 (0600 for secrets) for a new one.
    owner, group: names; None leaves them, and is the login's own for a new file.
    validate_with: argv to judge the new contents before they are put in place; "%s" in it becomes their path.
    The file is replaced in one step (rename(2)) after its contents are on disk.
    """

    path: str
    content: Union[str, bytes, Secret, Source]
    mode: Optional[int] = None
    owner: Optional[str] = None
    group: Optional[str] = None
    validate_with: Sequence[str] = ()

    DEADLINE = 1800.0

    def __post_init__(self) -> None:
        if isinstance(self.content, (str, bytes, Secret)):
            object.__setattr__(self, "content", Source.of(self.content))

    @property
    def source(self) -> Source:
        assert isinstance(self.content, Source)
        return self.content

    def label(self) -> str:
        return "file %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        check_mode(self.mode)
        check_names(self, "owner", "group")
        if not isinstance(self.content, Source):
            raise ValueError("content must be text, bytes, a Secret or a Source, not %r" % (self.content,))
        if self.validate_with and "%s" not in self.validate_with:
            raise ValueError("validate_with must have %s where the path of the new file goes")

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is None:
            return Diff([self._content_change(host, None), *attributes(self, host, None, self._new_mode())])
        if now.kind == "dir":
            raise StepError(
                "%s is a directory, and a file is wanted there" % self.path,
                hint="If nothing in it is needed, remove it with files.absent before this step.",
            )
        content = None
        if now.kind != "file" or host.files.sha256(self.path) != self.source.sha256:
            content = self._content_change(host, now)
        found = changes(content, *attributes(self, host, now, None))
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
        mode = (
            self.mode
            if self.mode is not None
            else now.mode
            if now and now.kind == "file"
            else self._new_mode()
        )
        uid, gid = wanted_owner(self, host, now)
        if self.validate_with:
            self._judge(host, mode, uid, gid)
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

    def _judge(self, host: "System", mode: int, uid: int, gid: int) -> None:
        """Put the contents beside the file, and have them judged there. Raises StepError."""
        if host.planned:
            return
        beside = self.path + ".prov-check"
        host.files.write(beside, self.source, mode, uid, gid)
        try:
            argv = [beside if word == "%s" else word for word in self.validate_with]
            result = host.ask(argv)
            if result.status and self.source.secret:
                # whoever judges may quote what it does not like
                result = result._replace(stdout="", stderr="(withheld: the file holds a secret)")
            result.require("judging the new %s" % self.path, "The old file is still in place.")
        finally:
            host.files.remove(beside)

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

    path: absolute.  parents: make missing ones above it, with the same owner and mode 0755.
    mode, owner, group: as for files; a new directory gets 0755 and the login's own user if not said.
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
                    hint="Name the directory itself, which is where the link leads to: %s." % now.target,
                )
            return Diff.none("is a link to a directory")
        if now.kind != "dir":
            raise StepError(
                "%s is a %s, and a directory is wanted there" % (self.path, now.kind),
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
    """A symbolic link at path that points to target. A file or link there is replaced in one step."""

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
                "%s is a directory, and a link is wanted there" % self.path,
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
    """Nothing at path: a file or link is removed, a directory with all that is in it. Links are not followed."""

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
class Line(Step):
    """One line of a text file.

    path: of the file; where that is a link, the file that it leads to is edited.
    line: as it shall read; "" with `match` removes lines.  match: a regular expression; the last line in
    which it is found is replaced, and if there is none the line is added at the end (`after`: after the last
    line in which this expression is found).  The file must exist, unless create is set.
    mode: as of `file`.  validate_with: argv to judge the new contents with, as of `file`.
    """

    path: str
    line: str
    match: str = ""
    after: str = ""
    create: bool = False
    mode: Optional[int] = None
    validate_with: Sequence[str] = ()

    def label(self) -> str:
        return "line in %s" % self.path

    def validate(self) -> None:
        import re

        check_path(self.path)
        check_mode(self.mode)
        for value in (self.line, self.match, self.after):
            if not isinstance(value, str):
                raise ValueError("line, match and after must be text, not %r" % (value,))
        if "\n" in self.line or "\0" in self.line:
            raise ValueError("line must be one line: %r" % self.line)
        if not self.line and not self.match:
            raise ValueError("an empty line needs `match`: the lines to remove")
        for expression in (self.match, self.after):
            try:
                re.compile(expression)
            except re.error as error:
                raise ValueError("%r is no regular expression: %s" % (expression, error)) from None
        if self.line and self.match and not re.search(self.match, self.line):
            raise ValueError(
                "match %r is not found in the line itself, so every run would add it again" % self.match
            )

    def check(self, host: "System") -> Diff:
        now = host.files.stat(host.files.follow(self.path))
        if now is None and not self.create:
            if not self.line:
                return Diff.none("there is no such file")
            raise StepError("%s does not exist" % self.path, hint="Pass create=True to make it.")
        if now is not None and now.kind == "dir":
            raise StepError("%s is a directory, not a file" % self.path)
        old, new = self._texts(host)
        content = None if old == new else text_change("content", old, new, self.path)
        mode = attributes(self, host, now, None) if now else []
        found = changes(content, *mode)
        return Diff(found) if found else Diff.none("has this line" if self.line else "has no such line")

    def apply(self, host: "System", diff: Diff) -> None:
        # the file that a link leads to is edited, as an editor would; the link stays
        path = host.files.follow(self.path)
        now = host.files.stat(path)
        old, new = self._texts(host)
        if old == new and now is not None:
            set_attributes(self, host, now, path)
            return
        File(path, new, mode=self.mode, validate_with=self.validate_with).apply(
            host, Diff([Change("content")])
        )

    def fingerprint(self, host: "System") -> str:
        return hashlib.sha256(self._texts(host)[0]).hexdigest()

    def _texts(self, host: "System") -> "tuple[bytes, bytes]":
        import re

        old = host.files.read(self.path) if host.files.exists(self.path) else b""
        # not splitlines(): a form feed or U+2028 ends no line
        raw = old.decode("utf-8", "surrogateescape").split("\n")
        if not raw[-1]:
            raw.pop()
        end = "\r" if raw and raw[0].endswith("\r") else ""
        lines = [line[:-1] if line.endswith("\r") else line for line in raw]
        if not self.line:
            kept = [whole for whole, line in zip(raw, lines) if not re.search(self.match, line)]
            return old, old if kept == raw else join(kept)
        found = [n for n, line in enumerate(lines) if self.match and re.search(self.match, line)]
        if found:
            if lines[found[-1]] == self.line:
                return old, old
            raw[found[-1]] = self.line + end
        elif self.line in lines:
            return old, old
        else:
            anchors = [n for n, line in enumerate(lines) if self.after and re.search(self.after, line)]
            raw.insert(anchors[-1] + 1 if anchors else len(raw), self.line + end)
        return old, join(raw)


@wanted()
class Watched(Step):
    """A file that something else puts there, for units that read it: `reload_on=[files.watched(c, path)]`."""

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
line = step(Line)


def copy(
    c: "Host",
    origin: Any,
    *,
    to: str,
    mode: Optional[int] = None,
    owner: Optional[str] = None,
    group: Optional[str] = None,
    validate_with: Sequence[str] = (),
    when: "Sequence[Outcome]" = (),
) -> "Outcome":
    """A local file's contents at `to`. origin: absolute, or relative to the role's files/ folder.

    Raises ConfigError if there is no such local file.
    """
    import os

    from provision.errors import ConfigError

    local = os.path.join(str(c.role_path), "files", str(origin))
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
        when=when,
    )


def template(
    c: "Host",
    name: str,
    *,
    to: str,
    mode: Optional[int] = None,
    owner: Optional[str] = None,
    group: Optional[str] = None,
    validate_with: Sequence[str] = (),
    when: "Sequence[Outcome]" = (),
    **values: Any,
) -> "Outcome":
    """A rendered Jinja template of the role's templates/ folder at `to`.

    values: names for the template; `c` (the host) is always there. Undefined names are errors that tell the
    template's file and line. If a Secret goes into it, the whole file is treated as one.
    """
    from provision.templates import render

    text = render(c.role_path / "templates" / name, {"c": c, **values})
    return file(c, to, text, mode=mode, owner=owner, group=group, validate_with=validate_with, when=when)


# -- shared by the steps above

#: words under which a File's contents show in its diff
CONTENT_CHANGES = ("content", "new file", "link", "kind")


def attributes(s: Any, host: "System", now: "Optional[Stat]", new_mode: Optional[int]) -> List[Change]:
    """Changes of mode, owner and group; for something new (now is None) only what the step asks for."""
    found = []
    mode = s.mode if s.mode is not None else new_mode
    if mode is not None and (now is None or (now.mode != mode and now.kind != "link")):
        found.append(Change("mode", mode_text(now.mode) if now else "", mode_text(mode)))
    owner, group = getattr(s, "owner", None), getattr(s, "group", None)
    if owner is not None:
        before = host.accounts.user_name(now.uid) if now else ""
        if before != owner:
            found.append(Change("owner", before, owner))
    if group is not None:
        before = host.accounts.group_name(now.gid) if now else ""
        if before != group:
            found.append(Change("group", before, group))
    return found


def wanted_owner(s: Any, host: "System", now: "Optional[Stat]") -> "tuple[int, int]":
    """Ids for a file that is written: as asked for, else as they are, else our own."""
    uid, gid = host.owner(getattr(s, "owner", None), getattr(s, "group", None))
    if now is not None and now.kind in ("file", "dir"):
        uid = now.uid if getattr(s, "owner", None) is None else uid
        gid = now.gid if getattr(s, "group", None) is None else gid
    return uid, gid


def set_attributes(s: Any, host: "System", now: "Stat", path: str = "") -> None:
    """Change mode, owner and group of what is at path, or the step's own, to what the step asks for. Owner
    first: chown(2) drops set-user-ID bits."""
    path = path or s.path
    owner, group = getattr(s, "owner", None), getattr(s, "group", None)
    if owner is not None or group is not None:
        uid = now.uid if owner is None else host.accounts.uid(owner)
        gid = now.gid if group is None else host.accounts.gid(group)
        if (uid, gid) != (now.uid, now.gid):
            host.files.set_owner(path, uid, gid)
    if s.mode is not None:
        host.files.set_mode(path, s.mode)


def attribute_words(s: Any) -> str:
    """What besides contents was found right, for a no-op's reason: ", mode 0644, owner root"."""
    words = [", mode %s" % mode_text(s.mode)] if s.mode is not None else []
    words += [", %s %s" % (what, value) for what in ("owner", "group") if (value := getattr(s, what))]
    return "".join(words)


def text_change(what: str, old: bytes, new: bytes, path: str) -> Change:
    """A unified diff of two contents, or their sizes if one of them is not text."""
    try:
        before, after = old.decode("utf-8").splitlines(), new.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return Change(what, size_text(len(old)), size_text(len(new)))
    if "\0" in "".join(before[:1] + after[:1]):
        return Change(what, size_text(len(old)), size_text(len(new)))
    lines = list(difflib.unified_diff(before, after, path, path, lineterm="", n=3))
    if not lines:
        return Change(what, "line ends or final newline", "")
    if len(lines) > DIFF_LINES:
        left_out = len(lines) - DIFF_LINES
        lines = [*lines[:DIFF_LINES], "... %d more lines" % left_out]
    return Change(what, text="\n".join(lines))


def size_text(size: int) -> str:
    """A number of bytes for people."""
    if size < 0:
        return "made on the controller"
    if size < 10 * 1024:
        return "%d bytes" % size
    return "%d kB" % (size // 1024) if size < 10 * 1024 * 1024 else "%d MB" % (size // 1024 // 1024)


def join(lines: List[str]) -> bytes:
    """Lines as the contents of a text file."""
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")
