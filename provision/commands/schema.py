"""prov schema: what editors check an inventory with."""

from __future__ import annotations

import json
from pathlib import Path

import click

from provision.cli.options import format_option
from provision.declared.role_folders import search_path
from provision.report.formats import Format


@click.command(epilog="Example:  prov schema > prov.schema.json")
@click.option(
    "--vars", "variables_only", is_flag=True, help="The schema of files in group_vars/ and host_vars/."
)
@format_option
def schema(variables_only: bool, out: Format) -> None:
    """Print a JSON schema of the inventory for editors, with all roles' parameters and their documentation.

    It has the built-in roles and those of this project. An editor reads it by a comment at the top of a YAML file:
    # yaml-language-server: $schema=../prov.schema.json
    """
    from provision.inventory.inventory_files import project_settings
    from provision.roles.editor_schema import inventory_schema

    found = inventory_schema(
        search_path(), variables_only=variables_only, prefix=project_settings(Path.cwd()).prefix
    )
    out.show([{"event": "schema", "schema": found}], json.dumps(found, indent=1).splitlines())
    out.end()
