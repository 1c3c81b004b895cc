"""prov test on real hosts: good roles pass, broken ones fail at the stage that shows it, no host is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import PROV, Run, finish, prov, start
from helpers.projects import HELLO, STACK, Project

from provision import lab

pytestmark = pytest.mark.lab

TOP = Path(__file__).parents[2]
ROLES = ("restless", "forgetful", "untested", "failing", "misspelt")
UNIT = '"[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n"'


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Whatever a test does, prov removes its hosts; those that it keeps are removed here."""
    yield
    left = [
        host.name for host in lab.hosts() if host.name.startswith(tuple(f"test-{name}-" for name in ROLES))
    ]
    if left:
        subprocess.run([PROV, "lab", "down", *left], check=True, capture_output=True)
    assert left == [], "hosts that prov test has left"


def stages(run: Run, subject: str, image: str = "debian-12") -> dict[str, tuple[str, str]]:
    """State and reason of each stage of a trial."""
    mine = [e for e in run.events if e["event"] == "stage" and (e["subject"], e["image"]) == (subject, image)]
    return {e["stage"]: (e["state"], e["why"]) for e in mine}


def states(run: Run, subject: str) -> list[str]:
    return [state for state, _ in stages(run, subject).values()]


def write_tests(project: Project, role: str, text: str) -> None:
    folder = project.folder / "roles" / role / "tests"
    folder.mkdir(exist_ok=True)
    (folder / f"test_{role}.py").write_text(text)


def test_broken_roles_and_what_is_said_of_them(project: Project) -> None:
    """One changes on every run; one has a service that is not enabled, and so is gone after the reboot."""
    project.role("restless", 'files.file(c, "/etc/restless", str(time.time()))', head="import time")
    project.role(
        "forgetful",
        f'systemd.unit(c, "forgetful.service", {UNIT})\nsystemd.service(c, "forgetful", enabled=False)',
    )
    write_tests(
        project,
        "forgetful",
        "def test_it_runs(host, prov_host, deployed):\n"
        "    assert 'service forgetful' in ' '.join(deployed.changed)\n"
        "    assert prov_host.run(['hostname']).stdout.strip() == prov_host.name\n"
        "    assert host.service('forgetful').is_running\n",
    )
    junit = project.folder / "found" / "junit.xml"
    run = prov("test", "restless", "forgetful", f"--junit={junit}", cwd=project.folder, timeout=200, status=1)

    found = stages(run, "restless")
    assert found["deploy again"] == ("failed", "changed again: file /etc/restless")
    (told,) = [e for e in run.events if e.get("stage") == "deploy again" and e["subject"] == "restless"]
    assert told["steps"][0]["where"] == "roles/restless/__init__.py:8"
    assert {name for name, (state, _) in found.items() if state == "failed"} == {"deploy again"}
    assert found["verify"] == ("skipped", "restless has no tests")
    assert "restless debian-12: no tests in roles/restless/tests/test_*.py" in run.stderr

    found = stages(run, "forgetful")
    assert found["verify"] == ("passed", "1 passed")
    assert found["reboot"][0] == "passed"
    assert found["verify again"] == ("failed", "failed after the reboot: test_it_runs")
    assert {name for name, (state, _) in found.items() if state == "failed"} == {"verify again"}
    assert run.events[-1]["hosts"]["test-forgetful-debian-12"]["failed"] == 1

    failed = {
        case.get("name") for case in ET.parse(junit).iter("testcase") if case.find("failure") is not None
    }
    assert failed == {"deploy again", "verify again", "test_it_runs (test-forgetful-debian-12)"}


def test_what_ends_a_trial(project: Project) -> None:
    """A step that fails, and a file of tests that cannot be imported."""
    project.role("failing", 'files.file(c, "/no/folder/x", "")')
    project.role("misspelt", 'files.file(c, "/etc/misspelt", "")')
    write_tests(project, "misspelt", "import nosuch\n")
    run = prov("test", "failing", "misspelt", "--no-reboot", cwd=project.folder, timeout=200, status=1)
    found = stages(run, "failing")
    assert found["plan"] == ("failed", "failed: file /no/folder/x")
    assert set(states(run, "failing")[2:]) == {"skipped"}
    assert found["deploy"] == ("skipped", "plan failed")
    (told,) = [e for e in run.events if e.get("stage") == "plan" and e["subject"] == "failing"]
    assert told["steps"][0]["error"]["message"] == "the directory /no does not exist"
    assert stages(run, "misspelt")["verify"][0] == "failed"
    (wrong,) = [e for e in run.events if e["event"] == "test"]
    assert "No module named 'nosuch'" in wrong["text"]


