"""Parts of text files that others edit as well. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, List, Match, Optional, Sequence, Tuple

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_text, step, wanted
from provision.steps.ini_files import IniValue as IniValue
from provision.steps.support.rows import (
    Row,
    Rows,
    check_expression,
    check_place,
    encoded,
    new_rows,
    place,
    with_ends,
)
from provision.steps.text_edits import check_arguments, check_edit, edited, fingerprint

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class Line(Step):
    r"""A line of a text file. Other lines keep their line ends, marks and bytes; a new line gets the line end
    of its neighbours.

        text.line(c, "/etc/default/ufw", "IPV6=no", match="^IPV6=")
        text.line(c, "/etc/fstab", r"\1,noatime", match=r"^(\S+ /srv ext4 defaults)$", backrefs=True)

    path: of the file; if it is a link, its target is edited.
    line: the wanted line; "" with `match` removes all lines that match.
    match: a regular expression; the last matching line is replaced. If no line matches, the line is added at
    the end.
    after, before: a regular expression: a new line is added after, or before, the last line that matches.
    create: make the file if it does not exist.  mode, validate_with, backup, owner, group: as for files.file.
    first: use the first line that matches match, after or before, instead of the last one.
    backrefs: \1 and \g<name> in `line` stand for the groups of `match`; if no line matches, nothing is added.
    """

    path: str
    line: str
    match: str = ""
    after: str = ""
    create: bool = False
    mode: Optional[int] = None
    validate_with: Sequence[str] = ()
    backup: bool = False
    before: str = ""
    first: bool = False
    backrefs: bool = False
    owner: Optional[str] = None
    group: Optional[str] = None

    def label(self) -> str:
        return "line in %s" % self.path

    def validate(self) -> None:
        check_arguments(self)
        for value in (self.line, self.match, self.after):
            if not isinstance(value, str):
                raise ValueError("line, match and after must be text, not %r" % (value,))
        if re.search(r"[\n\r\0]", self.line):
            raise ValueError("line must be one line, without its end: %r" % self.line)
        if not self.line and not self.match:
            raise ValueError("an empty line needs `match`: the lines to remove")
        check_expression(self.match, "match")
        check_place(self.after, self.before)
        if self.backrefs:
            check_template(self.match, self.line, "line")
        elif self.line and self.match and not re.search(self.match, self.line):
            raise ValueError(
                "match %r is not found in the line itself, so every run would add it again" % self.match
            )

    def check(self, host: "System") -> Diff:
        found = check_edit(self, host, "has this line" if self.line else "has no such line")
        if found and found.changes[0].what == "new file":
            return Diff([Change("content", text=found.changes[0].text)])
        return found

    def apply(self, host: "System", diff: Diff) -> None:
        edited(self, host).noting(self).apply(host, diff)

    def fingerprint(self, host: "System") -> str:
        return fingerprint(self, host)

    def removes(self) -> bool:
        """Return whether a missing file already is as wanted."""
        return not self.line

    def hidden(self) -> bool:
        """Return False: a line never holds a Secret."""
        return False

    def edit(self, old: Rows) -> bytes:
        """Return the file's wanted contents. Raises StepError."""
        rows = list(old.rows)
        found = [n for n, text in enumerate(old.texts) if self.match and re.search(self.match, text)]
        if not self.line:
            return old.data([row for n, row in enumerate(rows) if n not in found])
        if found:
            at = found[0 if self.first else -1]
            rows[at] = rows[at]._replace(text=self._replaced(old.texts[at], len(found)))
        elif not self.backrefs and self.line not in old.texts:
            rows.insert(place(old.texts, self.after, self.before, self.first), Row(self.line))
        return old.data(rows)

    def _replaced(self, text: str, found: int) -> str:
        """Return what becomes of a matching line."""
        if not self.backrefs:
            return self.line
        new = self._expanded(text)
        again = re.search(self.match, new)
        if self._expanded(new) != new if again else found > 1:
            raise StepError(
                "%s: %r would become %r, and the next run would change %s again"
                % (self.path, text, new, "it" if again else "another line"),
                hint="Let `match` find nothing in what it makes, or take text.replace for all of them.",
            )
        return new

    def _expanded(self, text: str) -> str:
        found = re.search(self.match, text)
        return found.expand(self.line) if found else text


