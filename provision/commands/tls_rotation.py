"""prov tls rotate and prov tls revoke: new keys and certificates on demand."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from provision.cli.changes import change_shown
from provision.cli.of_applications import certificate_issuers, target_and_app
from provision.cli.options import on_several, target_argument
from provision.cli.prepare import Scope, select
from provision.errors import Exit, UsageError
from provision.report.formats import Format

if TYPE_CHECKING:
    from provision.inventory import InventoryHost
    from provision.roles.role_host import Host

#: why no authority can revoke a certificate, by where it is from, and what to do instead
IRREVOCABLE = {
    "private-ca": (
        "a certificate of the private CA, which has no list of revoked ones that clients read",
        "Replace it and its key:  prov tls rotate HOST {app}. Clients take the old one until its date; to have them"
        " refuse it at once, change the key of the private CA:  prov tls ca rotate",
    ),
    "self-signed": (
        "a self-signed certificate, which no authority can revoke",
        "Replace it and its key:  prov tls rotate HOST {app}",
    ),
    "files": (
        "a certificate from your files",
        "Ask the authority that has issued it, replace the files, and deploy.",
    ),
}
REASONS = ("key-compromise", "superseded", "affiliation-changed", "cessation-of-operation", "unspecified")


@click.command(epilog="Example:  prov tls rotate web1 shop")
@target_and_app
def rotate(scope: Scope, out: Format, app: str) -> int:
    """Replace the keys and certificates of applications now, and have their fronts serve the new ones.

    The old ones are served until then, and stay if the new ones can't be had. Without APP, all applications of the
    hosts, and those that they balance; those from files are left alone. TARGET is a host, a group, a glob, or several
    with commas; !x leaves out.

    Exit status: 0 done; 1 a step or host failed; 2 usage or configuration; 4 a host could not be reached.
    """
    hosts = select(scope)
    wanted = {
        host: [each.name for each, issuer in found if issuer != "files"]
        for host, found in certificate_issuers(hosts, app).items()
    }
    if not any(wanted.values()):
        named = f"{app} has its certificate" if app else "these applications have their certificates"
        raise UsageError(f"{named} from files", hint="Replace the files, and deploy: prov deploy HOST")
    return replaced(scope, out, hosts, wanted)


@click.command(epilog="Example:  prov tls revoke web1 shop --reason key-compromise")
@target_argument
@on_several
@click.argument("app")
@click.option(
    "--reason",
    type=click.Choice(REASONS),
    metavar="REASON",
    required=True,
    help=f"What the authority hears: {', '.join(REASONS)}.",
)
def revoke(scope: Scope, out: Format, app: str, reason: str) -> int:
    """Have the ACME authority revoke the certificate of an application, once the host serves another one, with a new
    key.

    If the authority can't be reached, the host tries again automatically. TARGET is a host, a group, a glob, or several
    with commas; !x leaves out.

    Exit status: 0 done; 1 a step or host failed; 2 usage or configuration, or the certificate
    is of another kind; 4 a host could not be reached.
    """
    hosts = select(scope)
    found = certificate_issuers(hosts, app)
    for issuers in found.values():
        for _, issuer in issuers:
            if issuer in IRREVOCABLE:
                what, then = IRREVOCABLE[issuer]
                raise UsageError(f"{app} has {what}", hint=then.format(app=app))
    wanted = {host: [each.name for each, _ in issuers] for host, issuers in found.items()}
    return replaced(scope, out, hosts, wanted, reason)


def replaced(
    scope: Scope,
    out: Format,
    hosts: Sequence[InventoryHost],
    wanted: Mapping[str, Collection[str]],
    reason: str = "",
) -> Exit:
    """Replace keys and certificates. wanted: names of applications, by the host's name."""
    from provision.roles.project import resolve

    assignments = resolve([host for host in hosts if wanted[host.name]], only=["tls"])

    def work(host: Host) -> None:
        from roles.tls.rotation import replaced

        replaced(host, wanted[host.name], revoke=reason)

    return change_shown(scope, out, assignments, work)
