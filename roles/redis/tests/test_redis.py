"""The role `redis`: an instance for each use, by a socket that only the application may use."""

from __future__ import annotations

import pytest

from provision.testing import Host, ProvHost

#: connects to a socket as redis-cli does, which has another name in Valkey
TALK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall((" ".join(sys.argv[2:]) + "\\r\\n").encode())
print(s.recv(4096).decode())
"""


def said(prov_host: ProvHost, use: str, *words: str, user: str = "app-hello") -> str:
    """Return what an instance answers to a user of the host."""
    argv = ["runuser", "-u", user, "--", "python3", "-c", TALK, f"/run/redis-hello-{use}/redis.sock", *words]
    ran = prov_host.run(argv)
    return ran.stdout.strip() or ran.stderr


@pytest.mark.parametrize("use", ["queue", "cache"])
def test_the_application_alone_gets_in(prov_host: ProvHost, use: str) -> None:
    assert said(prov_host, use, "PING") == "+PONG"
    assert "PermissionError" in said(prov_host, use, "PING", user="nobody")


def test_each_use_has_data_of_its_own(prov_host: ProvHost) -> None:
    assert said(prov_host, "queue", "SET", "word", "kept") == "+OK"
    assert said(prov_host, "cache", "FLUSHALL") == "+OK"
    assert said(prov_host, "cache", "GET", "word") == "$-1"
    prov_host.run(["systemctl", "kill", "--signal=KILL", "redis-hello-cache"])
    prov_host.run(["systemctl", "restart", "redis-hello-queue"])
    assert "kept" in said(prov_host, "queue", "GET", "word")


def test_nothing_listens_on_a_port(host: Host) -> None:
    assert not host.socket("tcp://6379").is_listening


def test_its_memory_and_its_confinement(prov_host: ProvHost) -> None:
    assert str(32 << 20) in said(prov_host, "queue", "CONFIG", "GET", "maxmemory")
    judged = prov_host.run(["systemd-analyze", "security", "--no-pager", "redis-hello-queue"]).stdout
    assert float(judged.split("Overall exposure level")[1].split(":")[1].split()[0]) <= 2.0, judged
