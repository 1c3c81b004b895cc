"""The transport over OpenSSH: passwords, connections that are kept and that die, what roles run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cli import prov
from helpers.hosts import Hosts, on
from helpers.projects import Project, by_address

from provision import lab
from provision.controller.openssh.client_folders import socket_folder
from provision.controller.openssh.openssh_transport import OpenSshTransport
from provision.controller.transport_choice import transport_to
from provision.inventory import load
from provision.roles.reach import reach

pytestmark = pytest.mark.lab

NAME = "t-ssh"
SECRET = "correct-horse 'battery\""


@pytest.fixture(scope="module")
def host(lab_hosts: Hosts) -> lab.LabHost:
    found = lab_hosts.one(NAME)
    on(NAME, "useradd", "-m", "-s", "/bin/bash", "ann")
    on(NAME, "sh", "-c", f"chpasswd <<'E'\nann:{SECRET}\nE\n")
    return found


@pytest.fixture
def home(project: Project, host: lab.LabHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A person's environment; connections that were kept end with the test."""
    environment = project.home(host)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    # another test of this process may have asked from another home
    socket_folder.cache_clear()
    monkeypatch.chdir(project.folder)
    project.inventory({"web": by_address(host)})
    yield environment
    project.inventory({"web": by_address(host)})
    way().forget_master()
    socket_folder.cache_clear()


def way() -> OpenSshTransport:
    """prov's own way to the host."""
    (host,) = load(None).select("web")
    found = transport_to(reach(host))
    assert isinstance(found, OpenSshTransport)
    return found


def master() -> int:
    """The process that keeps the connection."""
    path = way().socket
    assert path is not None
    said = subprocess.run(
        ["ssh", "-S", str(path), "-O", "check", "web"], capture_output=True, text=True, check=True, timeout=10
    )
    return int(said.stderr.partition("pid=")[2].partition(")")[0])


# -- passwords


def with_password(project: Project, host: lab.LabHost, password: str, **more: object) -> None:
    variables = by_address(host) | {
        "ansible_user": "ann",
        "ansible_password": password,
        "ansible_become": False,
    }
    del variables["ansible_ssh_private_key_file"]
    project.inventory({"web": {**variables, **more}})


def test_a_password_is_seen_by_ssh_alone(project: Project, host: lab.LabHost, home: dict[str, str]) -> None:
    seen = project.folder / "seen"
    program = project.folder / "ssh9"
    program.write_text(f'#!/bin/sh\n(env; echo "$@") >>{seen}\nexec {home["HOME"]}/bin/ssh "$@"\n')
    program.chmod(0o755)
    with_password(project, host, SECRET, ansible_ssh_executable=str(program))
    prov("ping", "web", cwd=project.folder, env=home, status=0)
    text = seen.read_text()
    assert "SSH_ASKPASS=" in text and "battery" not in text
    script = next(line.partition("=")[2] for line in text.splitlines() if line.startswith("SSH_ASKPASS="))
    assert not Path(script).exists(), "nothing of the run is left"


def test_a_wrong_password(project: Project, host: lab.LabHost, home: dict[str, str]) -> None:
    with_password(project, host, "wrong")
    error = prov("ping", "web", cwd=project.folder, env=home, status=4).error()
    assert error["message"].startswith(f"ann@{host.address}: Permission denied (publickey,password)")
    assert "the password was refused" in error["message"]


def test_keys_of_an_agent_do_not_use_up_the_tries(
    project: Project, host: lab.LabHost, home: dict[str, str], tmp_path: Path
) -> None:
    for number in range(8):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / f"k{number}")]
        subprocess.run(argv, check=True, timeout=20)
    said = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    values = dict(line.split(";")[0].split("=") for line in said.splitlines() if "=" in line)
    env = {**home, "SSH_AUTH_SOCK": values["SSH_AUTH_SOCK"]}
    try:
        keys = [str(tmp_path / f"k{number}") for number in range(8)]
        subprocess.run(["ssh-add", "-q", *keys], env={**os.environ, **env}, check=True, timeout=20)
        with_password(project, host, SECRET)
        prov("ping", "web", cwd=project.folder, env=env, status=0)
        # and neither do they where the inventory names the right one
        project.inventory({"web": by_address(host)})
        prov("ping", "web", cwd=project.folder, env=env, status=0)
    finally:
        os.kill(int(values["SSH_AGENT_PID"]), signal.SIGTERM)


# -- kept connections


def logins() -> int:
    return int(on(NAME, "sh", "-c", "journalctl -u ssh -o cat | grep -c '^Accepted' || true"))


def test_a_connection_is_kept_and_used(project: Project, home: dict[str, str]) -> None:
    prov("ping", "web", cwd=project.folder, env=home, status=0)
    first, before = master(), logins()
    for words in (["ping", "web"], ["run", "web", "--", "true"]):
        prov(*words, cwd=project.folder, env=home, status=0)
    assert logins() == before + 1, "and that one was this test's own, which counts"
    assert master() == first
    path = way().socket
    assert path is not None and path.parent.stat().st_mode & 0o777 == 0o700


