"""Commands, for what no other step does. Shipped to hosts (Python 3.8, standard library)."""

import shlex
from typing import TYPE_CHECKING, Dict, Mapping, Sequence, Tuple, Union

from provision.agent.commands import failure
from provision.errors import StepError
from provision.secrets import Secret
from provision.steps.base import Change, Diff, Step, check_path, check_text, step, wanted

if TYPE_CHECKING:
    from provision.agent.system import System


@wanted()
class Command(Step):
    """A command, run if it has to be.

    argv: a list, never a shell line.  creates: a path that the command makes: if it is there, nothing is done.
    unless: argv of a question: if its exit status is 0, nothing is done.
    stamp: a path and what it shall hold: the command is run if it holds something else, and it is written
    after success; for commands that make things current, such as a migration of a database.
    reason: why the command is right to run every time, required if none of these is given.
    user, cwd, environment, stdin: of the process.  A value of environment may be a Secret.
    outcome.stdout and outcome.stderr give what it printed.
    """

    argv: Sequence[str]
    creates: str = ""
    unless: Sequence[str] = ()
    stamp: Sequence[str] = ()
    reason: str = ""
    user: str = ""
    cwd: str = "/"
    environment: "Mapping[str, Union[str, Secret]]" = ()  # type: ignore[assignment]
    stdin: Union[str, bytes, Secret] = b""

    DEADLINE = 600.0

    def label(self) -> str:
        shown = shlex.join(self.argv)
        return "command %s" % (shown if len(shown) <= 80 else shown[:77] + "...")

    def validate(self) -> None:
        if isinstance(self.argv, str) or not self.argv or not all(isinstance(a, str) for a in self.argv):
            raise ValueError("argv must be a list of words, such as ['ls', '-l']")
        if any("\0" in a for a in self.argv):
            raise ValueError("argv must not contain NUL")
        if not (self.creates or self.unless or self.stamp or self.reason or self.when):
            raise ValueError(
                "say when it has to run: creates, unless, stamp or when; or give a reason why it must run always"
            )
        if isinstance(self.unless, str):
            raise ValueError("unless must be a list of words")
        check_path(self.cwd, "cwd")
        for name, value in dict(self.environment).items():
            if not isinstance(name, str) or not name or "=" in name or "\0" in name:
                raise ValueError("%r is not the name of an environment variable" % (name,))
            if not isinstance(value, (str, Secret)) or "\0" in (
                value.reveal() if isinstance(value, Secret) else value
            ):
                raise ValueError("environment %s must be text without NUL" % name)
        if self.user:
            check_text(self.user, "user")
        if self.creates:
            check_path(self.creates, "creates")
        if self.stamp:
            if len(self.stamp) != 2:
                raise ValueError("stamp must be a path and the text that it shall hold")
            check_path(self.stamp[0], "stamp")

    def check(self, host: "System") -> Diff:
        if self.creates and host.files.exists(self.creates):
            return Diff.none("%s exists" % self.creates)
        if self.stamp and self._stamped(host) == self.stamp[1]:
            return Diff.none("was done for the same state")
        if self.unless and self._settled(host):
            return Diff.none("%s succeeds" % shlex.join(self.unless))
        maybe = not (self.creates or self.unless or self.stamp or self.when)
        return Diff([Change("command", "", shlex.join(self.argv))], why=self.reason, maybe=maybe)

    def apply(self, host: "System", diff: Diff) -> None:
        result = host.run(self.argv, **self._options(), stdin=self._input())
        object.__setattr__(self, "_streams", (result.stdout, result.stderr))
        if result.status:
            raise failure("the command failed", result)
        if self.creates and not host.planned and not host.files.exists(self.creates):
            raise StepError(
                "the command ended well, but %s does not exist" % self.creates,
                argv=self.argv,
                status=0,
                hint="Is it what the command creates?",
            )
        if self.stamp:
            host.files.write(self.stamp[0], self.stamp[1].encode(), 0o644, *host.owner(None, None))

    def streams(self) -> Tuple[str, str]:
        said: Tuple[str, str] = getattr(self, "_streams", ("", ""))
        return said

    def fingerprint(self, host: "System") -> str:
        return self.stamp[1] if self.stamp else ""

    def _stamped(self, host: "System") -> str:
        path = self.stamp[0]
        return host.files.read(path).decode(errors="replace") if host.files.exists(path) else ""

    def _settled(self, host: "System") -> bool:
        # what a plan has only predicted can't be asked; nothing is settled then
        if not host.runnable(self.unless[0]) or not host.runnable(self.cwd):
            return False
        return host.ask(self.unless, **self._options()).status == 0

    def _options(self) -> Dict[str, object]:
        environment = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in dict(self.environment).items()
        }
        return {"user": self.user, "cwd": self.cwd, "environment": environment}

    def _input(self) -> bytes:
        text = self.stdin.reveal() if isinstance(self.stdin, Secret) else self.stdin
        return text.encode() if isinstance(text, str) else text


command = step(Command)
