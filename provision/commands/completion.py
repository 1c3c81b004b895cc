"""prov completion: the script with which a shell completes commands, options, hosts, groups and roles."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from provision.report.screen import say

#: how each shell loads it, as the script's first line says
PLACES = {
    "bash": 'eval "$(prov completion bash)"        # in ~/.bashrc',
    "zsh": 'eval "$(prov completion zsh)"         # in ~/.zshrc, after compinit',
    "fish": "prov completion fish > ~/.config/fish/completions/prov.fish",
}


@click.command(epilog="Example:  prov completion bash > /etc/bash_completion.d/prov")
@click.argument("shell", type=click.Choice(list(PLACES)))
def completion(shell: str) -> None:
    """Print the script that completes commands, options, hosts, groups and roles."""
    from provision.cli.main import cli

    found = get_completion_class(shell)
    assert found is not None  # click supports these three
    say(f"# {PLACES[shell]}")
    say(found(cli, {}, "prov", "_PROV_COMPLETE").source())
