"""Fabric connections with verified host keys, without Nagle's delay, and with explained refusals."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import random
import shlex
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from provision.controller.host_keys import KnownHostKeys, KnownKey, known
from provision.controller.openssh.reasons import scan_command
from provision.controller.ssh_config import PUBLIC, SshConfig, user_config, words_of
from provision.controller.without_mock import without_mock
from provision.errors import UnreachableError

with without_mock():
    import paramiko
    from fabric import Config, Connection

#: seconds for each of the TCP connection, the SSH banner and the login
CONNECT_TIMEOUT = 10.0
LOGIN_TIMEOUT = 30.0
#: logins at once: sshd drops new connections at random above MaxStartups (sshd_config(5), default 10:30:100)
AT_ONCE = 8
TRIES = 5
USER_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"

# paramiko logs tracebacks of refused logins; users get prov's message instead
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

_limits: dict[tuple[str, int], threading.Semaphore] = defaultdict(lambda: threading.Semaphore(AT_ONCE))


class HostKeys(paramiko.MissingHostKeyPolicy):
    """Checks the key that a host presents.

    paramiko's own check knows only one key of a type for each name, so it gets none.
    found: what the known_hosts files say about the host.
    """

    def __init__(self, found: KnownHostKeys) -> None:
        self._found = found

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Raise UnreachableError unless the key is one of that host's."""
        blob = key.asbytes()
        revoked = [line for line in self._found.revoked if line.blob == blob]
        if revoked:
            raise UnreachableError(
                f"the host key of {hostname} is revoked: {key.get_name()} {fingerprint(key)} ({revoked[0].where})",
                hint="Find out why: it may have been stolen. The host needs another key.",
            )
        accepted = self._found.accepted()
        if any(line.blob == blob for line in accepted):
            return
        # a key under the name without the port does not contradict another key on this port
        if self._found.keys:
            raise changed_key(hostname, key, self._found.keys)
        self._refuse_unknown(hostname, key)

    def transport(self, sock: Any, **options: Any) -> paramiko.Transport:
        """Return a transport that asks the host for the key types that it is known by, as ssh does."""
        made = paramiko.Transport(sock, **options)
        kinds = {line.kind for line in self._found.accepted()}
        if "ssh-rsa" in kinds:
            kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
        security = made.get_security_options()
        security.key_types = sorted(security.key_types, key=lambda kind: kind not in kinds)
        return made

    def _refuse_unknown(self, hostname: str, key: paramiko.PKey) -> NoReturn:
        host, port = split_known_host(hostname)
        scan = scan_command(host, "" if port == 22 else str(port), key.get_name())
        raise UnreachableError(
            f"the host key of {hostname} is not known: {key.get_name()} {fingerprint(key)}",
            hint=f"Compare the fingerprint with the host's own; to accept it: {scan} >> ~/.ssh/known_hosts"
            + "".join(f"\n{line.where} names the host, but {line.wrong}." for line in self._found.wrong)
            + "".join(
                f"\n{line.where} has an authority for the host; prov does not read host certificates."
                for line in self._found.authorities
            ),
        )


class VerifiedConnection(Connection):  # type: ignore[misc]
    """A fabric.Connection that checks host keys against known_hosts and explains refusals.

    known_hosts: a file to check against instead of the user's and the system's.
    """

    known_hosts: Path | None

    def __init__(self, host: str, *, known_hosts: Path | None = None, **options: Any) -> None:
        super().__init__(host, **options)
        self._set(known_hosts=known_hosts)

    def open(self) -> None:
        """Connect and log in. Raises UnreachableError with the cause and what to do."""
        if self.is_connected:
            return
        for connection in reversed(chain(self)):
            # a gateway on the way is another host
            use_known_hosts(connection, self.known_hosts if connection is self else None)
            use_identities(connection)
            open_explained(connection)


