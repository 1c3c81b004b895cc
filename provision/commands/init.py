"""prov init: a project to start from."""

from __future__ import annotations

from pathlib import Path

import click

from provision.cli.options import format_option
from provision.cli.skeleton import SKELETON, copy, tell
from provision.errors import UsageError
from provision.report.formats import Format


@click.command(epilog="Example:  prov init hosts  &&  cd hosts  &&  prov lab up web1  &&  prov deploy web1")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@format_option
def init(folder: Path, out: Format) -> None:
    """Start a project in DIR: an inventory, a role with its test, a Vagrantfile, settings.

    DIR must be new or empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} already exists and is not an empty folder", hint="Name a new one.")
    made = []
    for path in sorted(p for p in SKELETON.rglob("*") if p.is_file() and p.suffix != ".pyc"):
        name = path.relative_to(SKELETON).as_posix()
        if name.startswith("steps/"):
            continue  # `prov new step` copies these
        made.append(folder / (".gitignore" if name == "gitignore" else name))
        copy(path, made[-1])
    tell(made, f"cd {folder}  &&  prov lab up web1  &&  prov deploy web1", out)
