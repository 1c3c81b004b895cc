"""Parts of text files that somebody else writes as well. Shipped to hosts (Python 3.8, standard library)."""

import hashlib
import re
from typing import TYPE_CHECKING, Callable, List, Optional, Sequence, Union

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Change, Diff, Step, changes, check_mode, check_path, check_text, step, wanted
from provision.steps.files import File
from provision.steps.support.contents import (
    attributes,
    join,
    kept_mode,
    refuse_gift,
    set_attributes,
    text_change,
    wanted_owner,
)
from provision.steps.support.safeguards import backup_change, check_judge
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.files import Stat
    from provision.system.host import System


@wanted()
class Line(Step):
    """One line of a text file.

    path: of the file; where that is a link, the file that it leads to is edited.
    line: as it shall read; "" with `match` removes lines.  match: a regular expression; the last line in
    which it is found is replaced, and if there is none the line is added at the end (`after`: after the last
    line in which this expression is found).  The file must exist, unless create is set.
    mode, validate_with, backup: as of files.file.
    """

    path: str
    line: str
    match: str = ""
    after: str = ""
    create: bool = False
    mode: Optional[int] = None
    validate_with: Sequence[str] = ()
    backup: bool = False

    def label(self) -> str:
        return "line in %s" % self.path

    def validate(self) -> None:
        import re

        check_path(self.path)
        check_mode(self.mode)
        check_judge(self.validate_with)
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
        refuse_given(self, host, now)
        old, new = self._texts(host)
        content = None if old == new else text_change("content", old, new, self.path)
        mode = attributes(self, host, now, None) if now else []
        backup = backup_change(host, host.files.follow(self.path), content) if self.backup else None
        found = changes(content, backup, *mode)
        return Diff(found) if found else Diff.none("has this line" if self.line else "has no such line")

    def apply(self, host: "System", diff: Diff) -> None:
        # the file that a link leads to is edited, as an editor would; the link stays
        path = host.files.follow(self.path)
        now = host.files.stat(path)
        old, new = self._texts(host)
        if old == new and now is not None:
            set_attributes(self, host, now, path)
            return
        file = File(path, new, mode=self.mode, validate_with=self.validate_with, backup=self.backup)
        file.apply(host, Diff([Change("content")]))

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
class Block(Step):
    """Several lines of a file, between two marks by which they are found again. The rest stays as it is.

        text.block(c, "/etc/hosts.allow", "sshd: 10.0.0.0/8", name="office", create=True)

    path: of the file; where that is a link, the file that it leads to is edited.
    text: the lines; "" removes the block with its marks.
    name: tells this block from others in the same file; it is in the marks ("# BEGIN prov office").
    comment, comment_end: what makes a line a comment in this kind of file ("<!--" and "-->" for XML).
    after: a regular expression: a new block comes after the last line in which it is found; else, and if it is
    found nowhere, at the end.  create: make the file if there is none.
    mode, owner, group, validate_with, backup: as of files.file.
    A block that somebody has cut in half (a mark is missing or doubled) is refused, not guessed at.
    """

    path: str
    text: str
    name: str = "block"
    comment: str = "#"
    comment_end: str = ""
    after: str = ""
    create: bool = False
    mode: Optional[int] = None
    owner: Optional[str] = None
    group: Optional[str] = None
    validate_with: Sequence[str] = ()
    backup: bool = False

    def label(self) -> str:
        return "block %s in %s" % (self.name, self.path)

    def validate(self) -> None:
        check_path(self.path)
        check_mode(self.mode)
        check_judge(self.validate_with)
        check_text(self.name, "name")
        check_text(self.comment, "comment")
        if "\0" in self.text:
            raise ValueError("text must not contain NUL")
        if any(mark in self.text.splitlines() for mark in self._marks()):
            raise ValueError("text must not contain the marks themselves: prov puts them around it")
        try:
            re.compile(self.after)
        except re.error as error:
            raise ValueError("%r is no regular expression: %s" % (self.after, error)) from None

    def check(self, host: "System") -> Diff:
        return check_edit(self, host, "has this block" if self.text else "has no such block")

    def apply(self, host: "System", diff: Diff) -> None:
        edited(self, host).apply(host, diff)

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"

    def unneeded(self) -> bool:
        """Whether a missing file is as good as one without the block."""
        return not self.text

    def edit(self, old: str) -> str:
        """The file's text as wanted. Raises StepError."""
        eol = line_end(old)
        lines = old.split(eol)
        begin, end = self._marks()
        body = [begin, *self.text.replace("\r\n", "\n").rstrip("\n").split("\n"), end] if self.text else []
        at, last = ([n for n, line in enumerate(lines) if line.strip() == mark] for mark in (begin, end))
        if at or last:
            if len(at) != 1 or len(last) != 1 or at[0] > last[0]:
                raise StepError(
                    "%s has the marks of the block %r %d and %d times, not once each and in order"
                    % (self.path, self.name, len(at), len(last)),
                    hint="Put them right, or remove what is left of the block, and run again.",
                )
            lines[at[0] : last[0] + 1] = body
        elif body:
            found = [n + 1 for n, line in enumerate(lines) if self.after and re.search(self.after, line)]
            return insert(lines, found[-1] if found else len(lines), body, eol)
        return eol.join(lines)

    def _marks(self) -> "tuple[str, str]":
        tail = " " + self.comment_end if self.comment_end else ""
        begin, end = ("%s %s prov %s%s" % (self.comment, w, self.name, tail) for w in ("BEGIN", "END"))
        return begin, end


