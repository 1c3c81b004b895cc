"""prov restart, stop and start: the processes of applications."""

from __future__ import annotations

import click

from provision.cli.prepare import Scope
from provision.cli.process_commands import control, process_options
from provision.report.formats import Format


@click.command(epilog="Example:  prov restart web1 shop --process worker")
@process_options
def restart(scope: Scope, out: Format, app: str, process: str) -> int:
    """Restart the processes of applications: the web process, workers and others.

    Connections wait in the socket until then, and requests under way are finished. The web process has to answer
    its health path again. Without APP, all applications of the
    hosts. TARGET is a host, a group, a glob, or several with commas; !x leaves out.

    Exit status: 0 done; 1 a step or host failed; 2 usage or configuration; 4 a host could not be reached.
    """
    return control("restart", scope, out, app, process)


@click.command(epilog="Example:  prov stop web1 shop --process worker")
@process_options
def stop(scope: Scope, out: Format, app: str, process: str) -> int:
    """Stop the processes of applications, and the timers of their jobs.

    The front then answers 502. They start again with `prov start`,
    the next deploy, or when the host boots. Without APP, all applications of the
    hosts. TARGET is a host, a group, a glob, or several with commas; !x leaves out.

    Exit status: 0 done; 1 a step or host failed; 2 usage or configuration; 4 a host could not be reached.
    """
    return control("stop", scope, out, app, process)


@click.command(epilog="Example:  prov start web1 shop --process worker")
@process_options
def start(scope: Scope, out: Format, app: str, process: str) -> int:
    """Start the processes of applications, and the timers of their jobs, that are stopped or have failed.

    The web process has to answer its health path. Without APP, all applications of the
    hosts. TARGET is a host, a group, a glob, or several with commas; !x leaves out.

    Exit status: 0 done; 1 a step or host failed; 2 usage or configuration; 4 a host could not be reached.
    """
    return control("start", scope, out, app, process)
