"""The `prov` command: finds the subcommand, maps errors to exit statuses. The only place that exits.

Exit status: 0 done or in sync; 1 a step or host failed; 2 usage or configuration; 3 `plan` found changes;
4 a host could not be reached; 130 interrupted.
"""

from __future__ import annotations

import gc
import importlib
import keyword
import os
import sys
from collections.abc import Callable
from io import StringIO

import click

from provision import __version__
from provision.cli.nearest_names import NearestNames
from provision.cli.options import Invocation
from provision.errors import ConfigErrors, Exit, ProvError, UsageError
from provision.report import formats
from provision.report.screen import say, show_bug

# The module of a command under provision.commands has its name, or is in MODULES; in it, a click command (or group)
# is called as the command is.
# Modules are imported only when asked for, so that `prov --help` costs no SSH library.
COMMANDS: dict[str, str] = {
    "deploy": "Bring hosts to the state that the inventory declares.",
    "plan": "Show what a deploy would change, with diffs; changes nothing.",
    "show": "Show a saved plan.",
    "diff": "Show what differs between two environments.",
    "drift": "List what differs from the inventory, by application and by cause.",
    "status": "Show how applications are doing.",
    "tls": "Show how the certificates of applications are doing, and keep the private CA.",
    "logs": "Show what applications and fronts have logged.",
    "cp": "Copy files to hosts or from them.",
    "open": "Show an application in the browser.",
    "restart": "Restart the processes of applications.",
    "stop": "Stop the processes of applications.",
    "start": "Start the processes of applications.",
    "maintenance": "Have the front answer for applications with 503.",
    "releases": "List the releases of applications, and which can be gone back to.",
    "rollback": "Go back to an earlier release of an application.",
    "resume": "Let deploys to an application through again.",
    "preview": "Serve a branch beside the live application.",
    "lock": "Keep everyone from changing hosts.",
    "unlock": "Lift the lock of hosts.",
    "history": "List what earlier runs changed on hosts.",
    "undo": "Put back what a run changed.",
    "check": "Say what is wrong, without connecting to a host.",
    "hosts": "List the inventory's hosts, groups and variables.",
    "vars": "Show the variables of a host, and where they come from.",
    "vault": "Read, write and change what Ansible Vault encrypts.",
    "secrets": "List the secrets of the inventory, and what uses them.",
    "schema": "Print a JSON schema of the inventory for editors.",
    "ping": "Open a session with each host and say how long it took.",
    "facts": "Print what prov knows about a host.",
    "image": "Make the container image of an application.",
    "kubernetes": "Write manifests of applications for Kubernetes.",
    "run": "Run one command on hosts.",
    "db": "Copy databases of applications between environments.",
    "exec": "Run a command as an application runs.",
    "manage": "Run a command of an application's manage.py.",
    "ssh": "Open a shell on a host.",
    "roles": "List roles, or describe one: parameters, tasks, steps.",
    "init": "Start a project in a new folder.",
    "import": "Write a role that does what a playbook of Ansible does.",
    "new": "Add a role or a step to the project.",
    "completion": "Print the script for shell completion.",
    "test": "Test roles on throwaway hosts, from bare to rebooted.",
    "rehearse": "Try a deploy, a release and a rollback on a throwaway copy of hosts.",
    "lab": "Boot and remove throwaway hosts to try things on.",
    "bundle": "Write one file that brings a host to its state without a controller.",
    "ec2": "Make, list and remove instances of EC2.",
}

#: modules of commands that are not called as the command is
MODULES = {
    **dict.fromkeys(("restart", "stop", "start"), "process_actions"),
    **dict.fromkeys(("lock", "unlock"), "locking"),
    "import": "import_playbook",
    "logs": "log_lines",
    "status": "health",
    "secrets": "secret_list",
    "image": "image_commands",
    "tls": "tls_commands",
    "diff": "environment_differences",
    "db": "database_commands",
    "vars": "host_values",
}


class LazyGroup(NearestNames):
    """A group whose subcommands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"provision.commands.{MODULES.get(cmd_name, cmd_name)}")
        # a word of Python cannot name a function
        command: click.Command = getattr(module, f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


EPILOG = "Example:  prov lab up web1  &&  prov deploy web1"


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="prov")
def cli() -> None:
    """Bring bare hosts to the state in which they serve a Python web application, over SSH."""


def show_error(error: ProvError, out: formats.Format | None = None) -> None:
    """Print an error to stderr: what and where, then, after a blank line, what to do next.

    out: gets the error as well, so that scripts that read JSON see why the summary is missing.
    """
    single = error.errors if isinstance(error, ConfigErrors) else [error]
    if out is not None:
        out.errors(single)
    for e in single:
        say(f"prov: {e}", err=True)
    for hint in dict.fromkeys(e.hint for e in single if e.hint):
        say(f"\n  {hint}", err=True)


def show_usage(error: click.ClickException) -> None:
    """Print what is wrong with a command line, as click does; pasted words may hold escape characters."""
    shown = StringIO()
    error.show(shown)
    say(shown.getvalue().rstrip("\n"), err=True)


def command_line(invocation: Invocation) -> object:
    """Run the command that the arguments of this process name; return its status."""
    return cli.main(standalone_mode=False, obj=invocation)


def main(run: Callable[[Invocation], object] = command_line) -> None:
    """Run the command line, or what a bundle does in its place. Raises SystemExit with its exit status."""
    invocation = Invocation()
    try:
        status = run(invocation)
    except click.exceptions.Abort:
        say("prov: interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except KeyboardInterrupt:
        say("prov: interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except click.ClickException as error:
        out = invocation.out or formats.asked_for(sys.argv[1:])
        if out.FOR_PROGRAMS:
            show_error(UsageError(error.format_message()), out)
        else:
            show_usage(error)
        sys.exit(Exit.USAGE)
    except ProvError as error:
        show_error(error, invocation.out)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # the reader of our output has ended (`prov hosts | head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.FAILED)
    sys.exit(status if isinstance(status, int) else Exit.DONE)


def entry(run: Callable[[Invocation], object] = command_line) -> None:
    """Run `main`, then exit quickly: the entry point of the installed command `prov`.

    Python's own shutdown takes as long as a connection, because it tears down every imported module.
    """
    # most objects made at start-up live to the end: collecting garbage among them took a tenth of the time
    gc.set_threshold(200_000)
    sys.excepthook = show_bug
    try:
        main(run)
    except SystemExit as end:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            # functions registered with atexit are not called
            if folders := sys.modules.get("provision.controller.openssh.client_folders"):
                folders.remove_run_folder()
            os._exit(end.code if isinstance(end.code, int) else Exit.FAILED)
