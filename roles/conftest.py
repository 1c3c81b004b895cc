"""Common code of the application servers' tests: each server serves one example behind nginx."""

from __future__ import annotations

import hashlib
from functools import cached_property

import pytest

from provision.testing import Host, ProvHost
from provision.values import dataclass


@dataclass(frozen=True)
class Served:
    """The application `hello`, run by a server."""

    host: Host
    prov_host: ProvHost

    @cached_property
    def units(self) -> list[str]:
        """Return the names of its running services."""
        argv = ["systemctl", "list-units", "--plain", "--no-legend", "--state=active", "app-hello@*.service"]
        return [line.split()[0] for line in self.prov_host.run(argv).stdout.splitlines()]

    @property
    def command(self) -> str:
        """Return the command of the first one."""
        return self.property("ExecStart")

    def property(self, name: str) -> str:
        """Return a property of the first unit (systemctl(1), show)."""
        return self.prov_host.run(["systemctl", "show", "-P", name, self.units[0]]).stdout.strip()

    def answers(self) -> None:
        """Check pages, uploads, and what the application learns about its client."""
        page = self.prov_host.fetch("/")
        assert (page.status, "Hello from" in page.text) == (200, True)
        assert self.prov_host.fetch("/nowhere").status == 404
        assert self.prov_host.fetch("/static/style.css").headers["content-type"] == "text/css"
        body = b"prov" * 100_000
        sent = self.prov_host.fetch("/upload", method="POST", body=body).json()
        assert sent == {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
        seen = self.prov_host.fetch("/whoami", headers=forged).json()
        assert (seen["scheme"], seen["host"]) == ("https", "hello.test")
        assert seen["client"] not in (None, "203.0.113.9", "127.0.0.1")

    def is_confined(self, processes: int = 1) -> None:
        """Check that only the front may use its sockets, and that it has its own user and minimal rights."""
        assert len(self.units) == processes
        assert self.property("User") == "app-hello"
        for unit in self.units:
            socket = unit.removesuffix(".service")
            assert self.host.service(f"{socket}.socket").is_enabled
            file = self.host.file(f"/run/app-hello/{socket.partition('@')[2]}.sock")
            assert (file.is_socket, file.group, file.mode) == (True, "www-data", 0o660)
        assert self.host.file("/etc/prov/hello.env").mode == 0o600
        judged = self.prov_host.run(["systemd-analyze", "security", "--no-pager", self.units[0]]).stdout
        assert float(judged.split("Overall exposure level")[1].split(":")[1].split()[0]) <= 2.0, judged
        assert self.property("NRestarts") == "0"

    def fails(self) -> str:
        """Return its journal entries above the level of a warning."""
        return self.prov_host.run(
            ["journalctl", "-q", "-b", "-p", "err", "-o", "cat", "-u", "app-hello@*"]
        ).stdout


@pytest.fixture
def served(host: Host, prov_host: ProvHost) -> Served:
    """The application `hello` on the tested host."""
    return Served(host, prov_host)
