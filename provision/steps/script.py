"""Scripts that are sent to a host, run there and removed. Shipped to hosts (Python 3.8, standard library)."""

import os
import shlex
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Callable, List, Sequence, Union

from provision.steps.base import step, wanted
from provision.steps.support.execution import Execution, check_argv
from provision.system.source import Source

if TYPE_CHECKING:
    from typing import Concatenate, ParamSpec  # novm: for type checkers only

    from provision.steps.on_controller import Outcome, Steps
    from provision.system.command_execution import Result
    from provision.system.host import System

    P = ParamSpec("P")

#: a tmpfs, not a disk: after a power cut, nothing is left of a script (shm_overview(7))
PLACE = "/dev/shm"
PREFIX = "prov-script-"


@wanted()
class Script(Execution):
    """A script given as text, run on the host by the interpreter that its first line names.

        script.script(c, "#!/bin/sh\\nset -e\\n...", creates="/srv/shop/index")

    content: its text, starting with an interpreter line such as "#!/bin/sh".
    arguments: words for the script.  name: what output calls the script, and its name on the host while it
    runs. The script exists on the host only while it runs, in memory, readable for its user only; a noexec
    mount is not an obstacle. Secrets don't belong in it: pass them as environment or stdin.
    """

    content: Union[str, bytes, Source]
    arguments: Sequence[str] = ()
    name: str = "script"

    def __post_init__(self) -> None:
        if isinstance(self.content, (str, bytes)):
            object.__setattr__(self, "content", Source.of(self.content))

    def label(self) -> str:
        return "script %s" % self.shown()

    def validate(self) -> None:
        if not isinstance(self.content, Source) or self.content.secret or self.content.open is None:
            raise ValueError("content must be text; pass secrets as environment or stdin")
        with self.content.open(b"") as f:
            interpreter(f.readline())
        if self.arguments:
            check_argv(self.arguments, "arguments")
        if not isinstance(self.name, str) or not self.name.strip(".") or set(self.name) & set("/\n\0"):
            raise ValueError("name must be that of a file, not %r" % (self.name,))
        super().validate()

    def shown(self) -> str:
        return shlex.join([self.name, *self.arguments])

    def start(self, host: "System", **options: Any) -> "Result":
        assert isinstance(self.content, Source)
        if host.planned:
            return host.run([self.name])
        text = host.fetch(self.content)
        sweep(host)
        folder = "%s/%s%d-%s" % (PLACE, PREFIX, os.getpid(), token_hex(8))
        path = "%s/%s" % (folder, self.name)
        host.files.mkdir(folder, 0o711, *host.owner(None, None))
        try:
            host.files.write(path, text, 0o500, *host.owner(self.user or None, None), durable=False)
            return host.run([*interpreter(text.split(b"\n", 1)[0]), path, *self.arguments], **options)
        finally:
            host.files.remove(folder)


def sweep(host: "System") -> None:
    """Remove what a killed agent has left: the file name holds the agent's process id."""
    for name in host.files.list(PLACE):
        path = "%s/%s" % (PLACE, name)
        if not name.startswith(PREFIX) or host.files.exists("/proc/" + name[len(PREFIX) :].partition("-")[0]):
            continue
        now = host.files.stat(path)
        if now is not None and now.uid == host.owner(None, None)[0]:
            host.files.remove(path)


def interpreter(line: bytes) -> List[str]:
    """Return an interpreter line's words as execve(2) does: a path, maybe an argument. Raises ValueError."""
    words = line.rstrip(b"\n").decode(errors="replace")
    if words.endswith("\r"):
        raise ValueError("the script has the line ends of DOS, which no interpreter line may have")
    path, _, argument = words[2:].strip(" \t").replace("\t", " ").partition(" ")
    if not words.startswith("#!") or not path.startswith("/"):
        raise ValueError("a script begins with an interpreter line, such as #!/bin/sh, not %r" % words[:80])
    return [path, argument.strip()] if argument.strip() else [path]


def from_file(
    submit: "Callable[Concatenate[Steps, Union[str, bytes, Source], P], Outcome]",
) -> "Callable[Concatenate[Steps, str, P], Outcome]":
    """Return a function that does with a local file what the given one does with a text."""

    def local(c: "Steps", origin: str, /, *args: "P.args", **options: "P.kwargs") -> "Outcome":
        """A local script, run on the host: `script.local(c, "index.sh", arguments=["--all"], reason="...")`.

        origin: absolute, or relative to the role's files/ folder.  The options are those of `script.script`.
        Raises ConfigError if there is no such local file.
        """
        from provision.errors import ConfigError
        from provision.steps.on_controller import role_file

        path = str(role_file(c, "files", origin))
        if not os.path.isfile(path):
            raise ConfigError("there is no local file %s" % path)
        options.setdefault("name", os.path.basename(path))
        return submit(c, Source.of_file(path), *args, **options)

    return local


script = step(Script)
local = from_file(script)
