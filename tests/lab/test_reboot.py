"""A host that reboots in the middle of a run, which then goes on."""

from __future__ import annotations

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, on
from helpers.projects import Project

pytestmark = [pytest.mark.lab, pytest.mark.minutes]
NAME = "t-reboot"
UNIT = "[Service]\\nExecStart=/bin/sleep 1000\\n[Install]\\nWantedBy=multi-user.target\\n"
HEAD = "from provision.steps import reboot"
FIRST = f"""
conf = files.file(c, "/etc/t.conf", c.vars["text"])
systemd.unit(c, "t-r.service", "{UNIT}")
systemd.service(c, "t-r")
command.command(c, [c.vars["gate"]], reason="a test")
again = reboot.reboot(c, on=[conf])
# sent before the host is back, and about what was before the reboot
files.file(c, "/etc/t-after", c.vars["text"], when=[conf])
systemd.service(c, "t-r", restart_on=[conf])
c.later(lambda: files.file(c, "/etc/t-last", boot(c) if again.changed else "the same", when=[again]) and None)
"""
SECOND = """
reboot.reboot(c)
files.file(c, "/etc/t-second", c.vars["text"], as_user="root")
"""
BOOT = "/proc/sys/kernel/random/boot_id"


def test_the_run_goes_on_after_the_reboot(project: Project, lab_hosts: Hosts) -> None:
    lab_hosts.one(NAME, Kind("debian-13", "sudo"))
    boot = "def boot(c):\n    return 'x' if c.planning else 'after'"
    project.role("first", FIRST, head=f"{HEAD}\n\n\n{boot}").role("second", SECOND, head=HEAD)

    def run(verb: str, text: str, gate: str = "true", status: int = 0) -> Run:
        values = {"text": text, "gate": gate}
        project.inventory({NAME: {}}, ansible_connection="lab", roles=["first", "second"], **values)
        return prov(verb, "tests", cwd=project.folder, status=status)

    def changed(run: Run) -> list[str]:
        return [s["step"] for s in run.steps(NAME) if s["state"] == "changed"]

    # from bare: all that follows the reboot is done, on another boot, and the plan has said so
    before = on(NAME, "cat", BOOT)
    planned, first = run("plan", "1", status=3), run("deploy", "1")
    after = on(NAME, "cat", BOOT)
    assert before != after
    assert first.not_in(NAME, "ok", "changed") == []
    assert changed(first).count("reboot") == 1
    assert [s for s in changed(first) if s != "command true"] == changed(planned)
    (rebooted,) = [s for s in first.steps(NAME) if s["step"] == "reboot" and s["state"] == "changed"]
    assert "file /etc/t.conf" in str(rebooted["diff"]) and rebooted["ms"] > 1000
    for path, text in {"/etc/t-after": "1", "/etc/t-last": "after", "/etc/t-second": "1"}.items():
        assert on(NAME, "cat", path) == text
    assert on(NAME, "systemctl", "is-active", "t-r") == "active"

    # nothing has changed: no reboot
    assert changed(run("deploy", "1")) == ["command true"]
    assert on(NAME, "cat", BOOT) == after

    # a run that fails between the change and the reboot: the next one owes it, though nothing else changes
    failed = run("deploy", "2", gate="false", status=1)
    assert "file /etc/t.conf" in changed(failed) and "reboot" not in changed(failed)
    assert "reboot" in changed(run("plan", "2", status=3))
    paid = run("deploy", "2")
    assert "reboot" in changed(paid) and "file /etc/t.conf" not in changed(paid)
    second = on(NAME, "cat", BOOT)
    assert second != after

    # packages that ask for it
    on(NAME, "sh", "-c", "echo linux-image-x > /run/reboot-required.pkgs; touch /run/reboot-required")
    assert "reboot" in changed(run("plan", "2", status=3))
    asked = run("deploy", "2")
    (rebooted,) = [s for s in asked.steps(NAME) if s["step"] == "reboot" and s["state"] == "changed"]
    assert "required by linux-image-x" in str(rebooted["diff"])
    assert on(NAME, "cat", BOOT) != second
    assert "reboot" not in changed(run("deploy", "2"))
