"""A host as tests see it from outside: the fixture `prov_host`."""

from __future__ import annotations

import http.client
import json
import shlex
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from provision.apps.application import Application
from provision.apps.authority import Authority
from provision.controller.fact_types import Facts
from provision.controller.run_options import RunOptions
from provision.inventory.fields import encoded
from provision.roles.project import Assignment
from provision.roles.role_host import Host
from provision.values import dataclass

PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Ran:
    """The result of a command that has ended."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Answer:
    """The response to a request. headers: by name in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)


class ProvHost:
    """A deployed host. ca: the certificate of the authority that signs for its applications."""

    def __init__(self, assignment: Assignment, ca: Path) -> None:
        self.assignment = assignment
        self.inventory = assignment.host
        self.ca = ca

    @property
    def name(self) -> str:
        """Its name in the inventory, and in the lab."""
        return self.inventory.name

    @property
    def vars(self) -> Mapping[str, Any]:
        """Its variables in the inventory."""
        return self.inventory.vars

    @property
    def apps(self) -> tuple[Application, ...]:
        """Its applications."""
        return self.assignment.served.apps

    @property
    def address(self) -> str:
        """The address that it is reached by."""
        return str(self._host.host)

    @property
    def is_root(self) -> bool:
        """Whether logins are root's own; otherwise commands need sudo."""
        return bool(self._host.user == "root")

    @cached_property
    def facts(self) -> Facts:
        """Its facts, as roles read them in c.facts."""
        return self._host.facts

    def run(self, argv: Sequence[str], *, timeout: float = 60) -> Ran:
        """Run a command as root; its words are passed unchanged. A non-zero status is not an error."""
        return self.shell(shlex.join(argv if self.is_root else ["sudo", "-n", *argv]), timeout=timeout)

    def shell(self, line: str, *, timeout: float = 60) -> Ran:
        """Run a line in the login shell, as the login user."""
        done = self._host.run(line, hide=True, warn=True, in_stream=False, encoding="utf-8", timeout=timeout)
        return Ran(done.exited, done.stdout, done.stderr)

    def fetch(
        self,
        url: str = "/",
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 20,
    ) -> Answer:
        """Request a page from the host, from outside, regardless of name resolution.

        Redirects are not followed.

        url: complete, or a path of the first application. With https the certificate must be valid for the
        name, and signed by the host's authority.  Raises OSError.
        """
        __tracebackhide__ = True  # makes pytest show the test's own line
        parts = urlsplit(url if "://" in url else self.url(url))
        domain = parts.hostname or ""
        connection = http.client.HTTPConnection(domain, timeout=timeout)
        connection.sock = self.connected(parts.port or PORTS[parts.scheme], timeout=timeout)
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(self.ca))
            connection.sock = context.wrap_socket(connection.sock, server_hostname=domain)
        try:
            target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
            connection.request(method, target, body, dict(headers or {}))
            response = connection.getresponse()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, response.read())
        finally:
            connection.close()

    def url(self, path: str = "/") -> str:
        """Return the URL of a path of the first application.

        Raises LookupError if the host has no application.
        """
        if not self.apps:
            raise LookupError(f"{self.name} has no apps: name a whole URL")
        app = self.apps[0]
        scheme = "http" if app.tls == "none" else "https"
        return (
            f"{scheme}://{app.domains[0].replace('*', 'www', 1)}{encoded(app.path)}{path.removeprefix('/')}"
        )

    def connected(self, port: int, *, timeout: float = 20) -> socket.socket:
        """Connect to one of its ports from outside. Raises OSError."""
        return socket.create_connection((self.address, port), timeout=timeout)

    def open(self) -> None:
        """Connect to the host.

        Raises UnreachableError, LabError. Without this, the first use that needs a connection may.
        """
        _ = self._host

    def close(self) -> None:
        """Close the connections to the host."""
        if "_host" in self.__dict__:
            if self._host.session is not None:
                self._host.finish()
            self._host.close()

    @cached_property
    def _host(self) -> Host:
        # a session that plans changes nothing, and waits for no lock
        host = Host(self.assignment, RunOptions(plan=True))
        host.open()
        return host


def authority_of(assignment: Assignment) -> Path:
    """Return the certificate of the authority that signs for a host (role `tls`)."""
    folder = next((p.ca for p in assignment.params.values() if hasattr(p, "ca")), ".prov/ca")
    return Authority(Path(folder).expanduser()).certificate_path.absolute()