@wanted()
class Block(Step):
    """Several lines of a file, between two marks by which prov finds them again. The rest of the file stays.

        text.block(c, "/etc/hosts.allow", "sshd: 10.0.0.0/8", name="office", create=True)

    path: of the file; if it is a link, its target is edited.
    text: the lines, which get the file's line ends; "" removes the block with its marks.
    name: distinguishes this block from others in the same file; it is in the marks ("# BEGIN prov office").
    comment, comment_end: what starts and ends a comment in this kind of file ("<!--" and "-->" for XML).
    after, before: a regular expression: a new block goes after, or before, the last line that matches (first:
    the first one). Without a match it goes to the end.  create: make the file if it does not exist.
    mode, owner, group, validate_with, backup: as for files.file.
    A damaged block (a mark is missing or doubled) is refused; prov does not guess.
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
    before: str = ""
    first: bool = False

    def label(self) -> str:
        return "block %s in %s" % (self.name, self.path)

    def validate(self) -> None:
        check_arguments(self)
        check_text(self.name, "name")
        check_text(self.comment, "comment")
        if not isinstance(self.text, str):
            raise ValueError("text must be text, not %r" % (self.text,))
        if re.search("\0|\r(?!\n)", self.text):
            raise ValueError("text must not contain NUL, nor CR but before LF")
        if any(mark in [line.strip() for line in self._lines()] for mark in self._marks()):
            raise ValueError("text must not contain the marks themselves: prov puts them around it")
        check_place(self.after, self.before)

    def check(self, host: "System") -> Diff:
        return check_edit(self, host, "has this block" if self.text else "has no such block")

    def apply(self, host: "System", diff: Diff) -> None:
        edited(self, host).noting(self).apply(host, diff)

    def fingerprint(self, host: "System") -> str:
        return fingerprint(self, host)

    def removes(self) -> bool:
        """Return whether a missing file already is as wanted."""
        return not self.text

    def hidden(self) -> bool:
        """Return False: a block never holds a Secret."""
        return False

    def edit(self, old: Rows) -> bytes:
        """Return the file's wanted contents. Raises StepError."""
        rows, texts = list(old.rows), old.texts
        begin, end = self._marks()
        body = [begin, *self._lines(), end] if self.text else []
        at, last = ([n for n, line in enumerate(texts) if line.strip() == mark] for mark in (begin, end))
        if at or last:
            if len(at) != 1 or len(last) != 1 or at[0] > last[0]:
                raise StepError(
                    "%s has the marks of the block %r %d and %d times, not once each and in order"
                    % (self.path, self.name, len(at), len(last)),
                    hint="Put them right, or remove what is left of the block, and run again.",
                )
            if not body:
                del rows[at[0] : last[0] + 1]
            elif texts[at[0] + 1 : last[0]] != body[1:-1]:
                rows[at[0] + 1 : last[0]] = [Row(line, rows[at[0]].end) for line in body[1:-1]]
        elif body:
            where = place(texts, self.after, self.before, self.first)
            rows[where:where] = new_rows(body)
        return old.data(rows)

    def _lines(self) -> List[str]:
        return self.text.replace("\r\n", "\n").rstrip("\n").split("\n")

    def _marks(self) -> "tuple[str, str]":
        tail = " " + self.comment_end if self.comment_end else ""
        begin, end = ("%s %s prov %s%s" % (self.comment, w, self.name, tail) for w in ("BEGIN", "END"))
        return begin, end


