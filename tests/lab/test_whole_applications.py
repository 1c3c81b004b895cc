"""An application is all of its processes: workers, jobs, chores, files that last, templates, layouts (decision D14)."""

from __future__ import annotations

import hashlib
import os
import subprocess
from typing import Any

import pytest
from helpers.cli import PROV, Run, prov
from helpers.hosts import Hosts, on
from helpers.projects import Project
from helpers.web import Site

pytestmark = [pytest.mark.lab, pytest.mark.minutes]

NAME = "t-parts"
SHOP = """
import pathlib

def create_app():
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [pathlib.Path("logs/chores").read_bytes()]
    return app
"""
#: a task takes a second; what has been begun is finished when it is told to end
WORKER = """
import os, pathlib, signal, time

ended = []
signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
while not ended:
    name = f"{os.getpid()}-{time.time()}"
    for word in ("begun", "done"):
        with pathlib.Path("logs/tasks").open("a") as f:
            f.write(f"{word} {name}\\n")
        time.sleep(1 if word == "begun" else 0)
"""
SECRET = "c4n4ry of the shop"
#: a program that has the secret says so by its digest
READ = 'sha256sum < "$CREDENTIALS_DIRECTORY/KEY"'
SHOP_PARTS: dict[str, Any] = {
    "source": "../shop",
    "target": "shop:create_app",
    "subdirectory": "src",
    "domains": ["shop.test"],
    "install": True,
    "processes": {
        "worker": {"command": "python worker.py", "count": 2, "stop_timeout": 20},
        "beat": {"command": ["python", "worker.py"], "on": "one", "memory_max": "64M"},
    },
    "jobs": {"tick": {"command": ["sh", "-c", f"{READ} > logs/ticked"], "schedule": "*-*-* *:*:0/2"}},
    "secrets": {"KEY": SECRET},
    "secrets_as": "credentials",
    "release": [
        {"command": ["sh", "-c", f"{READ} > logs/secret"], "once": "group"},
        "python -c \"import shop_extra; open('logs/chores', 'a').write(shop_extra.NAME)\"",
        {
            "command": ["sh", "-c", 'test -d "$PROV_DATA_DIR" && cat conf/shop.ini > logs/seen'],
            "once": "group",
        },
    ],
    "writable": ["logs", "uploads"],
    "media": {"/uploads/": "release/uploads"},
    "files": {"conf/shop.ini": "../shop.ini.j2"},
}


