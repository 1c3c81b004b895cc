"""The ssh command line by which a person, or a command of theirs, gets to a host of the inventory."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provision.errors import ProvError

if TYPE_CHECKING:
    from provision.inventory import InventoryHost


def ssh_argv(host: InventoryHost, argv: Sequence[str], *, terminal: bool = False) -> list[str]:
    """Return the ssh command line for a host, its command's words quoted for the login shell there.

    It uses the connection that prov keeps, or keeps one for prov.
    terminal: whether the command gets a terminal there; a shell always does.
    """
    from provision.controller.local_transport import local_argv
    from provision.controller.openssh.arguments import target_words
    from provision.controller.openssh.client import find_client
    from provision.controller.openssh.openssh_transport import OpenSshTransport
    from provision.roles.reach import reach

    target = reach(host)
    if target.local:
        return local_argv(list(argv))
    # without what ssh says at the end of a connection
    own = ["-t", "-oLogLevel=ERROR"] if terminal else []
    client = find_client(target.executable)
    if client is None:
        # too old for prov, and good enough for a person
        words = [target.executable, *own, *target_words(target), "--", target.address]
    else:
        words = OpenSshTransport(client, target).argv(own)
    return [*words, shlex.join(argv)] if argv else words


def no_client() -> ProvError:
    """Return the error for a machine that has no ssh client."""
    return ProvError("this machine has no ssh client", hint="apt install openssh-client")
