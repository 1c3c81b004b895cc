"""Fabric connections as prov wants them: host keys verified, no Nagle delay, refusals explained."""

from __future__ import annotations

import base64
import functools
import hashlib
import logging
import random
import shlex
import socket
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NoReturn

from provision.errors import UnreachableError
from provision.unmocked import without_mock

with without_mock():
    import paramiko
    from fabric import Config, Connection

#: seconds for the TCP connection, the SSH banner and the login, each
CONNECT_TIMEOUT = 10.0
LOGIN_TIMEOUT = 30.0
#: sshd drops new connections at random above MaxStartups (sshd_config(5), default 10:30:100)
AT_ONCE = 8
TRIES = 5
SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")

# paramiko logs the tracebacks of refused logins; people read our message instead
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

_limits: dict[tuple[str, int], threading.Semaphore] = defaultdict(lambda: threading.Semaphore(AT_ONCE))


class RefuseUnknown(paramiko.MissingHostKeyPolicy):
    """An unknown host key ends the connection, with its fingerprint and the command that accepts it."""

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> NoReturn:
        host, port = split_known_host(hostname)
        scan = shlex.join(
            ["ssh-keyscan", *(["-p", str(port)] if port != 22 else []), "-t", scan_type(key), host]
        )
        raise UnreachableError(
            f"the host key of {hostname} is not known: {key.get_name()} {fingerprint(key)}",
            hint=f"Compare the fingerprint with the host's own; to accept it: {scan} >> ~/.ssh/known_hosts",
        )


class VerifiedConnection(Connection):  # type: ignore[misc]
    """A fabric.Connection that checks host keys against known_hosts and says why it was refused.

    known_hosts: a file to check against instead of the user's own and the system's.
    """

    known_hosts: Path | None

    def __init__(self, host: str, *, known_hosts: Path | None = None, **options: Any) -> None:
        super().__init__(host, **options)
        self._set(known_hosts=known_hosts)
        for connection in chain(self):
            connection.client.set_missing_host_key_policy(RefuseUnknown())

    def open(self) -> None:
        """Connect and log in. Raises UnreachableError that says what refused it and what to do."""
        if self.is_connected:
            return
        for connection in reversed(chain(self)):
            load_known_hosts(connection, self.known_hosts)
            open_explained(connection)


def open_explained(connection: Connection) -> None:
    """Open one connection of a chain. Raises UnreachableError, which tells a gateway's refusal from the host's."""
    where = f"{connection.host} port {connection.port}"
    try:
        open_patiently(connection)
    except UnreachableError:
        raise
    except paramiko.BadHostKeyException as error:
        raise changed_key(error) from None
    except paramiko.PasswordRequiredException:
        raise UnreachableError(
            f"{where}: the private key is encrypted", hint="Load it into an agent first: ssh-add"
        ) from None
    except paramiko.AuthenticationException:
        raise refused_login(connection) from None
    except socket.gaierror:
        raise UnreachableError(
            f"the name {connection.host!r} does not resolve",
            hint="Set ansible_host to an address, or add the name to DNS or ~/.ssh/config.",
        ) from None
    except (FileNotFoundError, PermissionError) as error:
        raise UnreachableError(
            f"{where}: the private key {error.filename} can't be read: {describe(error)}",
            hint="Check ansible_ssh_private_key_file, or IdentityFile in ~/.ssh/config.",
        ) from None
    except paramiko.ChannelException as error:
        raise UnreachableError(
            f"{where}: {connection.gateway.host} could not connect to it: {error.text.lower()}",
            hint="Is the host up, and may the gateway reach it?",
        ) from None
    except (paramiko.SSHException, OSError, EOFError) as error:
        raise UnreachableError(
            f"{where}: {describe(error)}", hint="Is the host up, and sshd running on that port?"
        ) from None


def chain(connection: Connection) -> list[Connection]:
    """The connection and the gateways before it, nearest to the target first."""
    found = [connection]
    while isinstance(found[-1].gateway, Connection):
        found.append(found[-1].gateway)
    return found


def open_patiently(connection: Connection) -> None:
    """Open one connection; drops by a busy sshd (MaxStartups) are tried again with jitter, refusals at once and
    soon again: an sshd that reloads executes itself anew, and nobody listens for that moment (sshd(8), SIGHUP)."""
    for attempt in range(1, TRIES + 1):
        try:
            with _limits[connection.host, connection.port]:
                open_one(connection)
            return
        except ConnectionRefusedError:
            if attempt == TRIES:
                raise
            time.sleep(0.1 * attempt)
        except (paramiko.SSHException, ConnectionResetError, EOFError) as error:
            if attempt == TRIES or not was_dropped(error):
                raise
            connection.client.close()
            time.sleep(random.uniform(0.1, 0.4) * 2**attempt)