@pytest.fixture(scope="module")
def project(lab_hosts: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Project:
    lab_hosts.one(NAME)
    made = Project(tmp_path_factory.mktemp("parts") / "project")
    for path, text in {
        "shop/src/shop.py": SHOP,
        "shop/src/worker.py": WORKER,
        "shop/src/logs/README": "kept",
        "shop/requirements.txt": "-r requirements/base.txt\n./libs/extra\n",
        # a gunicorn that is older than most of its options
        "shop/requirements/base.txt": "-c ../held.txt\nclick\ngunicorn==20.1.0\n",
        "shop/held.txt": "click<8.2\n",
        "shop/libs/extra/pyproject.toml": '[project]\nname = "extra"\nversion = "1"\n',
        "shop/libs/extra/shop_extra.py": 'NAME = "extra\\n"\n',
        "shop/pyproject.toml": (
            '[project]\nname = "shop"\nversion = "1"\nrequires-python = ">=3.9"\n[tool.setuptools]\npy-modules = []\n'
        ),
        "shop.ini.j2": "name = {{ app.name }}\n",
    }.items():
        file = made.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return made


def deployed(project: Project, status: int = 0, **changed: Any) -> Run:
    """Plan and deploy, which say the same."""
    apps = {"shop": {**SHOP_PARTS, **changed}}
    project.inventory({NAME: {"apps": apps}}, ansible_connection="lab", roles=["base", "python", "app"])
    planned = prov("plan", NAME, cwd=project.folder)
    run = prov("deploy", NAME, cwd=project.folder, timeout=300, status=status)
    if not status:
        assert planned.changes(NAME) == run.changes(NAME)
    return run


def units() -> list[str]:
    """Units of the application that run, without their instances."""
    listed = on(
        NAME,
        "systemctl",
        "list-units",
        "--no-legend",
        "--plain",
        "--state=active",
        "--type=service,socket,timer",
        "*shop*",
    )
    return sorted(
        line.split("@")[0] + "." + line.split()[0].rsplit(".", 1)[1] for line in listed.splitlines()
    )


def tasks() -> list[str]:
    """Names of tasks that were begun, and never done, by processes that are gone."""
    lines = on(NAME, "cat", "/var/lib/app-shop/release/logs/tasks").splitlines()
    begun, done = ({line.split()[1] for line in lines if line.startswith(w)} for w in ("begun", "done"))
    running = on(NAME, "sh", "-c", "pgrep -f worker.py || true").split()
    return [name for name in begun - done if name.split("-")[0] not in running]


ALL = ["app-shop.service", "app-shop.socket", "app-shop_beat.service", "app-shop_worker.service",
       "app-shop_worker.service", "job-shop.timer"]  # fmt: skip


def runs_commands(project: Project) -> None:
    """prov exec: as its processes run, with a terminal where there is one, and remembered nowhere."""
    runs = on(NAME, "ls", "/var/lib/prov/runs")
    shell = 'id -un; pwd; echo "$PROV_DATA_DIR $1"; python -c "import shop_extra"; touch here; cat; exit 7'
    argv = [
        PROV,
        "exec",
        "--json",
        "--stdin",
        NAME,
        "shop",
        "--",
        "sh",
        "-c",
        shell,
        "sh",
        "$HOME %i",
        "--json",
    ]
    given: dict[str, Any] = {"input": "from stdin", "capture_output": True, "text": True}
    process = subprocess.run(argv, cwd=project.folder, timeout=60, check=False, **given)
    ended = Run(argv, process.returncode, process.stdout, process.stderr)
    assert ended.status == 1, ended
    (output,) = [event for event in ended.events if event["event"] == "output"]
    release = on(NAME, "readlink", "-f", "/srv/shop/current")
    assert output["stdout"] == f"app-shop\n{release}/src\n/var/lib/app-shop $HOME %i\nfrom stdin"
    assert (output["status"], "Read-only file system" in output["stderr"]) == (7, True)
    assert "has no application 'shp'" in str(
        prov("exec", NAME, "shp", "id", cwd=project.folder, status=2).error()
    )
    assert "is not a Django project" in str(
        prov("manage", NAME, "shop", "check", cwd=project.folder, status=2).error()
    )

    ours, theirs = os.openpty()
    words = [PROV, "exec", NAME, "shop", "sh", "-c", "tty; id -un; exit 7"]
    streams: dict[str, Any] = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    status = subprocess.run(words, cwd=project.folder, timeout=60, check=False, **streams).returncode
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    os.close(theirs)
    assert status == 1 and "/dev/pts/" in shown and "app-shop" in shown, shown
    assert on(NAME, "ls", "/var/lib/prov/runs") == runs
    assert on(NAME, "sh", "-c", "journalctl -b | grep -c 'exit 7' || true") == "0"


def keeps_its_secret(project: Project) -> None:
    """All of its processes can read its credential, no one else can, and none has it in its environment."""
    digest = f"{hashlib.sha256(SECRET.encode()).hexdigest()}  -"
    logs = "/var/lib/app-shop/release/logs"
    assert [on(NAME, "cat", f"{logs}/{file}") for file in ("secret", "ticked")] == [digest, digest]
    ran = prov("exec", NAME, "shop", "--", "sh", "-c", READ, cwd=project.folder, status=0)
    (output,) = [event for event in ran.events if event["event"] == "output"]
    assert output["stdout"].strip() == digest
    environments = on(
        NAME, "sh", "-c", "for p in $(pgrep -u app-shop); do tr '\\0' '\\n' < /proc/$p/environ || true; done"
    )
    assert SECRET not in environments
    folders = {line for line in environments.splitlines() if line.startswith("CREDENTIALS_DIRECTORY=")}
    assert {line.split("@")[0] for line in folders} == {
        f"CREDENTIALS_DIRECTORY=/run/credentials/{unit}"
        for unit in ("app-shop", "app-shop_beat", "app-shop_worker")
    }
    files = ["/etc/prov/shop.credentials", *(line.partition("=")[2] for line in folders)]
    for user, allowed in (("app-shop", files[1:]), ("nobody", []), ("www-data", [])):
        for folder in files:
            status = "0" if folder in allowed else "1"
            shell = f"runuser -u {user} -- cat {folder}/KEY >/dev/null 2>&1; echo $?"
            assert (user, folder, on(NAME, "sh", "-c", shell)) == (user, folder, status)
    assert on(NAME, "sh", "-c", "grep -c c4n4ry /etc/prov/shop.env || true") == "0"


@pytest.mark.at_length
def test_the_life_of_all_its_parts(project: Project, lab_hosts: Hosts) -> None:
    host = lab_hosts.one(NAME)
    deployed(project)
    again = prov("deploy", NAME, cwd=project.folder, status=0)
    assert again.tally(NAME)["changed"] == 0
    assert [unit for unit in units() if unit != "job-shop.service"] == ALL
    site = Site(host.address, "shop.test", project.ca)
    assert site.get("/").body == b"extra\n"
    logs = "/var/lib/app-shop/release/logs"
    assert on(NAME, "cat", f"{logs}/seen") == "name = shop"
    assert on(NAME, "cat", f"{logs}/README") == "kept"
    prov("exec", NAME, "shop", "--", "sh", "-c", "echo sent > uploads/file", cwd=project.folder, status=0)
    assert site.get("/uploads/file").body == b"sent\n"
    on(NAME, "sh", "-c", f"for i in 1 2 3 4 5 6; do test -e {logs}/ticked && exit; sleep 1; done; exit 1")
    metadata = "import importlib.metadata as m; print(m.version('shop'), m.version('click').split('.')[:2])"
    assert on(NAME, "/srv/shop/current/.venv/bin/python", "-c", metadata) == "1 ['8', '1']"
    assert on(NAME, "sh", "-c", "grep -h MemoryMax /etc/systemd/system/app-shop_beat@*") == "MemoryMax=64M"

    runs_commands(project)
    keeps_its_secret(project)

    # a new release: what was begun is done, and its chores have run once
    (project.folder / "shop/src/more.py").write_text("")
    deployed(project)
    assert [unit for unit in units() if unit != "job-shop.service"] == ALL
    assert tasks() == []
    assert site.get("/").body == b"extra\nextra\n"

    # a process that ends at once: the release before stays, and nothing of the new one
    (project.folder / "shop/src/worker.py").write_text("raise SystemExit('no queue here')\n")
    failed = deployed(project, status=1)
    assert "no queue here" in str(failed.error())
    assert [unit for unit in units() if unit != "job-shop.service"] == ALL
    assert site.get("/").status == 200
    # a program that is not there: before anything is started
    failed = deployed(project, status=1, processes={"worker": "celeryy -A shop worker"})
    assert "no program 'celeryy' in the environment" in str(failed.error())

    # what is no longer in the inventory ends with the same deploy
    (project.folder / "shop/src/worker.py").write_text(WORKER)
    deployed(project, processes={"worker": "python worker.py"}, jobs={})
    assert units() == ["app-shop.service", "app-shop.socket", "app-shop_worker.service"]
    assert on(NAME, "sh", "-c", "ls /etc/systemd/system | grep -c -e beat -e job-shop || true") == "0"