@wanted()
class IniValue(Step):
    """One key of an ini-like file: [section] and key = value. Comments, order and all else stay as they are.

        text.ini_value(c, "/etc/php/8.2/fpm/php.ini", "PHP", "memory_limit", "256M")

    path: of the file; where that is a link, the file that it leads to is edited.
    section: without brackets; "" is what comes before the first one.
    key: as written in the file, case and all.  value: one line, may be a Secret; None removes the key.
    separator: between key and value, for a line that is added; one that is there keeps its own ("=" or ":").
    create: make the file if there is none.  mode, owner, group, validate_with, backup: as of files.file.
    If the section has the key several times, the last stays, as readers of ini files take that one. More
    deeply indented lines that follow a key belong to its value (configparser's rule) and go with it.
    """

    path: str
    section: str
    key: str
    value: Union[str, Secret, None]
    separator: str = " = "
    create: bool = False
    mode: Optional[int] = None
    owner: Optional[str] = None
    group: Optional[str] = None
    validate_with: Sequence[str] = ()
    backup: bool = False

    def label(self) -> str:
        return "%s: [%s] %s" % (self.path, self.section, self.key)

    def validate(self) -> None:
        check_path(self.path)
        check_mode(self.mode)
        check_judge(self.validate_with)
        check_text(self.key, "key")
        if re.search(r"[=:\[\]#;]|^\s|\s$", self.key):
            raise ValueError("key must not contain any of = : [ ] # ; nor begin or end with a space")
        if re.search(r"[\]\n\0]", self.section):
            raise ValueError("section must be a name without brackets: %r" % self.section)
        if self.separator.strip() not in ("=", ":") or "\n" in self.separator:
            raise ValueError("separator must be = or :, with spaces or without")
        text = self.value.reveal() if isinstance(self.value, Secret) else self.value
        if text is not None and re.search(r"[\n\r\0]", text):
            raise ValueError("value must be one line")

    def check(self, host: "System") -> Diff:
        return check_edit(self, host, "has this value" if self.value is not None else "has no such key")

    def apply(self, host: "System", diff: Diff) -> None:
        edited(self, host).apply(host, diff)

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self.path) if host.files.exists(self.path) else "absent"

    def unneeded(self) -> bool:
        """Whether a missing file is as good as one without the key."""
        return self.value is None

    def edit(self, old: str) -> str:
        """The file's text as wanted."""
        eol = line_end(old)
        lines = old.split(eol)
        heads = [(n, m.group(1).strip()) for n, m in enumerate(map(HEAD.match, lines)) if m]
        starts = [(-1, ""), *heads]
        parts = [
            range(at + 1, starts[n + 1][0] if n + 1 < len(starts) else len(lines))
            for n, (at, name) in enumerate(starts)
            if name == self.section and (at >= 0 or not self.section)
        ]
        pattern = re.compile(r"^([ \t]*%s)([ \t]*[=:][ \t]*)?(.*)$" % re.escape(self.key))
        found = [n for part in parts for n in part if self._is_key(pattern, lines[n])]
        value = self.value.reveal() if isinstance(self.value, Secret) else self.value
        new: List[Optional[str]] = list(lines)
        for n in found:
            for below in range(n, n + 1 + continued(lines, n)):
                new[below] = None
        if value is not None and found:
            match = pattern.match(lines[found[-1]])
            assert match  # found by it
            new[found[-1]] = match.group(1) + (match.group(2) or self.separator) + value
            same = match.group(2) is not None and match.group(3).rstrip() == value
            if same and len(found) == 1 and not continued(lines, found[0]):
                return old
        kept = [line for line in new if line is not None]
        if value is None or found:
            return eol.join(kept)
        line = self.key + self.separator + value
        if not parts:
            gap = [""] if kept and any(kept) else []
            return insert(kept, len(kept), [*gap, "[%s]" % self.section, line], eol)
        at = parts[-1].stop
        while at > parts[-1].start and not kept[at - 1].strip():
            at -= 1
        return insert(kept, at, [line], eol)

    def _is_key(self, pattern: "re.Pattern[str]", line: str) -> bool:
        match = pattern.match(line)
        return match is not None and (match.group(2) is not None or not match.group(3).strip())


