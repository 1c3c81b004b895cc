"""prov init: an inventory for the application in a folder, or a project to start from."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from provision.cli.options import format_option
from provision.cli.skeleton import SKELETON, copy, tell
from provision.errors import UsageError
from provision.report.formats import Format
from provision.report.screen import say

#: what is made in an application's folder
INVENTORY = Path("inventory/hosts.yml")
FIRST_HOST = "web1"
#: bytes of all files of an application's folder
MOST = 2 << 30


@click.command(epilog="Example:  prov init  &&  prov lab up web1  &&  prov deploy web1")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--host", metavar="NAME", help="Name of the first host: of the lab, or as ssh reaches it. Default: web1."
)
@click.option(
    "--domain", metavar="NAME", help="Name that the application is served under. Default: NAME.test."
)
@format_option
def init(folder: Path, host: str | None, domain: str | None, out: Format) -> None:
    """Write the inventory of the application in DIR, by default this folder.

    What its files say is read, not run: framework, target, settings, static files, processes of a Procfile or a
    docker-compose.yml. At a terminal, prov asks for the rest.

    If DIR is new or empty, start a project in it: an inventory, a role with its test, a Vagrantfile, settings.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} already exists and is not a folder", hint="Name a new one.")
    if not folder.exists() or not any(folder.iterdir()):
        if host or domain:
            raise UsageError(
                f"{folder} holds no application: --host and --domain are for the inventory of one"
            )
        start_project(folder, out)
    else:
        write_inventory(folder.absolute(), host, domain, out)


def start_project(folder: Path, out: Format) -> None:
    """Copy the skeleton of a project."""
    made = []
    for path in sorted(p for p in SKELETON.rglob("*") if p.is_file() and p.suffix != ".pyc"):
        name = path.relative_to(SKELETON).as_posix()
        if name.startswith("steps/"):
            continue  # `prov new step` copies these
        made.append(folder / (".gitignore" if name == "gitignore" else name))
        copy(path, made[-1])
    tell(made, f"cd {folder}  &&  prov lab up web1  &&  prov deploy web1", out)


def write_inventory(folder: Path, host: str | None, domain: str | None, out: Format) -> None:
    """Write the inventory of the application in a folder, and say what is left to its user."""
    from provision.apps.inventory_draft import draft_of
    from provision.apps.inventory_writing import inventory_text
    from provision.apps.project_files import ProjectFiles
    from provision.sources.local_folder import source_entries

    target = folder / INVENTORY
    if target.exists():
        raise UsageError(
            f"{target} already exists", hint="Edit it, or remove it first: nothing is overwritten."
        )
    files = ProjectFiles(folder, [entry[0] for entry in source_entries(folder, MOST)])
    draft = draft_of(files)  # refuse other folders before asking anything
    host = checked(host or asked("First host", FIRST_HOST, out), "host")
    domain = checked(domain or asked("Domain", f"{draft.name}.test", out), "domain")
    target.parent.mkdir(exist_ok=True)
    target.write_text(inventory_text(draft.served_under(domain), host), encoding="utf-8")
    shown = target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target
    out.show([{"event": "file", "path": str(shown)}], [str(shown)])
    out.show({"event": "unclear", "text": text} for text in draft.unclear)
    out.end()
    for text in draft.unclear:
        say(f"left to you: {text}", err=True)
    boot = f"prov lab up {host}  &&  " if "." not in host else ""
    say(f"\nNow:  prov check  &&  {boot}prov deploy {host}", err=True)


def asked(question: str, default: str, out: Format) -> str:
    """What a person answers; the default where none is there."""
    if out.FOR_PROGRAMS or not sys.stdin.isatty():
        return default
    answer: str = click.prompt(question, default=default, err=True)
    return answer


def checked(name: str, what: str) -> str:
    """A name that can stand in the inventory as it is. Raises UsageError."""
    if not re.fullmatch(r"[A-Za-z0-9*]([A-Za-z0-9.-]*[A-Za-z0-9])?", name):
        raise UsageError(
            f"{name!r} cannot be the name of a {what}", hint="Names have letters, digits, '-' and '.'."
        )
    return name
