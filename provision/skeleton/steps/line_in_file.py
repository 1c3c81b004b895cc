"""A step of this project."""

from typing import TYPE_CHECKING

from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted

if TYPE_CHECKING:
    from provision.system.host import System


@wanted()
class LineInFile(Step):
    """A line in a file. Describe your step here, with the source of its rules: login.defs(5).

    path: the file on the host. line: its text, without the newline.
    """

    path: str
    line: str

    def label(self) -> str:
        return f"line in {self.path}"

    def validate(self) -> None:
        """Runs on your machine, before anything is sent."""
        check_path(self.path)
        check_text(self.line, "line")

    def check(self, host: "System") -> Diff:
        """Compare, and change nothing. Runs on the host, in each plan and each deploy."""
        if self.line in text_of(host, self.path).splitlines():
            return Diff.none("has it")
        return Diff([Change("line", "", self.line)])

    def apply(self, host: "System", diff: Diff) -> None:
        """Make it so. Runs on the host, if there is a difference."""
        text = text_of(host, self.path)
        if text and not text.endswith("\n"):
            text += "\n"
        now = host.files.end(self.path)
        mode, uid, gid = (now.mode, now.uid, now.gid) if now is not None else (0o644, 0, 0)
        host.files.write(self.path, (text + self.line + "\n").encode(), mode, uid, gid)


def text_of(host: "System", path: str) -> str:
    """Return the file's text, "" if it is missing."""
    return host.files.read(path).decode() if host.files.exists(path) else ""


#: what roles call: line_in_file(c, "/etc/shells", "/usr/bin/fish")
line_in_file = step(LineInFile)
