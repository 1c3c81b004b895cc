"""Sudo rules: files in /etc/sudoers.d. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Dict, Optional

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, step, wanted
from provision.steps.files import File
from provision.steps.support.lockout import Guarded

if TYPE_CHECKING:
    from provision.system.host import System

MAIN = "/etc/sudoers"
FOLDER = "/etc/sudoers.d"
#: sudoers(5): sudo silently ignores names with a dot, and those that end in "~"
NAME = re.compile(r"^[A-Za-z0-9_-]+\Z", re.ASCII)
#: sudo before 1.9.1 knows only "#includedir", which is not a comment
INCLUDE = re.compile(r'^(\s*[@#]includedir\s+)"?/etc/sudoers\.d"?[ \t]*$', re.MULTILINE)
#: where the whole configuration is judged; sudo ignores it, like all names with a dot
STAGE = "/etc/sudoers.d/.prov-check"


@wanted()
class Sudoers(Step):
    """Rules for sudo, as a file of their own in /etc/sudoers.d.

        sudoers.sudoers(c, "shop", "shop ALL=(root) NOPASSWD: /usr/bin/systemctl reload nginx")

    name: of the file: letters, digits, "-" and "_" (sudo ignores names with a dot).
    content: lines as in sudoers(5).
    Before the file is in place, visudo judges the whole configuration: /etc/sudoers and all files of the
    folder together with the new one. An alias that two files define would disable sudo for every user. Needs
    sudo on the host: apt.packages(c, "sudo").  Source: sudoers(5), visudo(8).
    """

    name: str
    content: str

    def label(self) -> str:
        return "sudoers %s" % self.name

    def validate(self) -> None:
        check_file_name(self.name)
        if not isinstance(self.content, str) or "\0" in self.content:
            raise ValueError("content must be text without NUL")
        if not self.content.strip():
            raise ValueError("content must not be empty: sudoers.no_sudoers removes a file")

    def check(self, host: "System") -> Diff:
        if not host.files.exists(MAIN):
            raise StepError("this host has no sudo", hint='Add apt.packages(c, "sudo") before this step.')
        if not INCLUDE.search(main_text(host)):
            raise StepError(
                "%s does not read the files of %s" % (MAIN, FOLDER),
                hint='Add "#includedir %s" to its end, with text.line and validate_with visudo.' % FOLDER,
            )
        return self._file().check(host) or Diff.none("is there")

    def apply(self, host: "System", diff: Diff) -> None:
        if host.files.stat(FOLDER) is None:
            host.files.mkdir(FOLDER, 0o750, 0, 0)
        self.scratch.update(judge_whole(host, self.name, self._file()))
        self._file().apply(host, diff)

    def guarded(self, host: "System", diff: Diff) -> Optional[Guarded]:
        return None if host.login == "root" else Guarded(["%s/%s" % (FOLDER, self.name)])

    def fingerprint(self, host: "System") -> str:
        return self._file().fingerprint(host)

    def _file(self) -> File:
        text = self.content.rstrip("\n") + "\n"
        return File("%s/%s" % (FOLDER, self.name), text, mode=0o440, owner="root", group="root")


@wanted()
class NoSudoers(Step):
    """Remove a file from /etc/sudoers.d; visudo first judges what is left.

        sudoers.no_sudoers(c, "shop")

    name: of the file.
    """

    name: str

    def label(self) -> str:
        return "no sudoers %s" % self.name

    def validate(self) -> None:
        check_file_name(self.name)

    def check(self, host: "System") -> Diff:
        if host.files.stat("%s/%s" % (FOLDER, self.name)) is None:
            return Diff.none("there is none")
        return Diff([Change("sudoers", self.name, "")])

    def apply(self, host: "System", diff: Diff) -> None:
        if host.files.exists(MAIN):
            self.scratch.update(judge_whole(host, self.name, None))
        host.files.remove("%s/%s" % (FOLDER, self.name))

    def guarded(self, host: "System", diff: Diff) -> Optional[Guarded]:
        return None if host.login == "root" else Guarded(["%s/%s" % (FOLDER, self.name)])

    def fingerprint(self, host: "System") -> str:
        return "absent" if host.files.stat("%s/%s" % (FOLDER, self.name)) is None else "present"


sudoers = step(Sudoers)
no_sudoers = step(NoSudoers)


def check_file_name(name: str) -> None:
    """Raise ValueError unless sudo reads a file of that name."""
    if not isinstance(name, str) or not NAME.match(name):
        raise ValueError(
            "%r: sudo passes over such a file; name it with letters, digits, '-' and '_', without a dot"
            % (name,)
        )


def main_text(host: "System") -> str:
    """Return the contents of /etc/sudoers."""
    return host.files.read(MAIN).decode("utf-8", "surrogateescape")


def judge_whole(host: "System", name: str, new: Optional[File]) -> Dict[str, str]:
    """Have visudo judge sudoers as it will be: with the new file, or without it (None). Raises StepError.

    Returns what the step says of it: "why", if a plan can't know the verdict.
    """
    if host.files.stat(STAGE) is not None:
        host.files.remove(STAGE)
    host.files.mkdir(STAGE, 0o700, 0, 0)
    try:
        for other in host.files.list(FOLDER):
            path = "%s/%s" % (FOLDER, other)
            end = host.files.end(path)
            if other != name and "." not in other and not other.endswith("~") and end and end.kind == "file":
                host.files.copy(path, "%s/%s" % (STAGE, other), 0o440, 0, 0)
        if new is not None:
            host.files.write("%s/%s" % (STAGE, name), new.source, 0o440, 0, 0)
        main = INCLUDE.sub(lambda m: m.group(1) + STAGE, main_text(host))
        host.files.write(STAGE + "/.main", main.encode("utf-8", "surrogateescape"), 0o440, 0, 0)
        result = host.judged(("visudo", "-c", "-f", STAGE + "/.main"))
        if result is None:
            from provision.system.planned.judging import unknown  # shipped

            return {"why": unknown("visudo")}
        said = [text.replace(STAGE + "/.main", MAIN).replace(STAGE, FOLDER) for text in result[2:4]]
        hint = (
            'Add apt.packages(c, "sudo") before this step.'
            if result.status == 127
            else "Nothing has been changed."
        )
        result._replace(stdout=said[0], stderr=said[1]).require("judging sudoers as it would be", hint)
        return {}
    finally:
        host.files.remove(STAGE)
