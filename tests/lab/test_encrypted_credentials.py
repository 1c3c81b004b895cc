"""Secrets of an application in files that only their host can open: in no other place, through changes and a reboot."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import Run, prov
from helpers.hosts import Hosts, Kind, on, reboot
from helpers.projects import STACK, Project
from helpers.samples import sample
from helpers.web import Site

from provision import lab
from provision.agent.secret_masks import encodings

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

IMAGES = {"t-credentials": "debian-12", "t-credentials-13": "debian-13"}
KINDS = {name: Kind(IMAGES[name]) for name in sample(list(IMAGES), 2)}
NAME = "t-credentials"
CANARY = "c4n4ry"
KEY, NEW, FINAL, TOKEN = (f"{CANARY}{n}'Qz&x\n" for n in "1234")
SHOP = """
import hashlib, os, pathlib

def app(environ, start_response):
    key = pathlib.Path(os.environ["CREDENTIALS_DIRECTORY"], "KEY").read_bytes()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [hashlib.sha256(key).hexdigest().encode()]
"""
#: a program that has the secret says so by its digest
READ = 'sha256sum < "$CREDENTIALS_DIRECTORY/KEY"'
FOLDER = "/etc/prov/shop.credentials"
HOST_KEY = "/var/lib/systemd/credential.secret"
APP: dict[str, Any] = {
    "source": "../shop",
    "target": "shop:app",
    "domains": ["shop.test"],
    "processes": {"worker": {"command": ["sh", "-c", f"{READ} > logs/worker; sleep 1000"]}},
    "jobs": {"tick": {"command": ["sh", "-c", f"{READ} > logs/ticked"], "schedule": "*-*-* *:*:0/2"}},
    "release": [{"command": ["sh", "-c", f"{READ} > logs/command"]}],
    "writable": ["logs"],
    "secrets_as": "credentials",
}
#: for any of the lines of $1; the journal too, which is compressed
SEARCH = r"""
grep -rlaF --exclude-dir=proc --exclude-dir=sys -e "$1" / 2>/dev/null; journalctl -o export | grep -aF -e "$1"; true
"""


@pytest.fixture(scope="module")
def project(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    lab_hosts.up(KINDS)
    made = Project(tmp_path_factory.mktemp("credentials") / "project")
    for path, text in {"shop/shop.py": SHOP, "shop/requirements.txt": "", "shop/logs/README": ""}.items():
        file = made.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return made


def declare(project: Project, key: str = KEY, **changed: Any) -> None:
    apps = {"shop": {**APP, "secrets": {"KEY": key, "TOKEN": TOKEN}, **changed}}
    project.inventory({name: {} for name in KINDS}, apps=apps, ansible_connection="lab", roles=STACK)


def deployed(project: Project, *names: str, key: str = KEY, again: bool = True, **changed: Any) -> Run:
    """Plan and deploy, which say the same, and deploy again, which changes nothing; no canary is shown or passed on."""
    declare(project, key, **changed)
    with no_canary_in_arguments():
        planned = prov("plan", ",".join(names), cwd=project.folder)
        run = prov("deploy", ",".join(names), "-v", "--diff", cwd=project.folder, timeout=400, status=0)
    assert planned.changes(*names) == run.changes(*names)
    assert CANARY not in planned.stdout + planned.stderr + run.stdout + run.stderr
    if again:
        second = prov("deploy", ",".join(names), cwd=project.folder, status=0)
        assert [second.tally(name)["changed"] for name in names] == [0] * len(names)
    return planned


@contextmanager
def no_canary_in_arguments() -> Iterator[None]:
    """Look at all processes again and again: those of the hosts are this machine's too."""
    found: set[bytes] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:
                    continue
                if CANARY.encode() in line:
                    found.add(line)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join()
    assert not found


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def site(project: Project, name: str) -> Site:
    host = lab.find(name)
    assert host is not None
    return Site(host.address, "shop.test", project.ca)


def served(project: Project, name: str) -> str:
    """What the web process has read."""
    return site(project, name).get("/").body.decode()


def everywhere(project: Project, name: str) -> set[str]:
    """What the web process, the worker, the job, commands of the release and `prov exec` have read."""
    logs = "/var/lib/app-shop/release/logs"
    shell = f"rm -f {logs}/ticked; for i in $(seq 20); do test -s {logs}/ticked && break; sleep 1; done; cat {logs}/*"
    written = {line.split()[0] for line in on(name, "sh", "-c", shell).splitlines() if line}
    ran = prov("exec", name, "shop", "--", "sh", "-c", READ, cwd=project.folder, status=0)
    (output,) = [event for event in ran.events if event["event"] == "output"]
    return written | {output["stdout"].split()[0], served(project, name)}