@wanted()
class Replace(Step):
    r"""Text of a file that matches a regular expression, replaced at every match.

        text.replace(c, "/etc/apt/sources.list", r"^# (deb .* backports .*)$", r"\1")

    path: of the file, which must exist; if it is a link, its target is edited.
    match: a regular expression for the whole text: "^" and "$" match at the start and end of each line, "."
    is any character but a line end, "\n" is a line end, whether or not the file has CRs there.
    by: the replacement; \1 and \g<name> stand for the groups of `match`, "" removes the match.
    after, before: regular expressions that limit the edit: to text after the first match of `after`, and
    before the next match of `before`. If one of them does not match, nothing is replaced.
    mode, owner, group, validate_with, backup: as for files.file.
    The next run must not match the replacement again: such a step fails.
    """

    path: str
    match: str
    by: str
    after: str = ""
    before: str = ""
    mode: Optional[int] = None
    owner: Optional[str] = None
    group: Optional[str] = None
    validate_with: Sequence[str] = ()
    backup: bool = False

    #: the file must exist
    create = False

    def label(self) -> str:
        return "%r in %s" % (self.match, self.path)

    def validate(self) -> None:
        check_arguments(self)
        for what, value in (("match", self.match), ("after", self.after), ("before", self.before)):
            check_expression(value, what)
        if not self.match:
            raise ValueError("match must not be empty")
        if not isinstance(self.by, str) or re.search("\0|\r", self.by):
            raise ValueError("by must be text without NUL and CR: %r" % (self.by,))
        check_template(self.match, self.by, "by")

    def check(self, host: "System") -> Diff:
        return check_edit(self, host, "has nothing to replace")

    def apply(self, host: "System", diff: Diff) -> None:
        edited(self, host).noting(self).apply(host, diff)

    def fingerprint(self, host: "System") -> str:
        return fingerprint(self, host)

    def removes(self) -> bool:
        """Return False: the file must exist."""
        return False

    def hidden(self) -> bool:
        """Return False: a replacement never holds a Secret."""
        return False

    def edit(self, old: Rows) -> bytes:
        """Return the file's wanted contents. Raises StepError."""
        text = "\n".join([*old.texts, ""] if not old.rows or old.rows[-1].end else old.texts)
        found = self._found(text)
        new = with_ends(text, (), self._changes(found))
        if with_ends(new, (), self._changes(self._found(new))) != new:
            raise StepError(
                "%s: what replaces %r would be replaced again by the next run" % (self.path, self.match),
                hint="Let `match` find nothing in what `by` makes, such as by ^ and $ or (?!...).",
            )
        if new == text:
            return old.data(old.rows)
        return encoded(old.mark + with_ends(text, old.rows, self._changes(found)))

    def _found(self, text: str) -> "List[Match[str]]":
        start, stop = 0, len(text)
        if self.after:
            above = re.compile(self.after, re.MULTILINE).search(text)
            if above is None:
                return []
            start = above.end()
        if self.before:
            below = re.compile(self.before, re.MULTILINE).search(text, start)
            if below is None:
                return []
            stop = below.start()
        return list(re.compile(self.match, re.MULTILINE).finditer(text, start, stop))

    def _changes(self, found: "List[Match[str]]") -> "List[Tuple[Tuple[int, int], str]]":
        return [(match.span(), match.expand(self.by)) for match in found]


def check_template(match: str, template: str, what: str) -> None:
    """Raise ValueError unless the replacement refers only to groups of the expression."""
    if not match:
        raise ValueError("backrefs needs `match`, whose groups %s refers to" % what)
    try:
        re.compile("(?:%s)?" % match).match("").expand(template)  # type: ignore[union-attr]
    except (re.error, IndexError) as error:
        raise ValueError("%s %r does not fit the groups of match: %s" % (what, template, error)) from None


line = step(Line)
block = step(Block)
replace = step(Replace)
ini_value = step(IniValue)
