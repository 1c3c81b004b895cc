"""What goes wrong on hosts that can be reached: each with its message, its exit status, and a host that the
next run puts right."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from helpers.cli import PROV, Run, finish, prov, start
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project

from provision import lab
from provision.controller import agent_conversation, channel, login
from provision.controller.events import HostDone, StepRunning
from provision.controller.openssh import process
from provision.controller.run_options import RunOptions
from provision.inventory import load
from provision.roles.project import resolve
from provision.run.on_hosts import Run as RunOfRoles

pytestmark = pytest.mark.lab

NAME = "t-bad"


@pytest.fixture(scope="module", autouse=True)
def host(lab_hosts: Hosts) -> lab.LabHost:
    """A host without an application, and with nothing that other tests need."""
    return lab_hosts.one(NAME)


@pytest.fixture
def deploy(project: Project) -> Callable[[str, int], Run]:
    """Deploy a role with this body; says what has to come of it."""

    def run(body: str, status: int) -> Run:
        ready(project, body)
        return prov("deploy", NAME, cwd=project.folder, status=status)

    return run


Deploy = Callable[[str, int], Run]


def ready(project: Project, body: str) -> None:
    """Write a role `own` and an inventory that gives it to the host."""
    project.role("own", body).inventory({NAME: None}, ansible_connection="lab", roles=["own"])


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something that happens soon."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.1)


def agents() -> str:
    """Process numbers of prov's agents on the host, and of the shells that started them."""
    return on(NAME, "pgrep", "-f", "[z]lib.decompress", check=False)


def running(*argv: str) -> bool:
    """Whether a command with these words is running on the host."""
    return " ".join(argv) in on(NAME, "ps", "-eo", "args").splitlines()


@pytest.fixture
def small() -> Iterator[str]:
    """A folder with room for 1 MB."""
    folder = "/srv/small"
    on(NAME, "mkdir", "-p", folder)
    on(NAME, "mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", folder)
    yield folder
    on(NAME, "umount", folder)


def test_a_full_disk_is_named(deploy: Deploy, small: str, project: Project) -> None:
    (project.folder / "big").write_bytes(os.urandom(3 << 20))
    body = f'files.copy(c, "{project.folder}/big", to="{small}/big")\nfiles.file(c, "/srv/after", "after")'
    run = deploy(body, 1)
    error = run.error()
    assert "no space left on device" in error["message"]
    assert small in error["message"]
    assert error["hint"].startswith("The disk is full")
    assert [s["state"] for s in run.steps(NAME)] == ["failed", "skipped"]
    assert on(NAME, "ls", "-A", small) == "", "nothing half-written is left"

    on(NAME, "mount", "-o", "remount,size=8M", small)
    assert [s["state"] for s in deploy(body, 0).steps(NAME)] == ["changed", "changed"]


def test_a_package_that_does_not_exist(deploy: Deploy) -> None:
    error = deploy('apt.packages(c, ["hello-from-nowhere"])', 1).error()
    assert error["message"] == "this host's repositories have no package 'hello-from-nowhere'"
    assert error["hint"] == "Check the spelling, or add the repository that has it."
    assert error["where"] == "roles/own/__init__.py:8"
    assert error["argv"][0] == "apt-get"
    assert error["status"] == 100


def test_an_undefined_name_in_a_template(deploy: Deploy, project: Project) -> None:
    project.role("own", "pass", conf="first line\n{{ c.name }}\n{{ nobody.knows }}\n")
    error = deploy('files.template(c, "conf.j2", to="/etc/own.conf")', 1).error()
    assert error["message"] == "'nobody' is undefined"
    assert error["where"] == f"{project.folder}/roles/own/templates/conf.j2:3"


def test_a_failed_command_is_shown_whole(deploy: Deploy) -> None:
    script = "echo said; echo complained >&2; exit 7"
    error = deploy(f'command.command(c, ["sh", "-c", "{script}"], reason="a test")', 1).error()
    assert error == {
        "message": "the command failed",
        "where": "roles/own/__init__.py:8",
        "hint": "",
        "argv": ["sh", "-c", script],
        "status": 7,
        "stdout": "said",
        "stderr": "complained",
    }


DYING = """
[Service]
ExecStart=/bin/sh -c "echo these were my last words; exit 3"
[Install]
WantedBy=multi-user.target
"""


def test_the_journal_of_a_unit_that_dies_is_shown(deploy: Deploy) -> None:
    body = f'unit = systemd.unit(c, "t-dies.service", """{DYING}""")\nsystemd.service(c, "t-dies", restart_on=[unit])'
    error = deploy(body, 1).error()
    assert "t-dies.service" in error["message"]
    assert "these were my last words" in error["stderr"]
    assert error["where"] == "roles/own/__init__.py:14"

    again = deploy(body, 1)
    assert [s["state"] for s in again.steps(NAME)] == ["ok", "failed"], "still owed, and still said"
    mended = body.replace("exit 3", "exec sleep 1000")
    assert [s["state"] for s in deploy(mended, 0).steps(NAME)] == ["changed", "changed"]
    assert on(NAME, "systemctl", "is-active", "t-dies") == "active"