HEAD = re.compile(r"^\s*\[([^\]]*)\]")

line = step(Line)
block = step(Block)
ini_value = step(IniValue)


# -- shared by the steps above


def edited(s: "Union[Block, IniValue]", host: "System") -> File:
    """The file as it should be; of a link that which it leads to, as an editor would. Raises StepError."""
    path = host.files.follow(s.path)
    now = host.files.stat(path)
    if now is not None and now.kind != "file":
        raise StepError("%s is a %s, not a file" % (s.path, now.kind))
    refuse_given(s, host, now)
    old = host.files.read(path) if now is not None else b""
    edit: Callable[[str], str] = s.edit
    source = Source.of(edit(old.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"))
    source.secret = isinstance(getattr(s, "value", None), Secret)
    return File(
        path,
        source,
        mode=s.mode,
        owner=s.owner,
        group=s.group,
        validate_with=s.validate_with,
        backup=s.backup,
    )


def refuse_given(s: "Union[Line, Block, IniValue]", host: "System", now: "Optional[Stat]") -> None:
    """Raise StepError if the edited file would show to others what it holds now."""
    if now is not None:
        mode = kept_mode(now, 0) if s.mode is None else s.mode
        refuse_gift(host, host.files.follow(s.path), now, wanted_owner(s, host, now)[0], mode)


def check_edit(s: "Union[Block, IniValue]", host: "System", why: str) -> Diff:
    """What the edit would change; why: the reason if that is nothing."""
    if not host.files.exists(s.path):
        if s.unneeded():
            return Diff.none("there is no such file")
        if not s.create:
            raise StepError("%s does not exist" % s.path, hint="Pass create=True to make it.")
    return edited(s, host).check(host) or Diff.none(why)


def line_end(text: str) -> str:
    """How lines end in this text."""
    return "\r\n" if "\r\n" in text else "\n"


def insert(lines: List[str], at: int, new: List[str], eol: str) -> str:
    """The text with new lines before the line of that number; its last line gets an end."""
    if lines and not lines[-1]:
        lines = lines[:-1]
    at = min(at, len(lines))
    return eol.join([*lines[:at], *new, *lines[at:], ""])


def continued(lines: List[str], at: int) -> int:
    """How many lines after this one are more deeply indented."""
    indent = len(lines[at]) - len(lines[at].lstrip())
    count = 0
    for line in lines[at + 1 :]:
        if not line.strip() or len(line) - len(line.lstrip()) <= indent:
            break
        count += 1
    return count