def open_explained(connection: Connection) -> None:
    """Open one connection of a chain. Raises UnreachableError; its text tells gateway and host apart."""
    where = f"{connection.host} port {connection.port}"
    try:
        open_patiently(connection)
    except UnreachableError:
        raise
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
        if was_too_many_keys(error):
            raise UnreachableError(
                f"{where}: sshd ended the login, most likely as too many keys were offered",
                hint="Name the one that it knows: IdentityFile, with `IdentitiesOnly yes`, in ~/.ssh/config; or"
                " ansible_ssh_private_key_file.",
            ) from None
        raise UnreachableError(
            f"{where}: {describe(error)}", hint="Is the host up, and sshd running on that port?"
        ) from None


def chain(connection: Connection) -> list[Connection]:
    """Return the connection and its gateways, from this machine towards the target."""
    found = [connection]
    while isinstance(found[-1].gateway, Connection):
        found.append(found[-1].gateway)
    return found


def open_patiently(connection: Connection) -> None:
    """Open one connection, with retries.

    Drops by a busy sshd (MaxStartups) are retried with jitter. A refused connection is retried at once and
    shortly after: an sshd that reloads re-executes itself, and does not listen for a moment (sshd(8),
    SIGHUP).
    """
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
    """Connect and log in, over a socket without Nagle's delay if the connection is direct."""
    connection.connect_kwargs.setdefault("banner_timeout", LOGIN_TIMEOUT)
    connection.connect_kwargs.setdefault("auth_timeout", LOGIN_TIMEOUT)
    if not connection.gateway:
        address = (connection.host, connection.port)
        sock = socket.create_connection(address, connection.connect_timeout or CONNECT_TIMEOUT)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.connect_kwargs["sock"] = sock
    # fabric's own open: VerifiedConnection.open called this function
    try:
        Connection.open(connection)
    except paramiko.SSHException as error:
        kwargs = connection.connect_kwargs
        if not was_too_many_keys(error) or "password" not in kwargs or kwargs.get("allow_agent") is False:
            raise
        # the keys of an agent have used up the tries that sshd allows before the password's turn
        connection.client.close()
        kwargs.update(allow_agent=False, look_for_keys=False)
        open_one(connection)
        return
    connection.transport.set_keepalive(15)


def was_dropped(error: Exception) -> bool:
    """Return whether sshd closed the connection before it sent anything."""
    if isinstance(error, paramiko.AuthenticationException):
        return False
    text = str(error)
    return isinstance(error, (ConnectionResetError, EOFError)) or "banner" in text or "kex" in text.lower()


def was_too_many_keys(error: Exception) -> bool:
    """Return whether sshd closed the connection during the login (sshd_config(5), MaxAuthTries)."""
    return "No existing session" in str(error) or "Too many authentication failures" in str(error)


def use_known_hosts(connection: Connection, only: Path | None) -> None:
    """Verify a connection by the known keys of its host.

    They come from `only` (a lab's file), or from the files that ssh would read (ssh_config(5)).
    """
    settings = connection.ssh_config
    if only is not None:
        found = known([only], connection.host, connection.port)
    else:
        paths = [
            *files_of(settings.get("userknownhostsfile", USER_KNOWN_HOSTS), connection.host),
            *files_of(settings.get("globalknownhostsfile", SYSTEM_KNOWN_HOSTS), connection.host),
        ]
        found = known(paths, connection.host, connection.port, settings.get("hostkeyalias", ""))
    judge = HostKeys(found)
    connection.client.set_missing_host_key_policy(judge)
    connection.connect_kwargs["transport_factory"] = judge.transport


def files_of(names: str, host: str) -> list[Path]:
    """Return the files that a setting names, with its tokens expanded (ssh_config(5), TOKENS)."""
    home = str(Path("~").expanduser())
    words = [name.replace("%d", home).replace("%h", host).replace("%%", "%") for name in words_of(names)]
    return [Path(word).expanduser() for word in words if word.lower() != "none"]


