"""prov tls: the certificates of applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from provision.cli.nearest_names import NearestNames
from provision.cli.of_applications import certified_apps, target_and_app
from provision.cli.prepare import Scope, select
from provision.cli.questions import ask
from provision.commands.tls_authority import ca, client
from provision.commands.tls_rotation import revoke, rotate
from provision.errors import Exit
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.roles.role_host import Host


@click.group(cls=NearestNames, epilog="Example:  prov tls status web1")
def tls() -> None:
    """Show how the certificates of applications are doing, replace them, and keep the private CA."""


tls.add_command(ca)
tls.add_command(client)
tls.add_command(rotate)
tls.add_command(revoke)


@tls.command(epilog="Example:  prov tls status all --json")
@target_and_app
def status(scope: Scope, out: Format, app: str) -> int:
    """Show the certificates of hosts: days left, issuer, names, serial numbers in the file and as served, next
    renewal, last error. Changes nothing.

    Without APP, all applications of the hosts, and those that they balance. TARGET is a host, a group, a glob, or
    several with commas; !x leaves out.

    Exit status: 0 all is well; 3 something is wrong, such as less than a third of the
    lifetime left; 1 a host failed; 2 usage or configuration; 4 a host could not be
    reached.
    """
    hosts = select(scope)
    wanted = certified_apps(hosts, app)
    wrong: list[str] = []

    def work(host: Host) -> None:
        from provision.controller.events import Answered
        from provision.run.host_answers import answer_of
        from provision.steps.certificate_states import certificate_states
        from provision.system.shapes import having

        found = answer_of(certificate_states(host, wanted[host.name]), having({}))
        problems = [problem for each in found.values() for problem in each["problems"]]
        wrong.extend(problems)
        host.emit(Answered(host.name, "certificates", {"ok": not problems, "certificates": found}))

    from provision.controller.run_options import ASIDE
    from provision.report.certificate_report import CertificatesShown

    shown = [host for host in hosts if wanted.get(host.name)]
    ended = ask(scope, out, work, lambda hosts: CertificatesShown(), plan=False, opening=ASIDE, hosts=shown)
    return Exit.CHANGES if ended == Exit.DONE and wrong else ended
