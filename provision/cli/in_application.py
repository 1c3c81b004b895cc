"""What `prov exec` and `prov manage` share: a command of an application, with a terminal if prov has one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.of_applications import served_apps
from provision.cli.options import F, on_several, target_argument
from provision.cli.prepare import Scope, select
from provision.cli.questions import ask, pass_on_output
from provision.errors import Exit
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.apps.application import Application
    from provision.inventory import InventoryHost
    from provision.roles.role_host import Host

#: ssh(1), "EXIT STATUS": of ssh itself
SSH_FAILED = 255


def application_options(command: F) -> F:
    """TARGET and the options of commands for several hosts, then APP, and --stdin."""
    stdin = click.option("--stdin", is_flag=True, help="Pass on what comes on stdin, to its end.")
    return target_argument(on_several(click.argument("app")(stdin(command))))


def run_of(
    scope: Scope, out: Format, name: str, argv_of: Callable[[Application], Sequence[str]], *, stdin: bool
) -> int:
    """Run a command of an application on its hosts; return the exit status.

    argv_of: its words.  stdin: pass on what comes on stdin, to its end.
    Raises UsageError if a host of the scope has no application of that name.
    """
    hosts = select(scope)
    words = {host: list(argv_of(app)) for host, app in applications(hosts, name).items()}
    given = sys.stdin.buffer.read() if stdin else b""
    terminal = len(hosts) == 1 and not stdin and not out.FOR_PROGRAMS and at_terminal()
    answers: list[str] = []

    def work(host: Host) -> None:
        from provision.steps.application_commands import ApplicationCommand

        argv = words[host.name]
        if terminal:
            answers.append(host.submit(ApplicationCommand(name, argv, terminal=True)).stdout)
        else:
            pass_on_output(host, lambda: host.submit(ApplicationCommand(name, argv, given)))

    from provision.controller.run_options import ASIDE
    from provision.report.output import OutputShown

    status = ask(
        scope,
        out,
        work,
        lambda hosts: OutputShown(named=len(hosts) > 1),
        plan=False,
        opening=ASIDE,
        hosts=hosts,
    )
    return on_terminal(hosts[0], json.loads(answers[0])) if answers and status == Exit.DONE else status


def at_terminal() -> bool:
    """Return whether stdin and stdout of this process are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def applications(hosts: Sequence[InventoryHost], name: str) -> dict[str, Application]:
    """Return the application of that name on each host, by the host's name. Raises UsageError, ConfigErrors."""
    return {host: found[0] for host, found in served_apps(hosts, name).items()}


def on_terminal(host: InventoryHost, argv: Sequence[str]) -> int:
    """Run the host's words at this terminal, by ssh; return the exit status. sudo asks there for its password."""
    from provision.cli.ssh_command import no_client, ssh_argv
    from provision.controller.transport_choice import transport_to
    from provision.roles.reach import login_of, reach

    user = transport_to(reach(host)).user
    sudo = ["sudo", "--"] if login_of(host, user, None).sudo else []
    words = ssh_argv(host, [*sudo, *argv], terminal=True)
    try:
        status = subprocess.run(words, check=False).returncode
    except FileNotFoundError:
        raise no_client() from None
    return Exit.DONE if status == 0 else Exit.UNREACHABLE if status == SSH_FAILED else Exit.FAILED