def test_hosts_that_are_kept(project: Project) -> None:
    """Left for a look, with how to get in; the next test finds the name in use."""
    project.role("untested", 'files.file(c, "/etc/untested" + ("" if c.planning else "-x"), "x")')
    name = "test-untested-debian-12"
    argv = [PROV, "test", "untested", "--keep", "--no-reboot"]
    done = subprocess.run(argv, cwd=project.folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done
    assert "1 of 1 steps changed; not in the plan: file /etc/untested-x\n" in done.stdout
    assert f"    prov lab ssh {name}\n    prov lab down {name}\n" in done.stdout
    again = prov("test", "untested", cwd=project.folder, status=2).error()
    assert again["message"] == f"the lab has a host {name} already, and a test begins with a bare one"
    assert f"prov lab down {name}" in again["hint"]
    subprocess.run([PROV, "lab", "down", name], check=True, capture_output=True)


def test_interrupted(project: Project) -> None:
    """The hosts go all the same."""
    project.role("untested", 'command.command(c, ["sleep", "5"], reason="a while")')
    process = start("test", "untested", cwd=project.folder)
    end = time.monotonic() + 60
    while (found := lab.find("test-untested-debian-12")) is None or found.state != "running":
        assert time.monotonic() < end
        time.sleep(0.1)
    time.sleep(1.5)
    os.kill(process.pid, signal.SIGINT)
    run = finish(process, timeout=60, status=130)
    assert run.events[-2]["event"] == "trial"


def test_hosts_of_an_inventory(project: Project) -> None:
    """By their names, with the tests of a group; and plain pytest on one that is there."""
    project.role("untested", 'files.file(c, "/etc/untested", c.vars["word"])')
    project.inventory(
        {"t-pt-one": {"word": "one"}, "t-pt-two": {"word": "two"}},
        roles=["untested"],
        ansible_host="192.0.2.1",
        ansible_user="nobody",
    )
    (project.folder / "tests").mkdir()
    (project.folder / "tests/test_tests.py").write_text(
        "def test_the_word(host, prov_host):\n"
        "    assert host.file('/etc/untested').content_string == prov_host.vars['word']\n"
    )
    run = prov("test", "tests", "--no-reboot", cwd=project.folder, timeout=120, status=0)
    assert {e["host"] for e in run.events if e["event"] == "test"} == {"t-pt-one", "t-pt-two"}
    assert stages(run, "tests")["deploy"] == ("passed", "2 of 2 steps changed")
    assert lab.find("t-pt-one") is None


@pytest.mark.at_length
def test_a_rehearsal(project: Project) -> None:
    """A copy with generated secrets and an authority of its own: served, rebooted, released again and rolled back."""
    shop = {**HELLO, "server": "gunicorn", "tls": "acme", "secrets": {"TOKEN": "of-the-real-host"}}
    project.examples().inventory(
        {"t-rehearsed": {"apps": {"hello": shop}}},
        roles=STACK,
        ansible_host="192.0.2.1",
        ansible_user="nobody",
        tls={"acme": {"agree": True}},
    )
    (project.folder / "tests").mkdir()
    (project.folder / "tests/test_t_rehearsed.py").write_text(
        "def test_it(prov_host):\n"
        "    assert prov_host.fetch('/healthz').status == 200\n"
        "    written = prov_host.run(['sh', '-c', 'cat /etc/prov/hello*']).stdout\n"
        "    assert 'TOKEN' in written and 'of-the-real-host' not in written\n"
    )
    run = prov("rehearse", "t-rehearsed", cwd=project.folder, timeout=400, status=0)
    assert stages(run, "t-rehearsed")["roll back"] == ("passed", "went back: hello")
    assert {e["what"] for e in run.events if e["event"] == "replaced"} == {
        "apps.hello.secrets.TOKEN",
        "apps.hello.tls",
        "tls.acme",
    }
    assert not (project.folder / ".prov/ca").exists()
    assert lab.find("t-rehearsed") is None


def test_built_in_roles(tmp_path: Path) -> None:
    """One of them; `make test-roles` runs all of them, on all images."""
    run = prov("test", "firewall", "--image", "debian-13", cwd=TOP, timeout=400, status=0)
    summary: dict[str, Any] = run.events[-1]["hosts"]
    assert set(summary) == {"test-firewall-debian-13"}
    assert all(count["failed"] == 0 and count["skipped"] == 0 for count in summary.values()), json.dumps(
        summary
    )


def test_plain_pytest_boots_a_host_for_each_role(project: Project) -> None:
    """Once for all tests of a role, as a session of pytest in the project's folder."""
    project.role("untested", 'files.file(c, "/etc/untested", "x")')
    text = (
        "def test_{n}(deployed, prov_host):\n    assert 'changed' == deployed['file /etc/untested'].state\n"
    )
    write_tests(project, "untested", text.format(n=1) + text.format(n=2))
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "roles", "--prov-image=debian-13"]
    done = subprocess.run(argv, cwd=project.folder, capture_output=True, text=True, timeout=120, check=False)
    assert "2 passed" in done.stdout, done
    assert lab.find("test-untested-debian-13") is None