def test_a_file_where_a_directory_should_be(deploy: Deploy) -> None:
    on(NAME, "sh", "-c", "rm -rf /srv/place; echo precious >/srv/place")
    error = deploy('files.directory(c, "/srv/place")', 1).error()
    assert "/srv/place" in error["message"]
    assert "directory" in error["message"] + error["hint"]
    assert error["hint"]
    assert on(NAME, "cat", "/srv/place") == "precious"

    inside = deploy('files.file(c, "/srv/place/inner", "text")', 1).error()
    assert "/srv/place" in inside["message"]
    assert inside["hint"], inside


def test_a_directory_where_a_file_should_be(deploy: Deploy) -> None:
    on(NAME, "sh", "-c", "rm -rf /srv/folder; mkdir /srv/folder; echo precious >/srv/folder/file")
    error = deploy('files.file(c, "/srv/folder", "text")', 1).error()
    assert "/srv/folder" in error["message"]
    assert error["hint"]
    assert on(NAME, "cat", "/srv/folder/file") == "precious"


#: a run with a long step in its middle
LONG = """
files.file(c, "/srv/long-before", c.vars["text"])
command.command(c, ["sleep", c.vars["seconds"]], reason="a test")
files.file(c, "/srv/long-after", c.vars["text"])
"""


def prepare(project: Project, text: str, seconds: str) -> None:
    """Write the role and its inventory."""
    variables = {"text": text, "seconds": seconds}
    project.role("own", LONG).inventory({NAME: variables}, ansible_connection="lab", roles=["own"])


class Long:
    """A deploy that has come to its long step."""

    def __init__(self, project: Project, text: str, seconds: str) -> None:
        self.sleep = ["sleep", seconds]
        self.project = project
        self.text = text
        prepare(project, text, seconds)
        self.process = start("deploy", NAME, cwd=project.folder)
        try:
            wait_until(lambda: running(*self.sleep))
        except BaseException:
            self.process.kill()
            raise

    def again(self) -> Run:
        """Once the first run has left the host: the same again, in less time."""
        wait_until(lambda: not agents())
        prepare(self.project, self.text, "0.1")
        run = prov("deploy", NAME, cwd=self.project.folder, status=0)
        assert run.not_in(NAME, "ok", "changed") == []
        return run


def states(run: Run) -> list[str]:
    return [s["state"] for s in run.steps(NAME)]


#: sends a signal to the process of sshd that serves prov's session, and to no other
SIGNAL_SSHD = """
    p=$(pgrep -of '[z]lib.decompress')
    while ! grep -q '^sshd' /proc/$p/comm; do p=$(cut -d' ' -f4 /proc/$p/stat); done
    kill -$1 $p
"""


def signal_sshd(name: str) -> None:
    on(NAME, "sh", "-c", SIGNAL_SSHD, "sh", name)


def test_a_connection_cut_in_the_middle(project: Project) -> None:
    long = Long(project, "cut", "8.1")
    signal_sshd("KILL")
    run = finish(long.process, timeout=30, status=4)
    error = run.error()
    assert error["message"] == "the connection was cut before the run had ended"
    assert "run again" in error["hint"]
    assert run.tally(NAME)["unreachable"] == 1
    assert running(*long.sleep), "the step that was running goes on to its end"
    # what had been done is done whole, and what came after was not begun
    again = long.again()
    assert states(again) == ["ok", "changed", "changed"]
    assert on(NAME, "cat", "/srv/long-after") == "cut"


Impatient = Callable[[str], RunOfRoles]


@pytest.fixture
def impatient(project: Project, monkeypatch: pytest.MonkeyPatch) -> Impatient:
    """A deploy in this process, which takes 7 seconds of silence for the link's end: more than a living agent is
    silent, and not as much as it really takes."""
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(login, "START_TIMEOUT", 7.0)
    for module in (agent_conversation, channel, process):
        monkeypatch.setattr(module, "SILENCE", 7.0)
    return lambda name: RunOfRoles(resolve(load(None).select(name, None)), RunOptions())


def test_a_link_that_falls_silent(project: Project, impatient: Impatient) -> None:
    prepare(project, "silent", "3.2")
    run = impatient(NAME)
    ends = []
    for event in run:
        if isinstance(event, StepRunning):
            signal_sshd("STOP")
        if isinstance(event, HostDone):
            ends.append(event)
    signal_sshd("CONT")
    (end,) = ends
    assert end.unreachable
    assert end.error is not None
    assert end.error.message == "the connection has been silent for 7 s"
    assert run.exit_status() == 4
    wait_until(lambda: not agents())
    assert states(prov("deploy", NAME, cwd=project.folder, status=0)) == ["ok", "changed", "changed"]


