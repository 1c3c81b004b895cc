"""Connections: host keys and refusals, explained."""

from __future__ import annotations

import errno
import functools
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from provision.controller.connection import (
    HostKeys,
    VerifiedConnection,
    changed_key,
    describe,
    fingerprint,
    split_known_host,
    was_dropped,
)
from provision.controller.host_keys import KnownHostKeys, KnownKey
from provision.controller.openssh.reasons import scan_command
from provision.errors import UnreachableError


@functools.cache
def keys() -> list[paramiko.PKey]:
    """Two keys; making them takes long."""
    return [paramiko.ECDSAKey.generate(curve=ec.SECP256R1()), paramiko.RSAKey.generate(2048)]


@pytest.mark.parametrize("key", keys(), ids=lambda key: str(key.get_name()))
def test_fingerprints_are_those_of_ssh_keygen(key: paramiko.PKey, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(f"{key.get_name()} {key.get_base64()} comment\n")
    done = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[1] == fingerprint(key)


@pytest.mark.parametrize(
    ("name", "word"),
    [("ssh-ed25519", "ed25519"), ("sk-ssh-ed25519@openssh.com", "ed25519"), ("ecdsa-sha2-nistp256", "ecdsa"),
     ("ecdsa-sha2-nistp521", "ecdsa"), ("ssh-rsa", "rsa"), ("rsa-sha2-512", "rsa")],
)  # fmt: skip
def test_types_as_ssh_keyscan_knows_them(name: str, word: str) -> None:
    assert scan_command("web1", "", name) == f"ssh-keyscan -t {word} web1"
    assert scan_command("web1", "2222", name) == f"ssh-keyscan -p 2222 -t {word} web1"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("web1", ("web1", 22)),
        ("[web1]:2222", ("web1", 2222)),
        ("[::1]:22", ("::1", 22)),
        ("10.0.0.1", ("10.0.0.1", 22)),
    ],
)
def test_names_in_known_hosts(name: str, parts: tuple[str, int]) -> None:
    assert split_known_host(name) == parts


def test_an_unknown_key_is_refused_with_the_command_that_accepts_it() -> None:
    key = keys()[0]
    with pytest.raises(UnreachableError) as raised:
        HostKeys(KnownHostKeys()).missing_host_key(paramiko.SSHClient(), "[web1]:2222", key)
    assert fingerprint(key) in raised.value.message
    assert "ssh-keyscan -p 2222 -t ecdsa web1 >> ~/.ssh/known_hosts" in raised.value.hint
    with pytest.raises(UnreachableError) as raised:
        HostKeys(KnownHostKeys()).missing_host_key(paramiko.SSHClient(), "web1", key)
    assert "ssh-keyscan -t ecdsa web1 >>" in raised.value.hint


def test_a_changed_key_is_told_with_both_fingerprints() -> None:
    now, before = keys()
    line = KnownKey("[web1]:2222", "", before.get_name(), before.asbytes(), "known_hosts:3")
    error = changed_key("[web1]:2222", now, [line])
    assert "CHANGED" in error.message
    assert fingerprint(now) in error.message
    assert fingerprint(before) in error.message
    assert "known_hosts:3" in error.message
    assert "ssh-keygen -R '[web1]:2222'" in error.hint


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), "no answer within the time allowed"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "connection refused"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to host"),
        (paramiko.SSHException("Error reading SSH protocol banner"), "Error reading SSH protocol banner"),
        (EOFError(), "EOFError"),
    ],
)
def test_errors_in_few_words(error: Exception, words: str) -> None:
    assert describe(error) == words


@pytest.mark.parametrize(
    ("error", "dropped"),
    [
        (ConnectionResetError(), True),
        (EOFError(), True),
        (paramiko.SSHException("Error reading SSH protocol banner"), True),
        (paramiko.AuthenticationException("banner"), False),
    ],
)
def test_only_drops_by_a_busy_sshd_are_tried_again(error: Exception, dropped: bool) -> None:
    assert was_dropped(error) == dropped


# -- a server of paramiko's own, on this machine


class Server(paramiko.ServerInterface):
    """Lets in whoever has the password."""

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        right = password == "right"
        return paramiko.common.AUTH_SUCCESSFUL if right else paramiko.common.AUTH_FAILED


@pytest.fixture
def sshd() -> Iterator[tuple[int, paramiko.PKey]]:
    """A port on which an SSH server listens, and its key."""
    import threading

    key = keys()[0]
    listener = socket.create_server(("127.0.0.1", 0))
    transports: list[paramiko.Transport] = []

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            transport = paramiko.Transport(sock)
            transport.add_server_key(key)
            transports.append(transport)
            try:
                transport.start_server(server=Server())
            except (paramiko.SSHException, EOFError):
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], key
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)
    for transport in transports:
        transport.close()


def connection(port: int, known: Path, password: str = "right") -> VerifiedConnection:
    options: dict[str, Any] = {"password": password, "look_for_keys": False, "allow_agent": False}
    return VerifiedConnection("127.0.0.1", port=port, user="ann", known_hosts=known, connect_kwargs=options)


def known_hosts(folder: Path, port: int, key: paramiko.PKey) -> Path:
    path = folder / "known_hosts"
    path.write_text(f"[127.0.0.1]:{port} {key.get_name()} {key.get_base64()}\n")
    return path


def test_a_known_host_is_connected_to(sshd: tuple[int, paramiko.PKey], tmp_path: Path) -> None:
    port, key = sshd
    c = connection(port, known_hosts(tmp_path, port, key))
    c.open()
    assert c.is_connected
    c.close()


def test_an_unknown_host_is_not(sshd: tuple[int, paramiko.PKey], tmp_path: Path) -> None:
    port, key = sshd
    with pytest.raises(UnreachableError, match="is not known") as raised:
        connection(port, tmp_path / "none").open()
    assert fingerprint(key) in raised.value.message


def test_a_host_with_another_key_is_not(sshd: tuple[int, paramiko.PKey], tmp_path: Path) -> None:
    port, _ = sshd
    other = keys()[1]
    with pytest.raises(UnreachableError, match="CHANGED"):
        connection(port, known_hosts(tmp_path, port, other)).open()


def test_a_wrong_password(sshd: tuple[int, paramiko.PKey], tmp_path: Path) -> None:
    port, key = sshd
    with pytest.raises(UnreachableError, match="refused the login as 'ann'") as raised:
        connection(port, known_hosts(tmp_path, port, key), password="wrong").open()
    assert "ansible_user" in raised.value.hint
    assert "wrong" not in str(raised.value)


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(UnreachableError, match="connection refused") as raised:
        connection(port, tmp_path / "none").open()
    assert "Is the host up" in raised.value.hint


def test_an_sshd_that_begins_to_listen_anew_is_waited_for(
    sshd: tuple[int, paramiko.PKey], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that reloads does: refused at first, and there a moment later."""
    port, key = sshd
    real, refusals = socket.create_connection, iter([True, True, False])

    def refused_twice(*args: Any, **options: Any) -> socket.socket:
        if next(refusals):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        return real(*args, **options)

    monkeypatch.setattr(socket, "create_connection", refused_twice)
    c = connection(port, known_hosts(tmp_path, port, key))
    c.open()
    assert c.is_connected
    c.close()


def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError, match="does not resolve") as raised:
        VerifiedConnection("no-such-host.invalid", known_hosts=tmp_path / "none").open()
    assert "ansible_host" in raised.value.hint
