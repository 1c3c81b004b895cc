"""Saved plans and drift on two real hosts: what was saved is done, and nothing else is."""

from __future__ import annotations

import json
import subprocess

import pytest
from helpers.cli import PROV, Run, prov
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project

pytestmark = pytest.mark.lab

ONE, OTHER, GONE = "t-plan1", "t-plan2", "t-plan-gone"
TOKEN = "correct-horse-battery"
ROLE = """
    conf = files.template(c, "demo_conf.j2", to="/etc/demo.conf")
    files.file(c, "/etc/demo.token", Secret(c.vars["demo_token"]), mode=0o600)
    unit = systemd.unit(
        c, "demo.service", "[Service]\\nExecStart=sleep infinity\\n[Install]\\nWantedBy=multi-user.target"
    )
    systemd.service(c, "demo", restart_on=[unit, conf])
    read = command.command(c, ["cat", "/etc/demo.conf"], reason="only the host knows")
    if "hello" in read.stdout:
        files.file(c, "/etc/demo.later", "it was read\\n")
"""


@pytest.fixture(scope="module")
def demo(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two hosts that have been deployed, by a saved plan."""
    lab_hosts.up({ONE: Kind(), OTHER: Kind()})
    project = Project(tmp_path_factory.mktemp("plans"))
    project.role(
        "demo", ROLE, head="from provision.secrets import Secret", demo_conf="{{ c.vars.demo_text }}\n"
    )
    inventory(project)
    return project


def inventory(project: Project, words: str = "hello", token: str = TOKEN, *names: str) -> None:
    names = names or (ONE, OTHER)
    project.inventory(
        dict.fromkeys(names),
        ansible_connection="lab",
        roles=["demo"],
        demo_text=words,
        demo_token=token,
    )


def save(project: Project, target: str = ONE, status: int = 3) -> Run:
    return prov("plan", target, "-o", "x.plan", cwd=project.folder, status=status)


def deploy(project: Project, status: int) -> Run:
    return prov("deploy", "--plan", "x.plan", cwd=project.folder, status=status)


def looks() -> str:
    """What a refused plan must not touch. The lab rewrites /etc/hosts when it boots and ends other hosts."""
    words = ("-type", "f", "-not", "-path", "/etc/hosts", "-printf", "%p %m %s %T@\\n")
    return on(ONE, "find", "/etc", "/var/lib/prov", *words)


def refused(project: Project) -> list[str]:
    """Why the plan is refused, with nothing done."""
    before = looks()
    run = deploy(project, status=2)
    assert looks() == before
    assert run.steps(ONE) == []
    assert all(e["hint"].startswith("Nothing was changed.") for e in run.errors)
    return [e["message"].removeprefix("changed since the plan was saved: ") for e in run.errors]


def text(project: Project, *argv: str, status: int) -> tuple[str, str]:
    """What people read: stdout and stderr."""
    done = subprocess.run(
        [PROV, *argv],
        cwd=project.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, done
    return done.stdout, done.stderr


def states(run: Run, host: str) -> dict[str, tuple[str, object]]:
    return {s["step"]: (s["state"], s["diff"]) for s in run.steps(host)}


def test_a_plan_is_saved_shown_and_done(demo: Project) -> None:
    planned = save(demo, "tests")
    place = demo.folder / "x.plan"
    assert place.stat().st_mode & 0o777 == 0o600
    assert TOKEN not in place.read_text()
    shown = prov("show", "x.plan", cwd=demo.folder, status=0)
    for name in (ONE, OTHER):
        assert states(shown, name) == states(planned, name)
        assert shown.tally(name) == planned.tally(name)
    run = deploy(demo, status=0)
    for name in (ONE, OTHER):
        did = states(run, name)
        # Python went on with what only the host could say; all else is what was planned, with its differences
        assert did.pop("file /etc/demo.later")[0] == "changed"
        assert did.pop("command cat /etc/demo.conf")[0] == "changed"
        assert did.items() <= states(planned, name).items()
        assert on(name, "cat", "/etc/demo.later") == "it was read"
    assert any("file /etc/demo.conf: planned: change" in text for text in refused(demo)), "it is done already"


def test_whatever_has_changed_since_is_named(demo: Project) -> None:
    inventory(demo, "hello again")
    save(demo)
    on(ONE, "sh", "-c", "echo by hand >/etc/demo.conf")
    assert [text.partition("; ")[0] for text in refused(demo)] == [
        f"{ONE}: demo: file /etc/demo.conf: planned: change content"
    ]
    on(ONE, "sh", "-c", "echo hello >/etc/demo.conf")
    inventory(demo, "hello twice")
    assert refused(demo) == [f'{ONE}: demo_text: planned with "hello again", now "hello twice"']
    inventory(demo, "hello again", "another-token")
    assert refused(demo) == [
        f"{ONE}: demo: file /etc/demo.token: planned: nothing; now: change content",
        "a secret has changed",
    ]
    inventory(demo, "hello again", TOKEN, OTHER)
    assert refused(demo) == [f"{ONE}: the inventory no longer has this host"]
    inventory(demo, "hello again")
    template = demo.folder / "roles/demo/templates/demo_conf.j2"
    before = template.read_text()
    template.write_text(before + "# more\n")
    assert refused(demo) == ["edited: roles/demo/templates/demo_conf.j2"]
    template.write_text(before)
    run = deploy(demo, status=0)
    assert [s["step"] for s in run.steps(ONE) if s["state"] == "changed"] == [
        "file /etc/demo.conf",
        "service demo",
        "command cat /etc/demo.conf",
    ]
    prov("deploy", "tests", cwd=demo.folder, status=0)


def test_a_plan_that_is_not_whole_is_not_saved(demo: Project) -> None:
    inventory(demo, "hello", TOKEN, ONE, GONE)
    (demo.folder / "x.plan").unlink()
    run = save(demo, "tests", status=4)
    assert "x.plan was not saved" in run.stderr
    assert not (demo.folder / "x.plan").exists()
    inventory(demo, "hello")


def test_drift_is_listed_by_cause_with_its_hosts(demo: Project) -> None:
    inventory(demo, "hello again")
    prov("deploy", "tests", cwd=demo.folder, status=0)
    assert text(demo, "drift", "tests", status=0)[0] == ""
    for name in (ONE, OTHER):
        on(name, "sh", "-c", "echo by hand >/etc/demo.conf; systemctl restart demo")
    on(OTHER, "systemctl", "disable", "demo")
    stdout, stderr = text(demo, "drift", "tests", status=3)
    since = json.loads(on(ONE, "cat", "/var/lib/prov/ledger.json"))["units"]["demo.service"]["at"]
    lines = stdout.splitlines()
    assert lines[0] == "demo: file /etc/demo.conf: content  all 2 hosts"
    assert sorted(line.rpartition("  ")[2] for line in lines[1:]) == [f"only {ONE}", f"only {OTHER}"]
    assert any(
        f"restart owed, running with the configuration of {since}; changed since: file /etc/demo.conf" in line
        for line in lines
    )
    assert "drift on 2 of 2 hosts" in stderr
    prov("deploy", "tests", cwd=demo.folder, status=0)
    assert prov("drift", "tests", cwd=demo.folder, status=0).tally(ONE)["changed"] == 0


def test_a_plan_of_several_hosts_says_once_what_they_share(demo: Project) -> None:
    inventory(demo, "hello to all")
    plan, _ = text(demo, "plan", "tests", status=3)
    assert plan.count("+hello to all") == 1
    assert "demo: file /etc/demo.conf: would change: all 2 hosts" in plan
    deployed, _ = text(demo, "deploy", "tests", status=0)
    assert deployed.count("+hello to all") == 1
    assert f"{ONE}: demo: file /etc/demo.conf: changed\n" in deployed
