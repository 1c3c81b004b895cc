"""Run pytest-testinfra over prov's own connection.

Keys, known hosts, ~/.ssh/config and gateways are the same.
"""

from __future__ import annotations

from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from provision.testing.provhost import ProvHost


class OverProv(BaseBackend):  # type: ignore[misc, unused-ignore]
    """Runs testinfra's commands, which are shell command lines, on a host of prov's.

    Source: testinfra.backend.ssh.
    """

    NAME = "prov"

    def __init__(self, prov_host: ProvHost) -> None:
        super().__init__(prov_host.name, sudo=not prov_host.is_root)
        self._prov_host = prov_host

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        """Run a command; each `%s` in it stands for one of the arguments."""
        line = self.get_command(command, *args)
        ran = self._prov_host.shell(line)
        return self.result(ran.status, self.encode(line), ran.stdout.encode(), ran.stderr.encode())


def testinfra_host(prov_host: ProvHost) -> Host:
    """Return the host as testinfra's Host."""
    backend = OverProv(prov_host)
    host = Host(backend)
    backend.set_host(host)
    return host
