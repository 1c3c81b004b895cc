"""A command as an application's own processes run: by `prov exec` and `prov manage`. Shipped to hosts (Python 3.8)."""

import json
import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Iterator, List, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_text, wanted
from provision.steps.support.execution import check_argv
from provision.system.command_execution import failure

if TYPE_CHECKING:
    from provision.system.host import System

#: settings of a web process's unit that are of its service, and not of how it runs (systemd.service(5))
OF_ITS_SERVICE = re.compile(r"(Type|NotifyAccess|Sockets|RuntimeDirectory|Exec|Kill|Timeout|Restart|X-)")
#: what a unit says of commands in a container of its image
IN_CONTAINER = "X-Prov-Command="
#: where programs are looked for, after the environment's own
PROGRAMS = "/usr/local/bin:/usr/bin:/bin"
#: version of systemd from which systemd-run colours the background
TINTS = 256


@wanted()
class ApplicationCommand(Step):
    """A command with the user, environment, folder and sandbox of an application's release in service.

    app: name of the application.  argv: a list, never a shell line.  stdin: for the command.
    terminal: only say, as JSON in outcome.stdout, with what argv a terminal on the host runs it.
    """

    app: str
    argv: Sequence[str]
    stdin: bytes = b""
    terminal: bool = False

    DEADLINE = 86400.0

    def label(self) -> str:
        return "command of %s" % self.app

    def validate(self) -> None:
        check_text(self.app, "app")
        check_argv(self.argv, "argv")

    def check(self, host: "System") -> Diff:
        return Diff([Change("command", "", self.argv[0])], why="asked for")

    def apply(self, host: "System", diff: Diff) -> None:
        words = [*(terminal(host) if self.terminal else ["--pipe"]), *properties(host, self.app)]
        argv = [
            *("systemd-run", "--quiet", "--wait", "--collect", "--service-type=exec"),
            # in place of the command, which the journal would have
            *("--description=a command of %s" % self.app, *words, "--"),
            # systemd.service(5), "COMMAND LINES": a dollar sign would begin a variable
            *(word.replace("$", "$$") for word in self._started(host)),
        ]
        if self.terminal:
            self.scratch.update(stdout=json.dumps(argv))
            return
        result = host.run(argv, stdin=self.stdin)._replace(argv=self.argv)
        self.scratch.update(stdout=result.stdout, stderr=result.stderr)
        if result.status:
            raise failure("the command failed", result)

    def _started(self, host: "System") -> List[str]:
        """Return the words that start the command: in the release's environment, or in a container of its image."""
        before = in_container(host, self.app)
        if not before:
            return ["/usr/bin/env", *self.argv]
        *options, image = before
        own = ["--tty"] if self.terminal else []
        return [*options, *own, "--entrypoint=" + self.argv[0], image, *self.argv[1:]]


def in_container(host: "System", app: str) -> List[str]:
    """Return the command that its server's unit has for commands in a container, its image last; [] if it has none."""
    instance = in_service(host, app)
    for line in service_lines(host, app, instance):
        if line.startswith(IN_CONTAINER):
            words = shlex.split(line[len(IN_CONTAINER) :])
            return [specified(word.replace("$$", "$"), instance) for word in words]
    return []


def terminal(host: "System") -> List[str]:
    """Return options of systemd-run(1) for a command at a terminal, whose colours stay as they are."""
    found = re.match(r"systemd (\d+)", host.ask(("systemd-run", "--version")).stdout)
    return ["--pty", *(["--background="] if found and int(found.group(1)) >= TINTS else [])]


def properties(host: "System", app: str) -> List[str]:
    """Return options of systemd-run(1) with which a command runs like the web process of the release in service."""
    instance = in_service(host, app)
    lines = list(service_lines(host, app, instance))
    found = ["--property=" + specified(line, instance) for line in lines if not OF_ITS_SERVICE.match(line)]
    path = "/srv/%s/instances/%s/.venv/bin:%s" % (app, instance, PROGRAMS)
    return [*found, "--property=Environment=PATH=" + path]


def service_lines(host: "System", app: str, instance: str) -> Iterator[str]:
    """Yield the settings of the web process's unit that are of its service."""
    section = ""
    for line in host.files.read(unit_file(app, instance)).decode().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and re.match(r"\w", line):
            yield line


def specified(text: str, instance: str) -> str:
    """Return a setting of a unit with its specifiers replaced."""
    return re.sub("%(.)", lambda sign: expanded(sign.group(1), instance), text)


def expanded(letter: str, instance: str) -> str:
    """Return what a specifier stands for. Units of applications have only %i and %%."""
    return instance if letter == "i" else letter


def in_service(host: "System", app: str) -> str:
    """Return an instance of an application's release in service, preferably one that runs.

    Raises StepError if there is none.
    """
    home = "/srv/%s" % app
    current = host.files.stat(home + "/current")
    release = posixpath.basename(current.target) if current is not None else ""
    links = home + "/instances"
    found = []
    for name in host.files.list(links) if release and host.files.exists(links) else []:
        link = host.files.stat("%s/%s" % (links, name))
        ours = link is not None and posixpath.basename(link.target) == release
        if ours and host.files.exists(unit_file(app, name)):
            found.append(name)
    if not found:
        raise StepError(
            "no release of %s is in service on this host" % app,
            hint="Deploy it first: prov deploy HOST",
        )
    return next((name for name in found if runs(host, app, name)), found[0])


def runs(host: "System", app: str, instance: str) -> bool:
    """Return whether the web process of an instance runs."""
    return host.ask(("systemctl", "is-active", "--quiet", "app-%s@%s.service" % (app, instance))).status == 0


def unit_file(app: str, instance: str) -> str:
    """Return the path of the unit of an instance's web process."""
    return "/etc/systemd/system/app-%s@%s.service" % (app, instance)
