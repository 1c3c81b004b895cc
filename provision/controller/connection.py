"""Fabric connections as prov wants them: host keys verified, no Nagle delay, refusals explained."""

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

#: seconds for the TCP connection, the SSH banner and the login, each
CONNECT_TIMEOUT = 10.0
LOGIN_TIMEOUT = 30.0
#: sshd drops new connections at random above MaxStartups (sshd_config(5), default 10:30:100)
AT_ONCE = 8
TRIES = 5
USER_KNOWN_HOSTS = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"

# paramiko logs the tracebacks of refused logins; people read our message instead
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

_limits: dict[tuple[str, int], threading.Semaphore] = defaultdict(lambda: threading.Semaphore(AT_ONCE))


class HostKeys(paramiko.MissingHostKeyPolicy):
    """Judges the key that a host shows. paramiko's own judgement knows one key of a kind for each name only, so it is
    given none. found: what the files of known hosts say of the host."""

    def __init__(self, found: KnownHostKeys) -> None:
        self._found = found

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Raise UnreachableError unless it is a key of that host."""
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
        # a key under the name without the port says nothing against another one on this port
        if self._found.keys:
            raise changed_key(hostname, key, self._found.keys)
        self._refuse_unknown(hostname, key)

    def transport(self, sock: Any, **options: Any) -> paramiko.Transport:
        """A transport that asks the host for the kinds of keys that it is known by, as ssh does."""
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
    """A fabric.Connection that checks host keys against known_hosts and says why it was refused.

    known_hosts: a file to check against instead of the user's own and the system's.
    """

    known_hosts: Path | None

    def __init__(self, host: str, *, known_hosts: Path | None = None, **options: Any) -> None:
        super().__init__(host, **options)
        self._set(known_hosts=known_hosts)

    def open(self) -> None:
        """Connect and log in. Raises UnreachableError that says what refused it and what to do."""
        if self.is_connected:
            return
        for connection in reversed(chain(self)):
            use_known_hosts(connection, self.known_hosts)
            use_identities(connection)
            open_explained(connection)


def open_explained(connection: Connection) -> None:
    """Open one connection of a chain. Raises UnreachableError, which tells a gateway's refusal from the host's."""
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
    """The connection and the gateways before it, nearest to the target first."""
    found = [connection]
    while isinstance(found[-1].gateway, Connection):
        found.append(found[-1].gateway)
    return found


def open_patiently(connection: Connection) -> None:
    """Open one connection; drops by a busy sshd (MaxStartups) are tried again with jitter, refusals at once and
    soon again: an sshd that reloads executes itself again, and does not listen for that moment (sshd(8), SIGHUP)."""
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
    try:
        Connection.open(connection)
    except paramiko.SSHException as error:
        kwargs = connection.connect_kwargs
        if not was_too_many_keys(error) or "password" not in kwargs or kwargs.get("allow_agent") is False:
            raise
        # the keys of an agent have used up what sshd allows before it came to the password
        connection.client.close()
        kwargs.update(allow_agent=False, look_for_keys=False)
        open_one(connection)
        return
    connection.transport.set_keepalive(15)


def was_dropped(error: Exception) -> bool:
    """Whether sshd closed the connection before it said anything."""
    if isinstance(error, paramiko.AuthenticationException):
        return False
    text = str(error)
    return isinstance(error, (ConnectionResetError, EOFError)) or "banner" in text or "kex" in text.lower()


def was_too_many_keys(error: Exception) -> bool:
    """Whether sshd closed the connection in the middle of the login (sshd_config(5), MaxAuthTries)."""
    return "No existing session" in str(error) or "Too many authentication failures" in str(error)


def use_known_hosts(connection: Connection, only: Path | None) -> None:
    """Let a connection accept the keys that its host is known by: from the lab's file, or from those that ssh itself
    would read (ssh_config(5))."""
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
    """The files of a setting, with its tokens put in (ssh_config(5), TOKENS)."""
    home = str(Path("~").expanduser())
    words = [name.replace("%d", home).replace("%h", host).replace("%%", "%") for name in words_of(names)]
    return [Path(word).expanduser() for word in words if word.lower() != "none"]


def use_identities(connection: Connection) -> None:
    """Follow what ssh's configuration says of keys and paramiko does not read: public halves that name keys of an
    agent, certificates in files of their own, and that no other keys be offered."""
    settings, kwargs = connection.ssh_config, connection.connect_kwargs
    only = settings.get("identitiesonly", "no").lower() == "yes"
    if "pkey" not in kwargs:
        key = agent_key(settings.get(PUBLIC, ())) or certified_key(settings)
        if key is not None:
            kwargs["pkey"] = key
    if only:
        kwargs.setdefault("allow_agent", False)


def agent_key(names: Sequence[str]) -> paramiko.PKey | None:
    """The key of the agent whose public half is in one of these files."""
    wanted = set()
    for name in names:
        with contextlib.suppress(OSError, IndexError, ValueError):
            wanted.add(base64.b64decode(Path(name).expanduser().read_bytes().split()[1]))
    if not wanted:
        return None
    return next((key for key in paramiko.Agent().get_keys() if key.asbytes() in wanted), None)


def certified_key(settings: Any) -> paramiko.PKey | None:
    """The first identity with the certificate of CertificateFile; None if either can't be read without a person."""
    certificate, names = settings.get("certificatefile"), settings.get("identityfile", ())
    if not certificate or not names:
        return None
    with contextlib.suppress(OSError, ValueError, paramiko.SSHException, paramiko.pkey.UnknownKeyType):
        key = paramiko.PKey.from_path(Path(names[0]).expanduser())
        key.load_certificate(str(Path(certificate).expanduser()))
        return key
    return None


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


def changed_key(hostname: str, key: paramiko.PKey, lines: Sequence[KnownKey]) -> UnreachableError:
    """The key is another one than known_hosts has: a new host under an old name, or someone in between."""
    host, port = split_known_host(hostname)
    name = host if port == 22 else f"[{host}]:{port}"
    had = ", ".join(dict.fromkeys(fingerprint_of(line.blob) for line in lines))
    places = ", ".join(line.where for line in lines)
    return UnreachableError(
        f"the host key of {hostname} has CHANGED: it is {fingerprint(key)}, known_hosts says {had} ({places})",
        hint="If the host was reinstalled, remove the old key: " + shlex.join(["ssh-keygen", "-R", name]),
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
    return fingerprint_of(key.asbytes())


def fingerprint_of(blob: bytes) -> str:
    """The same for a key as it is in files."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def split_known_host(name: str) -> tuple[str, int]:
    """ "[web1]:2222" as ("web1", 2222); known_hosts writes other ports than 22 in this way."""
    if name.startswith("["):
        host, _, port = name[1:].partition("]:")
        return host, int(port)
    return name, 22


class SshAware(Config):  # type: ignore[misc]
    """Fabric's configuration with ours of ssh, also for the gateways, which get clones."""

    def _clone_init_kwargs(self, *args: Any, **options: Any) -> dict[str, Any]:
        found = dict(super()._clone_init_kwargs(*args, **options))
        copied = SshConfig()
        copied._config = found["ssh_config"]._config
        return {**found, "ssh_config": copied}


def fabric_config() -> Config:
    """Fabric's configuration with the user's ssh_config; one for each host, as a Connection changes its own.
    Raises ConfigError."""
    return SshAware(ssh_config=user_config())
