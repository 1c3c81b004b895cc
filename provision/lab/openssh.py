"""The OpenSSH command line that reaches a lab host: its key, its pinned host key, nothing of the user's own."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from provision.lab.lab_host import LabHost

CONNECT_SECONDS = 5
# an emulated processor takes its time for the handshake
CONNECT_VM_SECONDS = 30
# a host that is switched off does not say so: after three times as long without an answer ssh ends
ALIVE_SECONDS = 5


def argv(host: LabHost, command: Sequence[str] = (), *, batch: bool = False) -> list[str]:
    """ssh's arguments for a login, or for one command, which the host runs word by word as it is given.

    batch: never ask anything, as where no one could answer.
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
    # sshd hands what follows to the login shell: quoted, or it would split and expand the words again
    return [*words, "--", shlex.join(command)] if command else words
