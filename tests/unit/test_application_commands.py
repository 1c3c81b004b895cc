"""prov exec and prov manage: what of a command line is for prov, and how a host's unit says a command is run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import click
import pytest

from provision.commands import exec as exec_module
from provision.commands import manage as manage_module
from provision.errors import StepError
from provision.steps import application_commands

UNIT = r"""
# made by prov
[Unit]
Description=shop by gunicorn (instance %i)
[Service]
Type=notify
NotifyAccess=main
User=app-shop
Sockets=app-shop@%i.socket
# a link to the instance's release
WorkingDirectory=/srv/shop/instances/%i/100%% src
RuntimeDirectory=app-shop-%i
EnvironmentFile=/etc/prov/shop.env
Environment="PYTHONPATH=/srv/shop/instances/%i/lib:/a \"b\""
ExecStart=/srv/shop/instances/%i/.venv/bin/gunicorn
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
KillSignal=SIGTERM
TimeoutStopSec=10
Restart=always
RestartSec=1
MemoryMax=512M
CapabilityBoundingSet=
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources

[Install]
WantedBy=multi-user.target
"""


@pytest.mark.parametrize("command", [exec_module.exec, manage_module.manage])
@pytest.mark.parametrize(
    ("line", "options", "words"),
    [
        ("web1 shop check --deploy", {}, "check --deploy"),
        ("web1 shop -- check --deploy", {}, "check --deploy"),
        ("-i x.yml web1 --json shop dump --format=json -i y", {"inventory": ("x.yml",)}, "dump --format=json -i y"),
        ("web1 shop --stdin --limit web loaddata -", {"stdin": True, "limit": "web"}, "loaddata -"),
        ("--forks 3 web1 shop -- --help", {"forks": 3}, "--help"),
        ("--limit=a web1 shop id -- x", {"limit": "a"}, "id -- x"),
    ],
)  # fmt: skip
def test_what_follows_the_application_is_not_for_prov(
    command: click.Command, line: str, options: dict[str, Any], words: str
) -> None:
    found = command.make_context("x", line.split()).params
    assert (found["target"], found["app"]) == ("web1", "shop")
    assert found.get("argv", found.get("arguments")) == tuple(words.split())
    assert {name: found[name] for name in options} == options


class OnHost:
    """A host on which two instances of one release are, of which the second runs."""

    def __init__(self, *, current: str = "releases/r1") -> None:
        self.links = {"/srv/shop/current": current} if current else {}
        self.links |= {
            f"/srv/shop/instances/{name}": f"../releases/{name[:2]}" for name in ("r0", "r1a", "r1b")
        }
        self.files = self

    def stat(self, path: str) -> Any:
        return SimpleNamespace(target=self.links[path]) if path in self.links else None

    def exists(self, path: str) -> bool:
        return path == "/srv/shop/instances" or path.startswith("/etc/systemd/system/app-shop@r")

    def list(self, folder: str) -> list[str]:
        return sorted(path.rsplit("/", 1)[1] for path in self.links if path.startswith(folder + "/"))

    def read(self, path: str) -> bytes:
        assert path == "/etc/systemd/system/app-shop@r1b.service"
        return UNIT.encode()

    def ask(self, argv: tuple[str, ...]) -> Any:
        return SimpleNamespace(status=0 if argv[-1] == "app-shop@r1b.service" else 3)


def test_a_command_runs_as_the_unit_of_the_release_in_service_says() -> None:
    host: Any = OnHost()
    assert [word.removeprefix("--property=") for word in application_commands.properties(host, "shop")] == [
        "User=app-shop",
        "WorkingDirectory=/srv/shop/instances/r1b/100% src",
        "EnvironmentFile=/etc/prov/shop.env",
        r'Environment="PYTHONPATH=/srv/shop/instances/r1b/lib:/a \"b\""',
        "MemoryMax=512M",
        "CapabilityBoundingSet=",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "Environment=PATH=/srv/shop/instances/r1b/.venv/bin:/usr/local/bin:/usr/bin:/bin",
    ]


def test_an_application_that_was_never_deployed() -> None:
    host: Any = OnHost(current="")
    with pytest.raises(StepError, match="no release of shop is in service"):
        application_commands.properties(host, "shop")
