"""The words of an ssh command line: the inventory's arguments first, then the options that prov needs.

Source: ssh(1), ssh_config(5): the first value of each setting counts. Ansible's plugin ssh:
`ansible_ssh_args` come before the options from variables, `ansible_ssh_common_args` and
`ansible_ssh_extra_args` after them.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Sequence
from pathlib import Path

from provision.controller.openssh.client import Client
from provision.controller.openssh.client_folders import NAME_LENGTH, socket_folder
from provision.controller.openssh.client_settings import Settings
from provision.controller.transport import Target

#: seconds: for the TCP connection and the banner; between keepalives, of which three may be missed
CONNECT_TIMEOUT, ALIVE_INTERVAL = 10, 15
#: options that an agent's stream needs, whatever the configuration says
PLAIN = {
    "LogLevel": "DEBUG1",
    "RemoteCommand": "none",
    "PermitLocalCommand": "no",
    "ForwardX11": "no",
    "VisualHostKey": "no",
    "NumberOfPasswordPrompts": "1",
}
#: the same, since OpenSSH 8.7
PLAIN_LATER = {"SessionType": "default", "StdinNull": "no", "ForkAfterAuthentication": "no"}
#: nothing in DNS verifies the host instead of the pinned file, and ssh writes nothing to it
PINNED = ("-oVerifyHostKeyDNS=no", "-oUpdateHostKeys=no", "-oCheckHostIP=no")
NO_MASTER = ("-oControlMaster=no", "-oControlPath=none")
#: StrictHostKeyChecking values that let ssh ask the user; prov makes it refuse instead
ASKS = ("ask", "true", "yes")


def target_words(target: Target) -> list[str]:
    """Return the words that say where and how to log in; the rest is up to ssh's configuration."""
    words = [word for word in target.arguments if word != "-q"]
    if target.known_hosts is not None:
        words += ["-F", "none", "-oIdentitiesOnly=yes"]
    only = target.known_hosts or target.pinned
    if only is not None:
        words += ["-oGlobalKnownHostsFile=none", "-oStrictHostKeyChecking=yes"]
        words += [f"-oUserKnownHostsFile={quoted(only)}"]
    if target.pinned is not None:
        words += PINNED
    if target.port is not None:
        words += ["-p", str(target.port)]
    if target.key is not None:
        words += ["-i", str(target.key).replace("%", "%%")]
    if target.user is not None:
        words += ["-l", target.user]
    return words + [word for word in target.more_arguments if word != "-q"]


def quoted(path: Path) -> str:
    """Return a path as a value of `-o`, which is split into words and has tokens (ssh_config(5), TOKENS)."""
    return '"' + str(path).replace("%", "%%") + '"'


def plain_words(client: Client, settings: Settings, within: int | None) -> list[str]:
    """Return the options for an agent's stream. within: seconds to connect; None for the default."""
    options = dict(PLAIN)
    if client.version >= (8, 7):
        options.update(PLAIN_LATER)
    if one(settings, "stricthostkeychecking") in ASKS:
        options["StrictHostKeyChecking"] = "yes"
    if within is not None or one(settings, "connecttimeout") in ("none", ""):
        options["ConnectTimeout"] = str(within or CONNECT_TIMEOUT)
    if one(settings, "serveraliveinterval") in ("0", ""):
        options["ServerAliveInterval"] = str(ALIVE_INTERVAL)
    return [f"-o{name}={value}" for name, value in options.items()]


def one(settings: Settings, name: str) -> str:
    """Return a setting's value, or its first one; "" if it has none."""
    values = settings.get(name, ())
    return values[0] if values else ""


def has_own_master(settings: Settings) -> bool:
    """Return whether ssh's configuration or the inventory's arguments configure connection sharing."""
    path = one(settings, "controlpath")
    return path not in ("", "none") or one(settings, "controlmaster") not in ("false", "no", "")


def socket_path(client: Client, words: Sequence[str], target: Target, settings: Settings) -> Path | None:
    """Return the path of the socket of a kept connection; None if none is kept.

    ssh's %C does not suffice: it covers host, port and user, but not the key or the known hosts that verified
    them.
    """
    if not target.persist or has_own_master(settings):
        return None
    folder = socket_folder()
    identity = repr(
        (client.path, socket.gethostname(), list(words), target.address, sorted(settings.items()))
    )
    name = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:NAME_LENGTH]
    return None if folder is None else folder / name


def keeping_words(path: Path, persist: int) -> list[str]:
    """Return the options that make ssh use a kept connection, or keep the one that it opens."""
    return [
        "-oControlMaster=auto",
        f"-oControlPersist={persist}",
        f"-oControlPath={quoted(path)}",
    ]
