"""What the tests of application servers share: each serves one example behind nginx."""

from __future__ import annotations

import hashlib
from functools import cached_property

import pytest

from provision.testing import Host, ProvHost
from provision.values import dataclass


@dataclass(frozen=True)
class Served:
    """The application `hello` as a server serves it."""

    host: Host
    prov_host: ProvHost

    @cached_property
    def units(self) -> list[str]:
        """Its services that run, by their names."""
        argv = ["systemctl", "list-units", "--plain", "--no-legend", "--state=active", "app-hello@*.service"]
        return [line.split()[0] for line in self.prov_host.run(argv).stdout.splitlines()]

    @property
    def command(self) -> str:
        """What the first of them runs."""
        return self.property("ExecStart")

    def property(self, name: str) -> str:
        """A property of the first unit (systemctl(1), show)."""
        return self.prov_host.run(["systemctl", "show", "-P", name, self.units[0]]).stdout.strip()

    def answers(self) -> None:
        """Pages, uploads, and what the application believes about its client."""
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
        """Units by sockets that the front alone may use, a user of its own, and no more rights than it takes."""
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
        """What its journal says that is worse than a warning."""
        return self.prov_host.run(
            ["journalctl", "-q", "-b", "-p", "err", "-o", "cat", "-u", "app-hello@*"]
        ).stdout


@pytest.fixture
def served(host: Host, prov_host: ProvHost) -> Served:
    """The application `hello` on the host that is tested."""
    return Served(host, prov_host)