#: more than sshd's window and the network's buffers hold, sent when the link has gone
MUCH = """
if command.command(c, ["true"], reason="a test").changed:
    subprocess.run(c.vars["stop"], check=True)
for number in range(4000):
    command.command(c, ["true", str(number), "x" * 2000], reason="a test")
"""


def test_a_link_that_takes_nothing_more(project: Project, impatient: Impatient) -> None:
    project.role("own", MUCH, head="import subprocess")
    stop = [PROV, "lab", "ssh", NAME, "--", "sh", "-c", SIGNAL_SSHD, "sh", "STOP"]
    project.inventory({NAME: {"stop": stop}}, ansible_connection="lab", roles=["own"])
    began = time.monotonic()
    (end,) = [event for event in impatient(NAME) if isinstance(event, HostDone)]
    assert time.monotonic() - began < 60
    signal_sshd("CONT")
    assert end.unreachable
    assert end.error is not None
    assert end.error.message == "the connection has been silent for 7 s"
    wait_until(lambda: not agents())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_interrupt_ends_after_the_running_step(project: Project, number: signal.Signals) -> None:
    long = Long(project, f"one {number.name}", "8.3")
    long.process.send_signal(number)
    run = finish(long.process, timeout=30, status=130)
    assert states(run) == ["changed", "changed", "skipped"]
    assert run.steps(NAME)[-1]["why"] == "the run was stopped"
    assert "run again" in run.stderr
    assert not running(*long.sleep)
    assert not agents(), "nothing of prov is left when prov has ended"
    assert states(long.again()) == ["ok", "changed", "changed"]


def test_two_interrupts_leave_at_once(project: Project) -> None:
    long = Long(project, "two", "9.4")
    long.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    long.process.send_signal(signal.SIGINT)
    finish(long.process, timeout=30, status=130)
    assert running(*long.sleep), "a step is never cut in its middle"
    assert states(long.again()) == ["ok", "changed", "changed"]
    assert on(NAME, "cat", "/srv/long-after") == "two"


def test_two_runs_at_once(project: Project) -> None:
    long = Long(project, "first", "9.5")
    second = prov("deploy", NAME, cwd=project.folder, status=1)
    error = second.error()
    assert error["message"].startswith("another run is at work on this host: ")
    assert f"(pid {long.process.pid})" in error["message"], "it says who"
    assert error["hint"]
    assert second.steps(NAME) == []
    plan = prov("plan", NAME, cwd=project.folder, status=3)
    assert states(plan)[0] == "ok", "a plan waits for nobody"
    first = finish(long.process, timeout=30, status=0)
    assert states(first) == ["changed", "changed", "changed"]
    assert prov("deploy", NAME, cwd=project.folder, status=0).errors == []


def test_a_dead_run_leaves_no_lock(project: Project) -> None:
    long = Long(project, "dead", "3.6")
    long.process.kill()
    long.process.communicate(timeout=30)
    assert states(long.again()) == ["ok", "changed", "changed"]


def test_neither_python_nor_a_package_manager(lab_hosts: Hosts, project: Project) -> None:
    name = "t-bare"
    lab_hosts.one(name, Kind(python=False))
    on(name, "mv", "/usr/bin/apt-get", "/usr/bin/apt-got")
    project.role("own", 'files.file(c, "/srv/file", "text")')
    project.inventory({name: None}, ansible_connection="lab", roles=["own"])
    for command in ("deploy", "plan"):
        run = prov(command, name, cwd=project.folder, status=1)
        error = run.error()
        assert "no python3" in error["message"]
        assert "neither apt-get, dnf nor yum" in error["message"]
        assert "ansible_python_interpreter" in error["hint"]
    on(name, "mv", "/usr/bin/apt-got", "/usr/bin/apt-get")
    # an installation that fails
    on(name, "mv", "/etc/apt", "/etc/apt-away")
    error = prov("deploy", name, cwd=project.folder, status=1).error()
    assert error["message"] == "python3 could not be installed"
    assert "python3" in error["stderr"]
    on(name, "mv", "/etc/apt-away", "/etc/apt")


def test_an_installation_of_python_may_be_silent_for_long(
    lab_hosts: Hosts, project: Project, impatient: Impatient
) -> None:
    name = "t-bare"
    lab_hosts.one(name, Kind(python=False))
    slow = '#!/bin/sh\nsleep 8\nexec /usr/bin/apt-got "$@"\n'
    on(
        name,
        "sh",
        "-ec",
        'cd /usr/bin; mv apt-get apt-got; printf %s "$1" >apt-get; chmod +x apt-get',
        "sh",
        slow,
    )
    project.role("own", 'files.file(c, "/srv/file", "text")')
    project.inventory({name: None}, ansible_connection="lab", roles=["own"])
    (end,) = [event for event in impatient(name) if isinstance(event, HostDone)]
    on(name, "mv", "/usr/bin/apt-got", "/usr/bin/apt-get")
    assert end.error is None
    assert on(name, "cat", "/srv/file") == "text"
