"""prov tls ca and prov tls client: the private authority, and certificates of people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from provision.cli.authorities import authority_of, target_and_inventory
from provision.cli.nearest_names import NearestNames
from provision.cli.prepare import Scope
from provision.errors import UsageError
from provision.report.formats import Format

#: what to do after each stage of a rotation
DONE = {
    "begin": (
        "clients trust a second key, which does not sign yet",
        "Deploy every host, and give people `prov tls ca export`. Then: prov tls ca rotate TARGET --switch",
    ),
    "switch": (
        "the new key signs; the old one is removed, and its certificates are still trusted",
        "Deploy every host: it gets new certificates. Then: prov tls ca rotate TARGET --finish",
    ),
    "finish": (
        "clients trust the new key alone",
        "Deploy every host, and give people `prov tls ca export`.",
    ),
}


@click.group(cls=NearestNames, epilog="Example:  prov tls ca export web1 > ca.crt")
def ca() -> None:
    """Hand out the certificate of the private CA, or change its key."""


@ca.command(epilog="Example:  prov tls ca export web1 > ca.crt")
@target_and_inventory
def export(target: str, inventory: Sequence[str], out: Format) -> None:
    """Print what clients have to trust, in PEM: the certificate of the private CA, two of them while its key changes.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out. Connects to no host.

    Exit status: 0 printed; 1 the private CA can't be read; 2 usage or configuration.
    """
    authority = authority_of(Scope(target, inventory))
    if not authority.exists():
        raise UsageError(
            "there is no private CA yet", where=str(authority.folder), hint="The first deploy makes it."
        )
    text = authority.certificate_path.read_text(encoding="ascii")
    path = str(authority.certificate_path)
    out.show([{"event": "authority", "file": path, "certificates": text}], text.splitlines())
    out.end()


@ca.command(epilog="Example:  prov tls ca rotate all")
@target_and_inventory
@click.option("--switch", "stage", flag_value="switch", help="Second: have the new key sign.")
@click.option("--finish", "stage", flag_value="finish", help="Third: trust the old key no longer.")
def rotate(target: str, inventory: Sequence[str], out: Format, stage: str | None) -> None:
    """Change the key of the private CA in three stages, with a deploy of every host after each.

    Clients trust two keys in between, so no connection fails. A stage that is not the next one is refused. Changes
    files on this machine only.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out. Their private CA is the one that changes.

    Exit status: 0 done; 1 the stage is not the next one, or the key can't be read; 2 usage or configuration.
    """
    from provision.apps import authority_rotation

    authority = authority_of(Scope(target, inventory))
    step = stage or "begin"
    getattr(authority_rotation, step)(authority)
    did, then = DONE[step]
    event = {"event": "authority", "file": str(authority.certificate_path), "did": step}
    out.show([event], [f"{authority.folder}: {did}", then])
    out.end()


@ca.command(epilog="Example:  prov tls ca intermediate all")
@target_and_inventory
@click.option(
    "--days", type=click.IntRange(1, 3650), default=1825, show_default=True, help="Lifetime in days."
)
def intermediate(target: str, inventory: Sequence[str], out: Format, days: int) -> None:
    """Make an intermediate of the private CA, which signs from now on: ca.key may then be kept elsewhere, offline.

    Hosts serve their certificates together with that of the intermediate, and clients trust ca.crt as before. The next
    deploy of each host replaces its certificates. ca.key is needed again for another intermediate, which the same
    command makes before this one ends; `prov tls ca rotate` makes one of the new key. Changes files on this machine
    only.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out. Their private CA is the one that changes.

    Exit status: 0 done; 1 ca.key can't be read, or ca.crt permits no intermediate; 2 usage or configuration.
    """
    from provision.apps import intermediates

    authority = authority_of(Scope(target, inventory))
    authority.make()
    until = intermediates.make_intermediate(authority, days)
    event = {"event": "authority", "file": str(authority.issuing_path), "did": "intermediate", "until": until}
    did = f"{authority.folder}: an intermediate signs, until {until}"
    then = f"Deploy every host. Then keep {authority.key_path.name} elsewhere, in two places."
    out.show([event], [did, then])
    out.end()


@click.command(epilog="Example:  prov tls client web1 ann --to ~/certificates")
@target_and_inventory
@click.argument("name")
@click.option("--to", "folder", type=click.Path(path_type=Path), default=Path(), help="Folder of both files.")
@click.option("--days", type=click.IntRange(1, 398), default=90, show_default=True, help="Lifetime in days.")
def client(target: str, inventory: Sequence[str], out: Format, name: str, folder: Path, days: int) -> None:
    """Make a key and a certificate of the private CA by which a person is known to applications with
    `auth: {by: certificate}`: NAME.key and NAME.crt.

    TARGET is a host, a group, a glob, or several with commas; !x leaves out. Connects to no host. An application lets
    NAME in if its `auth` lists it.

    Exit status: 0 done; 1 the private CA can't be read; 2 usage or configuration, or a file exists.
    """
    from provision.apps.authority_files import PEOPLE, ClientIdentity, write_whole
    from provision.apps.client_certificates import client_pair
    from provision.apps.settings import PERSON

    if not PERSON.fullmatch(name):
        raise UsageError(f"NAME must be small letters, digits and hyphens, not {name!r}")
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    for path in (key, certificate):
        if path.exists():
            raise UsageError("already exists", where=str(path), hint="Move it, or name another folder: --to")
    if not folder.is_dir():
        raise UsageError("is not a folder", where=str(folder), hint=f"Make it: mkdir {folder}")
    authority = authority_of(Scope(target, inventory))
    authority.make()
    private, public = client_pair(authority, ClientIdentity(name, PEOPLE), days)
    write_whole(key, private, 0o600)
    write_whole(certificate, public, 0o644)
    event = {"event": "client", "name": name, "key": str(key), "certificate": str(certificate), "days": days}
    out.show([event], [f"{key}", f"{certificate}: for {name}, {days} days"])
    out.end()
