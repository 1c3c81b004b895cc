"""Common code of commands and scripts: when they run, as which user, what succeeds. Shipped (Python 3.8)."""

import re
import shlex
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, List, Optional, Sequence, Union

from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Change, Diff, Ref, check_path, wanted
from provision.steps.support.environment import revealed_text
from provision.steps.support.foresight import COMMANDS, foresee
from provision.steps.support.user_processes import UserProcess
from provision.system.command_execution import failure

if TYPE_CHECKING:
    from provision.system.command_execution import Result
    from provision.system.host import System


@wanted(kw_only=True)
class Execution(UserProcess):
    """creates: a path that it makes: if the path exists, nothing is done. In its last parts *, ? and [ are
    wildcards, as in a shell: "/opt/tool-*/bin/tool".
    removes: a path that it removes: if the path does not exist, nothing is done. Wildcards work as in
    `creates`.
    unless: argv of a test: if its exit status is 0, nothing is done.
    only_if: argv of a test: if its exit status is not 0, nothing is done. Plans run these tests as well,
    so they must not change anything.
    stamp: a path and its wanted contents: the command runs if the file differs, and the file is written after
    success. Use it for work that brings something up to date, such as a migration of a database.
    recheck: argv of a test that runs if the stamp is up to date: if its exit status is 1, the command runs
    all the same, because its result is no longer up to date. The test runs in the folder "/", and in plans as
    well, so it must not change anything.
    fills: folders whose contents it makes. They belong to prov, and go with the folder once it is no longer
    declared.
    run_on: earlier steps: it runs if one of them changed something, as with `when`.
    reason: why it is right to run every time; required if none of these and no `when` is given.
    until: the condition for success: an exit status, or a regular expression that matches in the output (and
    the exit status is 0). Until then it counts as failed, and is tried again as `retries` and `delay` say.
    user, cwd, environment, stdin: of the process.  Values of environment, and stdin, may be Secrets, which
    are masked wherever they appear.
    credentials: Secrets by name, which the process finds as files in $CREDENTIALS_DIRECTORY, as from
    LoadCredential= in a unit. They are in memory, and only it and what it starts see them. This needs root.
    outcome.stdout and outcome.stderr hold its output.
    """

    creates: str = ""
    removes: str = ""
    unless: Sequence[str] = ()
    only_if: Sequence[str] = ()
    stamp: Sequence[str] = ()
    recheck: Sequence[str] = ()
    fills: Sequence[str] = ()
    run_on: Sequence[Ref] = ()
    reason: str = ""
    until: Union[int, str] = 0
    stdin: Union[str, bytes, Secret] = b""

    DEADLINE = 600.0

    def __post_init__(self) -> None:
        if isinstance(self.run_on, (list, tuple)) and self.run_on:
            # the name that handlers use; the host evaluates `when`
            object.__setattr__(self, "when", (*self.when, *self.run_on))
            object.__setattr__(self, "run_on", ())

    def validate(self) -> None:
        if self.run_on:
            raise ValueError("run_on must be a list of outcomes, not %r" % (self.run_on,))
        conditions = (
            self.creates,
            self.removes,
            self.unless,
            self.only_if,
            self.stamp,
            self.reason,
            self.when,
        )
        if not any(conditions):
            raise ValueError(
                "say when it has to run: creates, removes, unless, only_if, stamp or run_on; or give a reason why it "
                "must run always"
            )
        if self.recheck and not self.stamp:
            raise ValueError("recheck needs a stamp: it runs if the stamp is up to date")
        for what, question in (("unless", self.unless), ("only_if", self.only_if), ("recheck", self.recheck)):
            if question:
                check_argv(question, what)
        if isinstance(self.until, str):
            check_pattern(self.until)
        elif isinstance(self.until, bool) or not isinstance(self.until, int) or not 0 <= self.until < 256:
            raise ValueError("until must be an exit status or a regular expression, not %r" % (self.until,))
        super().validate()
        if not isinstance(self.stdin, (str, bytes, Secret)):
            raise ValueError("stdin must be text, bytes or a Secret, not %r" % (self.stdin,))
        for what, path in (("creates", self.creates), ("removes", self.removes)):
            if path:
                check_path(path, what)
        if self.stamp:
            if len(self.stamp) != 2:
                raise ValueError("stamp must be a path and the text that it shall hold")
            check_path(self.stamp[0], "stamp")
        if isinstance(self.fills, str):
            raise ValueError("fills must be a list of folders, not one text")
        for folder in self.fills:
            check_path(folder, "a folder of fills")

    def shown(self) -> str:
        """Return what runs, as a person would type it."""
        raise NotImplementedError

    def start(self, host: "System", **options: Any) -> "Result":
        """Run it with these options of `execute`."""
        raise NotImplementedError

    def check(self, host: "System") -> Diff:
        made = found(host, self.creates)
        if made:
            return Diff.none("%s exists" % made)
        if self.removes and not found(host, self.removes):
            return Diff.none("%s does not exist" % self.removes)
        stamped = bool(self.stamp) and self._stamped(host) == self.stamp[1]
        if stamped and not self._lost(host):
            return Diff.none("was done for the same state")
        if self.unless and self._ask(host, self.unless) == 0:
            return Diff.none("%s succeeds" % shlex.join(self.unless))
        wanted = self._ask(host, self.only_if) if self.only_if else 0
        if wanted:
            return Diff.none("%s fails" % shlex.join(self.only_if))
        known = self.creates or self.removes or self.unless or self.only_if or self.stamp or self.when
        change = Change(self.label().split(" ")[0], "", self.shown())
        why = "is due again, whatever the stamp says" if stamped else self.reason
        return Diff([change], why=why, maybe=not known or wanted is None)

    def apply(self, host: "System", diff: Diff) -> None:
        for folder in self.fills:
            host.files.filling(folder)
        result = self.start(host, **self.options(host), stdin=self._input())
        foresee(host, COMMANDS, self.label())
        self.scratch.update(stdout=result.stdout, stderr=result.stderr)
        if not host.planned:
            self._judge(result)
            self._refuse_undone(host, result)
        if self.stamp:
            host.files.write(self.stamp[0], self.stamp[1].encode(), 0o644, *host.owner(None, None))

    def _refuse_undone(self, host: "System", result: "Result") -> None:
        """Raise StepError unless the path that it creates exists, and the path that it removes does not."""
        made, left = found(host, self.creates), found(host, self.removes)
        if self.creates and not made:
            raise StepError(
                "the command ended well, but %s does not exist" % self.creates,
                argv=result.argv,
                status=result.status,
                hint="Check that the command creates it.",
            )
        if left:
            raise StepError(
                "the command ended well, but %s still exists" % left,
                argv=result.argv,
                status=result.status,
                hint="Check that the command removes it.",
            )

    def fingerprint(self, host: "System") -> str:
        return self.stamp[1] if self.stamp else ""

    def _judge(self, result: "Result") -> None:
        """Raise StepError unless it succeeded."""
        status = self.until if isinstance(self.until, int) else 0
        if result.status != status:
            expected = "" if status == 0 else ": its exit status is %d, not %d" % (result.status, status)
            raise failure("the command failed" + expected, result)
        if isinstance(self.until, str) and not re.search(self.until, result.stdout):
            hint = "" if self.retries else "If that takes its time, give retries and delay."
            raise failure("nothing in the output matches %r" % self.until, result, hint)

    def _stamped(self, host: "System") -> str:
        path = self.stamp[0]
        # the step now knows the state of what it makes
        host.files.stat(path)
        return host.files.read(path).decode(errors="replace") if host.files.exists(path) else ""

    def _lost(self, host: "System") -> bool:
        """Return whether the recheck says that what the stamp stands for is no longer so."""
        if not self.recheck or not host.runnable(self.recheck[0]) or not self.hands(host):
            return False
        return host.ask(self.recheck, **{**self.options(host), "cwd": "/"}).status == 1

    def _ask(self, host: "System", argv: Sequence[str]) -> Optional[int]:
        """Return the exit status of a test. None in a plan, if what it looks at is only foreseen."""
        if host.planned and not self.there(host, argv):
            return None
        result = host.ask(argv, **self.options(host))
        if result.status == 127 and argv is self.only_if:
            if host.planned:
                return None
            raise failure("only_if can't be asked", result)
        return result.status

    def _input(self) -> bytes:
        return self.stdin if isinstance(self.stdin, bytes) else revealed_text(self.stdin).encode()