def open_one(connection: Connection) -> None:
    """Connect and log in, over a socket without Nagle's delay where the way is direct."""
    connection.connect_kwargs.setdefault("banner_timeout", LOGIN_TIMEOUT)
    connection.connect_kwargs.setdefault("auth_timeout", LOGIN_TIMEOUT)
    if not connection.gateway:
        address = (connection.host, connection.port)
        sock = socket.create_connection(address, connection.connect_timeout or CONNECT_TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect_kwargs["sock"] = sock
    # fabric's own open: VerifiedConnection.open is what called us
    Connection.open(connection)
    connection.transport.set_keepalive(15)


def was_dropped(error: Exception) -> bool:
    """Whether sshd closed the connection before it said anything."""
    if isinstance(error, (paramiko.AuthenticationException, paramiko.BadHostKeyException)):
        return False
    text = str(error)
    return isinstance(error, (ConnectionResetError, EOFError)) or "banner" in text or "kex" in text.lower()


def load_known_hosts(connection: Connection, only: Path | None) -> None:
    """Give a connection the keys that its host is known by: from the lab's file, or from those that ssh itself
    would read (ssh_config(5)). Files are parsed once for all hosts of a run."""
    if only is not None:
        paths = [only]
    else:
        named = connection.ssh_config.get("userknownhostsfile", "~/.ssh/known_hosts")
        paths = [Path(p).expanduser() for p in shlex.split(named)] + [SYSTEM_KNOWN_HOSTS]
    name = connection.host if connection.port == 22 else f"[{connection.host}]:{connection.port}"
    known = connection.client.get_host_keys()
    for path in paths:
        if path.is_file():
            st = path.stat()
            keys = parsed_known_hosts(path, (st.st_mtime_ns, st.st_size))
            for kind, key in (keys.lookup(name) or {}).items():
                known.add(name, kind, key)


@functools.cache
def parsed_known_hosts(path: Path, state: tuple[int, int]) -> paramiko.HostKeys:  # noqa: ARG001 (part of the key)
    """The keys in a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). state: its time and size, so that
    a file that has changed is parsed again."""
    return paramiko.HostKeys(str(path))


def refused_login(connection: Connection) -> UnreachableError:
    """Nothing that we offered was accepted."""
    keys = connection.connect_kwargs.get("key_filename") or []
    offered = ", ".join(str(k) for k in ([keys] if isinstance(keys, (str, Path)) else keys))
    return UnreachableError(
        f"{connection.host} port {connection.port} refused the login as {connection.user!r}"
        + (f" with {offered}" if offered else ""),
        hint="Check ansible_user and ansible_ssh_private_key_file, and that the public key is in the user's"
        " authorized_keys.",
    )


def changed_key(error: paramiko.BadHostKeyException) -> UnreachableError:
    """The key is another one than known_hosts has: a new host under an old name, or somebody in between."""
    host, port = split_known_host(error.hostname)
    name = host if port == 22 else f"[{host}]:{port}"
    return UnreachableError(
        f"the host key of {error.hostname} has CHANGED: it is {fingerprint(error.key)},"
        f" known_hosts says {fingerprint(error.expected_key)}",
        hint="If the host was made anew, forget the old key: " + shlex.join(["ssh-keygen", "-R", name]),
    )


def describe(error: BaseException) -> str:
    """A network error in few words."""
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        error = next(iter(error.errors.values()))
    if isinstance(error, TimeoutError):
        return "no answer within the time allowed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


def fingerprint(key: paramiko.PKey) -> str:
    """As `ssh-keygen -l` prints it: SHA256 and base64 without padding."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def split_known_host(name: str) -> tuple[str, int]:
    """ "[web1]:2222" as ("web1", 2222); known_hosts writes other ports than 22 in this way."""
    if name.startswith("["):
        host, _, port = name[1:].partition("]:")
        return host, int(port)
    return name, 22


def scan_type(key: paramiko.PKey) -> str:
    """The name that ssh-keyscan -t knows a key's type by."""
    name = key.get_name()
    return "ed25519" if "ed25519" in name else "ecdsa" if "ecdsa" in name else "rsa"


def fabric_config() -> Config:
    """Fabric's configuration with the user's ssh_config; one for each host, as a Connection changes its own."""
    return Config()
