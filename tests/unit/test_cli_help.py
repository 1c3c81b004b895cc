"""Help of every command, and what it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from inventories import project

from provision.cli.main import COMMANDS, cli
from provision.errors import UsageError

HEAVY = ("fabric", "paramiko", "jinja2", "rich", "cryptography")
#: runs a command line and prints which of the heavy modules it has imported
PROBE = f"""
import sys
from provision.cli.main import main
try:
    main()
except SystemExit as ended:
    status = ended.code
print("STATUS", status, *(name for name in {HEAVY!r} if name in sys.modules))
"""
ROLE = '''
    """Takes a number."""
    from provision.roles.role_model import Params, task


    class Nginx(Params):
        """Its parameters."""

        count: int = 1


    @task
    def install(c, p: Nginx) -> None:
        """Install."""
    '''
INVENTORY = """
    all:
      hosts:
        web1: {roles: [ngin]}
        web2: {roles: [nginx], nginx: {count: many}}
        web3: {roles: [nginx], ansible_port: ssh}
    """


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The words of every command, subcommands included."""
    found: list[tuple[str, ...]] = []
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        found.append((*path, name))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


@pytest.mark.parametrize("words", [(), *commands(cli)], ids=" ".join)
def test_help_has_an_example(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*words, "--help"], prog_name="prov")
    assert result.exit_code == 0
    assert "Example:  prov " in result.output
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize("words", commands(cli), ids=" ".join)
def test_every_option_is_explained_in_a_line_or_two(words: tuple[str, ...]) -> None:
    command: click.Command | None = cli
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None and command.get_short_help_str()
    for option in (p for p in command.params if isinstance(p, click.Option)):
        assert option.help and len(option.help) < 120, option.name


def test_every_command_is_documented() -> None:
    docs = Path(__file__).parents[2] / "docs"
    text = (
        (docs / "commands.md").read_text()
        + (docs / "inventory.md").read_text()
        + (docs / "lab.md").read_text()
        + (docs / "ec2.md").read_text()
    )
    for words in commands(cli):
        command: click.Command | None = cli
        for word in words:
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), word)
        assert f"prov {' '.join(words)}" in text
        for option in (p for p in command.params if isinstance(p, click.Option)):  # type: ignore[union-attr]
            assert all(name in text for name in option.opts), (words, option.opts)


def probe(folder: Path, *arguments: str) -> list[str]:
    """STATUS, the exit status, then the heavy modules that a command line has imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].split()


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert probe(tmp_path, *words, "--help") == ["STATUS", "0"]


@pytest.mark.parametrize("arguments", [["nosuch"], ["web1"], ["web2"], ["web3"], ["web2", "--role", "x"]])
def test_configuration_errors_import_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    project(tmp_path, {"inventory/hosts.yml": INVENTORY, "roles/nginx/__init__.py": ROLE})
    assert probe(tmp_path, "deploy", *arguments) == ["STATUS", "2"]


def test_a_misspelt_command() -> None:
    result = CliRunner().invoke(cli, ["deplyo"])
    assert result.exit_code == 2
    assert "Did you mean 'deploy'?" in result.output


@pytest.mark.parametrize("command", ["plan", "ping", "drift", "run", "undo", "history", "facts", "deploy"])
def test_a_command_without_its_target_is_a_usage_error(command: str) -> None:
    result = CliRunner().invoke(cli, [command], standalone_mode=False)
    error = result.exception
    assert isinstance(error, (click.UsageError, UsageError))
    assert "TARGET" in (error.format_message() if isinstance(error, click.UsageError) else error.message)
