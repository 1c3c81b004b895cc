"""prov schema: inventories as editors check them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from provision.cli.main import cli

ROOT = Path(__file__).parents[2]
INVENTORIES = [
    *sorted((ROOT / "inventory").glob("*.yml")),
    *sorted(ROOT.glob("examples/*/inventory/*.yml")),
    ROOT / "provision/skeleton/inventory/hosts.yml",
]


class Loader(yaml.SafeLoader):
    """Reads the tags of inventories as plain values."""


Loader.add_constructor("!vault", lambda loader, node: "********")
Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))  # type: ignore[arg-type]
Loader.add_constructor("!secret", lambda loader, node: loader.construct_mapping(node))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def printed() -> Any:
    """The schema of this project's inventories."""
    result = CliRunner().invoke(cli, ["schema"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    jsonschema.Draft7Validator.check_schema(found)
    return found


@pytest.mark.parametrize("path", INVENTORIES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_projects_inventories_are_good(path: Path, printed: Any) -> None:
    jsonschema.validate(yaml.load(path.read_text(), Loader), printed, cls=jsonschema.Draft7Validator)


@pytest.mark.parametrize(
    "text",
    [
        "all: {hosts: {web1: {nginx: {worker_connections: many}}}}",
        "all: {hosts: {web1: {nginx: {worker_conections: 5}}}}",
        "all: {vars: {roles: nginx}}",
        "all: {vars: {apps: {shop: {sauce: ../shop}}}}",
        "all: {host: {web1: }}",
        "all: [web1]",
    ],
)
def test_bad_inventories_are_bad(text: str, printed: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.load(text, Loader), printed, cls=jsonschema.Draft7Validator)


@pytest.mark.parametrize(
    "text",
    [
        "all: {hosts: {web1: {nginx: {worker_connections: '{{ many }}'}, own: 5}}}",
        "web: {hosts: {web1: , web2: {}}, children: {db: }}",
        "",
    ],
)
def test_templates_and_variables_of_ones_own_are_good(text: str, printed: Any) -> None:
    jsonschema.validate(yaml.load(text, Loader), printed, cls=jsonschema.Draft7Validator)


def test_parameters_have_their_documentation(printed: Any) -> None:
    nginx = printed["definitions"]["variables"]["properties"]["nginx"]["anyOf"][0]["$ref"].rpartition("/")[2]
    parameter = printed["definitions"][nginx]["properties"]["worker_connections"]
    assert "onnections" in parameter["description"]


def test_files_of_variables_have_a_schema_too() -> None:
    result = CliRunner().invoke(cli, ["schema", "--vars", "--json"], catch_exceptions=False)
    found = json.loads(result.stdout.splitlines()[0])["schema"]
    jsonschema.validate({"roles": ["nginx"], "own": 1}, found, cls=jsonschema.Draft7Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"roles": 5}, found, cls=jsonschema.Draft7Validator)
