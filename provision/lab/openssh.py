"""The OpenSSH command line for a lab host: its key, its pinned host key, none of the user's settings."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from provision.lab.lab_host import LabHost

CONNECT_SECONDS = 5
# an emulated processor is slow at the handshake
CONNECT_VM_SECONDS = 30
# a host that is switched off sends nothing: ssh ends after three of these intervals without an answer
ALIVE_SECONDS = 5


def argv(host: LabHost, command: Sequence[str] = (), *, batch: bool = False) -> list[str]:
    """Return ssh's arguments for a login, or for one command, whose words reach the host unchanged.

    batch: never ask anything, for use without a terminal.
    """
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": str(host.known_hosts),
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": str(CONNECT_SECONDS if host.driver == "nspawn" else CONNECT_VM_SECONDS),
        "ServerAliveInterval": str(ALIVE_SECONDS),
        "LogLevel": "ERROR",
        **({"BatchMode": "yes"} if batch else {}),
    }
    words = ["ssh", "-F", "none", "-i", str(host.key), "-p", str(host.port)]
    words += [f"-o{name}={value}" for name, value in options.items()]
    words.append(f"{host.user}@{host.address}")
    # sshd passes the rest to the login shell: without quotes, it would split and expand the words again
    return [*words, "--", shlex.join(command)] if command else words