def found_on(name: str) -> list[str]:
    """Files and lines of the journal with a canary, but for what systemd hands to units, in memory."""
    forms = "\n".join(sorted(set(encodings(CANARY))))
    lines = on(name, "sh", "-c", SEARCH, "sh", forms, timeout=200).splitlines()
    return [line for line in lines if not line.startswith("/run/credentials/")]


@pytest.mark.parametrize("name", KINDS)
def test_secrets_are_in_no_file_in_plain_text(project: Project, name: str) -> None:
    planned = deployed(project, name)
    steps = [each["step"] for each in planned.steps(name) if "credential" in each["step"]]
    assert f"encrypted credential {FOLDER}/KEY.cred" in steps and f"file {FOLDER}/KEY" not in steps
    assert everywhere(project, name) == {digest(KEY)}
    assert found_on(name) == []
    listed = on(name, "stat", "-c", "%n %a %U:%G", FOLDER, f"{FOLDER}/KEY.cred", f"{FOLDER}/TOKEN.cred")
    assert listed.splitlines() == [
        f"{FOLDER} 700 root:root", *(f"{FOLDER}/{each}.cred 600 root:root" for each in ("KEY", "TOKEN"))
    ]  # fmt: skip
    assert on(name, "ls", "/var/lib/prov").split().count("credentials") == 0


@pytest.mark.parametrize("name", KINDS)
def test_a_new_secret_starts_the_processes_again(project: Project, name: str) -> None:
    deployed(project, name)
    deployed(project, name, key=NEW)
    assert served(project, name) == digest(NEW)
    reboot(name)
    assert site(project, name).up_within(60, "/")
    assert served(project, name) == digest(NEW)
    prov("deploy", name, cwd=project.folder, status=0)
    # the way back, with what the host has kept
    prov("undo", name, cwd=project.folder, status=0)
    assert served(project, name) == digest(KEY)
    assert found_on(name) == []
    deployed(project, name, key=NEW)


def test_a_key_of_the_host_that_was_replaced_is_noticed_and_mended(project: Project) -> None:
    deployed(project, NAME)
    on(NAME, "rm", "-f", HOST_KEY)
    on(NAME, "systemd-creds", "setup")
    drift = prov("drift", NAME, cwd=project.folder, status=3)
    assert "this host's key does not open it: Decryption failed (incorrect key?)" in drift.stdout
    # units can't start until the next deploy, which says why
    planned = deployed(project, NAME)
    assert "this host's key does not open it" in planned.stdout and "encrypted again" in planned.stdout
    on(NAME, "systemctl", "restart", "app-shop@*.service")
    assert site(project, NAME).up_within(60, "/")
    assert everywhere(project, NAME) == {digest(KEY)}


def test_a_host_that_can_not_encrypt_has_private_files(project: Project) -> None:
    """As one with an older systemd: the plan says so. The plain text goes once the host can."""
    deployed(project, NAME)
    release = on(NAME, "cat", "/etc/os-release")
    on(NAME, "sh", "-c", "sed -i 's/^VERSION_ID=.*/VERSION_ID=\"11\"/' /etc/os-release")
    planned = deployed(project, NAME, key=FINAL)
    assert "credentials of shop are in plain text: debian 11 has no systemd-creds" in planned.stdout
    assert on(NAME, "ls", FOLDER).split() == ["KEY", "TOKEN"]
    assert on(NAME, "stat", "-c", "%a %U", FOLDER, f"{FOLDER}/KEY").splitlines() == ["700 root", "600 root"]
    assert served(project, NAME) == digest(FINAL)
    on(NAME, "sh", "-c", 'printf "%s\\n" "$1" > /etc/os-release', "sh", release)
    planned = deployed(project, NAME, key=FINAL)
    assert "plain text" not in planned.stdout
    assert on(NAME, "ls", FOLDER).split() == ["KEY.cred", "TOKEN.cred"]
    # what an undo of that would put back is in root's own records
    assert all(line.startswith("/var/lib/prov/runs/") and "/kept/" in line for line in found_on(NAME))
