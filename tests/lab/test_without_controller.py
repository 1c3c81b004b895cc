"""A bundle on a bare host: no controller, and the second run changes nothing."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from helpers.cli import PROV, prov
from helpers.hosts import Hosts, on
from helpers.projects import HELLO, Project
from helpers.web import Site

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-bundle"
#: on the host
PLACE = "/srv/bundle"
#: while it runs, the host has no way to this machine but for the packets that it forwards
ALONE = """cd {place} && exec >{run}.out 2>&1
gate=$(ip -4 route show default | sed 's/.* via \\([0-9.]*\\).*/\\1/')
ip route add unreachable $gate
python3 web.pyz {arguments}
status=$?
ip route del unreachable $gate
echo $status >{run}.status
"""


def copy(*files: Path) -> None:
    """Bring files to the host, for root alone."""
    for file in files:
        words = [
            PROV,
            "lab",
            "ssh",
            NAME,
            "--",
            "sh",
            "-c",
            f"umask 077; mkdir -p {PLACE}; cat >{PLACE}/{file.name}",
        ]
        with file.open("rb") as f:
            subprocess.run(words, stdin=f, check=True, timeout=60)


def alone(run: str, *arguments: str) -> tuple[int, str]:
    """Run the bundle with no connection to the host; return its status and output."""
    script = ALONE.format(place=PLACE, run=run, arguments=shlex.join(arguments))
    on(NAME, "systemd-run", "--quiet", f"--unit=bundle-{run}", "sh", "-c", script)
    end = time.monotonic() + 240
    while time.monotonic() < end:
        time.sleep(1)
        try:
            status = on(NAME, "cat", f"{PLACE}/{run}.status", check=False, timeout=5).strip()
        except subprocess.TimeoutExpired:
            continue
        if status.isdigit():
            return int(status), on(NAME, "cat", f"{PLACE}/{run}.out")
    raise AssertionError("the bundle did not end")


def test_a_fresh_host_comes_up_without_a_controller(lab_hosts: Hosts, project: Project) -> None:
    host = lab_hosts.one(NAME)
    hello = {**HELLO, "server": "gunicorn", "front": "nginx", "secrets": {"TOKEN": "s3cret-t0ken"}}
    project.examples().inventory(
        {NAME: {"apps": {"hello": hello}}}, ansible_connection="lab", roles=["base", "python", "app"]
    )
    folder = project.folder
    prov("bundle", NAME, "-o", "web.pyz", "--secrets", "web.secrets", cwd=folder, status=0)
    older = (folder / "web.pyz").read_bytes()
    prov("bundle", NAME, "-o", "web.pyz", cwd=folder, status=0)
    copy(folder / "web.pyz", folder / "web.secrets")

    status, out = alone("lacking")
    assert status == 2 and "without these secrets: apps.hello.secrets.TOKEN" in out
    status, planned = alone("plan", "--check", "--secrets", f"{PLACE}/web.secrets")
    assert status == 3, planned
    status, first = alone("first", "--secrets", f"{PLACE}/web.secrets")
    assert status == 0, first
    assert "s3cret-t0ken" not in planned + first

    ca = folder / "own-ca.crt"
    ca.write_text(on(NAME, "cat", "/var/lib/prov/authority/ca.crt"))
    assert Site(host.address, "hello.test", ca).get("/healthz").status == 200
    status, again = alone("again", "--secrets", f"{PLACE}/web.secrets", "--json")
    (summary,) = [line for line in again.splitlines() if '"event": "summary"' in line]
    assert (status, json.loads(summary)["hosts"][NAME]["changed"]) == (0, 0), again

    # what the bundle has done is history as any other run's
    prov("history", NAME, cwd=folder, status=0)
    (folder / "web.pyz").write_bytes(older)
    copy(folder / "web.pyz")
    status, out = alone("older", "--secrets", f"{PLACE}/web.secrets")
    assert status == 2 and "this host has had a newer one" in out
