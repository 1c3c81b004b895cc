"""prov import: a role that does what a playbook of Ansible does."""

from __future__ import annotations

from pathlib import Path

import click

from provision.cli.options import format_option
from provision.commands.new import check_name, refuse_existing
from provision.errors import UsageError
from provision.report.formats import Format
from provision.report.screen import say


@click.command("import", epilog="Example:  prov import site.yml --name web  &&  prov plan web1")
@click.argument("playbook", type=click.Path(path_type=Path))
@click.option("--name", metavar="NAME", help="Name of the role. Default: that of the playbook.")
@format_option
def import_(playbook: Path, name: str | None, out: Format) -> None:
    """Write a role that does what PLAYBOOK does, in roles/NAME.

    PLAYBOOK is a playbook, or the folder of a role of Ansible. Its roles and the files that it includes become tasks
    of the role, modules become steps, handlers `reload_on`, loops and conditions Python. What has no counterpart is
    left as a comment with the reason. Nothing of Ansible's is run or changed.
    """
    from provision.inventory import ansible_cfg
    from provision.playbooks.python_layout import identifier
    from provision.playbooks.role_writing import written_role

    if not playbook.exists():
        raise UsageError(
            f"{playbook} does not exist", hint="Name a playbook, or the folder of a role of Ansible."
        )
    chosen = name or identifier(playbook.resolve().stem).strip("_")
    check_name(chosen, "role")
    folder = Path("roles") / chosen
    if folder.exists():
        raise UsageError(f"{folder} already exists", hint="Choose another name: --name NAME")
    role = written_role(playbook, ansible_cfg.read(Path(), "ansible.cfg").roles_path)
    for path, data in role.files.items():
        refuse_existing(folder / path)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    paths = [str(folder / path) for path in role.files]
    out.show(({"event": "file", "path": path} for path in paths), paths)
    left = [
        {"event": "left", "where": where, "task": task, "why": why} for where, task, why in role.count.left
    ]
    out.show(left)
    total = len(role.count.tasks)
    share = f"{100 * role.carried // total} %" if total else "nothing"
    out.show([{"event": "imported", "role": chosen, "tasks": total, "carried": role.carried}])
    out.end()
    for where, task, why in role.count.left:
        say(f"not carried over: {f'{where} ' if where else ''}{task}: {why}", err=True)
    say(f"\n{role.carried} of {total} tasks were carried over ({share}).", err=True)
    say(f"\nNow:  list it in the inventory, roles: [{chosen}], and look:  prov plan HOST", err=True)
