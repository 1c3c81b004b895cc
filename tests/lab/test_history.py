"""History, undo and prune on a real host: a stack with an application, taken back to the byte."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, on
from helpers.projects import HELLO, STACK, Project

pytestmark = pytest.mark.lab

NAME = "t-undo"
#: what no undo promises: times, caches that programs write for themselves, and the lab's own
PHOTOGRAPH = r"""
find /etc -xdev -path /etc/hosts -o -path /etc/ld.so.cache -o -printf '%p %m %U %G %y %l\n' | sort
find /etc -xdev -type f -not -path /etc/hosts -not -path /etc/ld.so.cache -exec sha256sum {} + | sort
systemctl list-unit-files --no-legend --plain --type=service,socket,timer | awk '{print $1, $2}' | sort
systemctl list-units --all --no-legend --plain --type=service,socket --state=running,listening | awk '{print $1, $4}' |
  grep -v '^user' | grep -v '^session' | sort
"""


def photograph(name: str) -> list[str]:
    """All of /etc, the units, and what runs."""
    return on(name, "bash", "-c", PHOTOGRAPH).splitlines()


@pytest.fixture(scope="module")
def stack(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A host with the packages of a whole stack, and nothing of it any more: deployed once, and undone."""
    lab_hosts.one(NAME)
    project = Project(tmp_path_factory.mktemp("history"))
    project.examples()
    declare(project, hello=HELLO)
    prov("deploy", NAME, cwd=project.folder, timeout=300, status=0)
    prov("undo", NAME, cwd=project.folder, status=0)
    return project


def declare(project: Project, *, roles: list[str] = STACK, **apps: Any) -> None:
    project.inventory({NAME: {"apps": apps}}, ansible_connection="lab", roles=roles)


def changed(run: Run) -> list[dict[str, Any]]:
    return [step for step in run.steps(NAME) if step["state"] == "changed"]


def test_a_stack_is_undone_byte_for_byte(stack: Project) -> None:
    before = photograph(NAME)
    deployed = prov("deploy", NAME, cwd=stack.folder, timeout=200, status=0)
    assert changed(deployed)
    assert photograph(NAME) != before
    runs = [e for e in prov("history", NAME, cwd=stack.folder, status=0).events if e["event"] == "run"]
    last = runs[-1]
    assert (last["state"], last["changed"]) == ("done", [step["step"] for step in changed(deployed)])
    (told,) = [
        e
        for e in prov("history", NAME, str(last["id"]), cwd=stack.folder, status=0).events
        if e["event"] == "run"
    ]
    assert [step["step"] for step in told["steps"]] == last["changed"]
    planned = prov("undo", NAME, str(last["id"]), "--check", cwd=stack.folder, status=3)
    undone = prov("undo", NAME, str(last["id"]), cwd=stack.folder, status=0)
    assert changed(planned)[0]["diff"] == changed(undone)[0]["diff"]
    after = photograph(NAME)
    assert [line for line in after if line not in before] == []
    assert [line for line in before if line not in after] == []
    again = prov("undo", NAME, str(last["id"]), cwd=stack.folder, status=0)
    assert changed(again) == []


def test_what_left_the_inventory(stack: Project) -> None:
    declare(stack, hello=HELLO, other={**HELLO, "domains": ["other.test"]})
    prov("deploy", NAME, cwd=stack.folder, timeout=200, status=0)
    data = "/var/lib/app-other"
    on(NAME, "sh", "-c", f"test -d {data} && echo precious >{data}/database")
    declare(stack, hello=HELLO)
    named = prov("deploy", NAME, cwd=stack.folder, timeout=200, status=0)
    told = [e["what"] for e in named.events if e["event"] == "undeclared"]
    assert any("other" in what for what in told)
    assert not any("hello" in what for what in told), told
    assert not on(NAME, "ls", "/etc/nginx/sites-enabled").count("other"), "the front serves what is declared"
    assert on(NAME, "ls", "/etc/systemd/system").count("app-other@"), "nothing else goes silently"
    planned = prov("plan", "--prune", NAME, cwd=stack.folder, status=3)
    pruned = prov("deploy", "--prune", NAME, cwd=stack.folder, status=0)
    assert changed(planned)[-1]["diff"] == changed(pruned)[-1]["diff"]
    places = ("/etc/nginx", "/etc/systemd", "/etc/tmpfiles.d", "/etc/ssl", "/srv", "/var/lib")
    options = ("-path", "*/site-packages/*", "-prune", "-o", "-name", "*other*", "-print")
    assert on(NAME, "find", *places, *options).split() == [data]
    assert "other" not in on(NAME, "cut", "-d:", "-f1", "/etc/passwd", "/etc/group").split("\n")
    assert on(NAME, "cat", f"{data}/database") == "precious"
    assert on(NAME, "systemctl", "is-active", "nginx") == "active"
    again = prov("plan", "--prune", NAME, cwd=stack.folder, status=0)
    assert changed(again) == []


def test_a_failed_deploy_takes_itself_back(stack: Project) -> None:
    body = """
    conf = files.file(c, "/etc/t-undo.conf", "new\\n")
    users.user(c, "t-undo")
    text = "[Service]\\nExecStart=/bin/sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n"
    systemd.unit(c, "t-undo.service", text)
    systemd.service(c, "t-undo", restart_on=[conf])
    systemd.service(c, "cron", running=False, enabled=False)
    command.command(c, ["false"], reason="a test")
    """
    stack.role("failing", body)
    declare(stack, roles=["failing"])
    before = photograph(NAME)
    failed = prov("deploy", "--undo-on-failure", NAME, cwd=stack.folder, status=1)
    assert [step["state"] for step in failed.steps(NAME)][-2:] == ["failed", "changed"]
    assert photograph(NAME) == before


def test_a_full_disk_keeps_nobody_from_changing_the_host(stack: Project) -> None:
    stack.role("small", 'files.file(c, "/etc/t-full", "x" * 20)\nfiles.file(c, "/etc/t-full2", "y")')
    declare(stack, roles=["small"])
    on(
        NAME,
        "sh",
        "-c",
        "mount -t tmpfs -o size=64k,mode=700 full /var/lib/prov; head -c 1M /dev/zero >/var/lib/prov/fill || true",
    )
    try:
        deployed = prov("deploy", NAME, cwd=stack.folder, status=0)
        assert len(changed(deployed)) == 2
        notes = " ".join(e["text"] for e in deployed.events if e["event"] == "note")
        assert "can't be undone: No space left on device" in notes
        on(NAME, "rm", "/var/lib/prov/fill")
        refused = prov("undo", NAME, cwd=stack.folder, status=1)
        assert on(NAME, "cat", "/etc/t-full") == "x" * 20, refused
        assert prov("deploy", NAME, cwd=stack.folder, status=0).tally(NAME)["changed"] == 0
    finally:
        on(NAME, "sh", "-c", "umount /var/lib/prov; rm -f /etc/t-full /etc/t-full2")