def test_none_is_kept(project: Project, host: lab.LabHost, home: dict[str, str]) -> None:
    project.inventory({"web": {**by_address(host), "prov_persist": 0}})
    prov("ping", "web", cwd=project.folder, env=home, status=0)
    assert way().socket is None


@pytest.mark.parametrize("death", ["killed", "frozen", "host", "socket"])
def test_a_kept_connection_that_has_died_costs_no_failure(
    project: Project, home: dict[str, str], death: str
) -> None:
    prov("ping", "web", cwd=project.folder, env=home, status=0)
    pid = master()
    if death == "killed":
        os.kill(pid, signal.SIGKILL)
    elif death == "frozen":
        # as where the host or the network has gone: nothing answers, and nothing says so
        os.kill(pid, signal.SIGSTOP)
    elif death == "host":
        on(NAME, "sh", "-c", "pkill -f '^sshd: root@notty' -o || true")
    else:
        path = way().socket
        assert path is not None
        path.unlink()
    try:
        began = time.monotonic()
        prov("ping", "web", cwd=project.folder, env=home, status=0)
        assert time.monotonic() - began < 40
        assert death in ("host",) or master() != pid
    finally:
        if death == "frozen":
            os.kill(pid, signal.SIGKILL)


def test_keys_that_are_not_checked_are_told_of(
    project: Project, host: lab.LabHost, home: dict[str, str]
) -> None:
    config = project.folder / "home/.ssh/config"
    config.write_text("Host *\n    StrictHostKeyChecking no\n    UserKnownHostsFile /dev/null\n")
    run = prov("ping", "web", cwd=project.folder, env=home, status=0)
    notes = [event["text"] for event in run.events if event["event"] == "note"]
    assert len(notes) == 1 and "StrictHostKeyChecking" in notes[0]


# -- what roles run

ROLE = """
text = c.run("echo $HOME; echo aside >&2", hide=True)
assert (text.stdout, text.stderr) == ("/root\\n", "aside\\n"), text
with c.cd("/srv"):
    assert c.run("pwd", hide=True).stdout == "/srv\\n"
assert c.run("exit 3", warn=True, hide=True).exited == 3
text = c.run("tty >/dev/null && echo yes", pty=True, hide=True)
assert text.stdout.strip() == "yes", text
assert c.run("cat", in_stream=io.StringIO("given"), hide=True).stdout == "given"
c.put(io.BytesIO(b"x" * 3_000_000), "/srv/put")
assert c.run("wc -c </srv/put", hide=True).stdout.strip() == "3000000"
got = io.BytesIO()
c.get("/srv/put", got)
assert got.getvalue() == b"x" * 3_000_000
assert c.config.run.env is not None
files.file(c, "/srv/by-role", c.user)
"""
FORWARDED = """
with socket.create_server(("127.0.0.1", 0)) as server:
    port = server.getsockname()[1]
with c.forward_local(port, 22), socket.create_connection(("127.0.0.1", port), 5) as sock:
    files.file(c, "/srv/forwarded", sock.makefile("rb").readline().decode("ascii")[:4])
"""


@pytest.mark.parametrize("connection", ["ssh", "paramiko"])
def test_what_fabric_does_roles_can_do(
    project: Project, host: lab.LabHost, home: dict[str, str], connection: str
) -> None:
    project.role("own", ROLE, head="import io")
    project.inventory({"web": {**by_address(host), "ansible_connection": connection, "roles": ["own"]}})
    assert prov("deploy", "web", cwd=project.folder, env=home, status=0).errors == []
    assert on(NAME, "cat", "/srv/by-role") == "root"


def test_a_port_is_forwarded(project: Project, host: lab.LabHost, home: dict[str, str]) -> None:
    project.role("own", FORWARDED, head="import socket")
    project.inventory({"web": {**by_address(host), "roles": ["own"]}})
    assert prov("deploy", "web", cwd=project.folder, env=home, status=0).errors == []
    assert on(NAME, "cat", "/srv/forwarded") == "SSH-"


def test_what_is_paramikos_is_told(project: Project, host: lab.LabHost, home: dict[str, str]) -> None:
    project.role("own", "c.transport.open_session()")
    project.inventory({"web": {**by_address(host), "roles": ["own"]}})
    error = prov("deploy", "web", cwd=project.folder, env=home).error()
    assert error["message"] == "c.transport needs paramiko, but this host is reached by OpenSSH"


def test_neither_fabric_nor_paramiko_is_imported(
    project: Project, host: lab.LabHost, home: dict[str, str]
) -> None:
    project.role("own", 'files.template(c, "a.j2", to="/srv/a")', a_j2="x")
    project.inventory({"web": {**by_address(host), "roles": ["own"]}})
    code = (
        "import atexit, sys; from provision.cli import main\n"
        "sys.argv = ['prov', 'deploy', 'web']\n"
        "try: main.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('fabric', 'paramiko', 'invoke', 'cryptography') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]", done