def use_identities(connection: Connection) -> None:
    """Apply the key settings of ssh's configuration that paramiko does not read.

    These are public halves that name an agent's keys, certificates in files of their own, and IdentitiesOnly.
    """
    settings, kwargs = connection.ssh_config, connection.connect_kwargs
    only = settings.get("identitiesonly", "no").lower() == "yes"
    if "pkey" not in kwargs:
        key = agent_key(settings.get(PUBLIC, ())) or certified_key(settings)
        if key is not None:
            kwargs["pkey"] = key
    if only:
        kwargs.setdefault("allow_agent", False)


def agent_key(names: Sequence[str]) -> paramiko.PKey | None:
    """Return the agent's key whose public half is in one of these files."""
    wanted = set()
    for name in names:
        with contextlib.suppress(OSError, IndexError, ValueError):
            wanted.add(base64.b64decode(Path(name).expanduser().read_bytes().split()[1]))
    if not wanted:
        return None
    return next((key for key in paramiko.Agent().get_keys() if key.asbytes() in wanted), None)


def certified_key(settings: Any) -> paramiko.PKey | None:
    """Return the first identity with its CertificateFile; None if reading either needs a passphrase."""
    certificate, names = settings.get("certificatefile"), settings.get("identityfile", ())
    if not certificate or not names:
        return None
    with contextlib.suppress(OSError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        key = paramiko.PKey.from_path(Path(names[0]).expanduser())
        key.load_certificate(str(Path(certificate).expanduser()))
        return key
    return None


def refused_login(connection: Connection) -> UnreachableError:
    """Return the error for a login where the host accepted nothing."""
    keys = connection.connect_kwargs.get("key_filename") or []
    offered = ", ".join(str(k) for k in ([keys] if isinstance(keys, (str, Path)) else keys))
    return UnreachableError(
        f"{connection.host} port {connection.port} refused the login as {connection.user!r}"
        + (f" with {offered}" if offered else ""),
        hint="Check ansible_user and ansible_ssh_private_key_file, and that the public key is in the user's"
        " authorized_keys.",
    )


def changed_key(hostname: str, key: paramiko.PKey, lines: Sequence[KnownKey]) -> UnreachableError:
    """Return the error for a key that differs from known_hosts.

    The host is new under an old name, or someone is in between.
    """
    host, port = split_known_host(hostname)
    name = host if port == 22 else f"[{host}]:{port}"
    had = ", ".join(dict.fromkeys(fingerprint_of(line.blob) for line in lines))
    places = ", ".join(line.where for line in lines)
    return UnreachableError(
        f"the host key of {hostname} has CHANGED: it is {fingerprint(key)}, known_hosts says {had} ({places})",
        hint="If the host was reinstalled, remove the old key: " + shlex.join(["ssh-keygen", "-R", name]),
    )


def describe(error: BaseException) -> str:
    """Describe a network error in a few words."""
    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        error = next(iter(error.errors.values()))
    if isinstance(error, TimeoutError):
        return "no answer within the time allowed"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


def fingerprint(key: paramiko.PKey) -> str:
    """Return the fingerprint as `ssh-keygen -l` prints it: SHA256 and base64 without padding."""
    return fingerprint_of(key.asbytes())


def fingerprint_of(blob: bytes) -> str:
    """Return the same for a key as files store it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def split_known_host(name: str) -> tuple[str, int]:
    """Return "[web1]:2222" as ("web1", 2222): known_hosts writes ports other than 22 this way."""
    if name.startswith("["):
        host, _, port = name[1:].partition("]:")
        return host, int(port)
    return name, 22


class SshAware(Config):  # type: ignore[misc]
    """Fabric's configuration with prov's ssh settings, also for gateways, which get clones."""

    def _clone_init_kwargs(self, *args: Any, **options: Any) -> dict[str, Any]:
        found = dict(super()._clone_init_kwargs(*args, **options))
        copied = SshConfig()
        copied._config = found["ssh_config"]._config
        return {**found, "ssh_config": copied}


def fabric_config() -> Config:
    """Return a fabric configuration with the user's ssh_config. Raises ConfigError.

    Each host gets a new one, because a Connection changes it.
    """
    return SshAware(ssh_config=user_config())