def found(host: "System", pattern: str) -> str:
    """Return the path if it exists, else the first path that matches the pattern; "" if none does."""
    if not pattern or host.files.exists(pattern):
        return pattern
    if not set(pattern) & set("*?["):
        return ""
    paths = [""]
    for part in pattern.strip("/").split("/"):
        paths = [
            "%s/%s" % (path, name)
            for path in paths
            for name in (fitting(host, path or "/", part) if set(part) & set("*?[") else [part])
        ]
    return next(filter(host.files.exists, paths), "")


def fitting(host: "System", folder: str, pattern: str) -> List[str]:
    """Return matching names in a folder; a leading dot must be in the pattern, as in a shell."""
    end = host.files.end(folder)
    names = host.files.list(folder) if end is not None and end.kind == "dir" else []
    return [
        name
        for name in names
        if fnmatchcase(name, pattern) and (pattern.startswith(".") or not name.startswith("."))
    ]


def check_argv(argv: Sequence[str], what: str) -> None:
    """Raise ValueError unless argv is a list of words."""
    if any(isinstance(word, Secret) for word in argv):
        raise ValueError(
            "%s must not have a Secret in it: every user of the host sees it there; use environment or stdin"
            % what
        )
    if isinstance(argv, str) or not argv or not all(isinstance(word, str) for word in argv):
        raise ValueError("%s must be a list of words, such as ['ls', '-l']" % what)
    if any("\0" in word for word in argv):
        raise ValueError("%s must not contain NUL" % what)


def check_pattern(pattern: str) -> None:
    """Raise ValueError unless it is a regular expression that does not match everything."""
    try:
        found = re.compile(pattern).search("")
    except re.error as error:
        raise ValueError("until is not a regular expression: %s" % error) from None
    if found:
        raise ValueError("until matches anything: %r" % pattern)
