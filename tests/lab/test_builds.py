"""What a build sees and may do on a host with systemd, and names of files on a host with another locale."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.hosts import Hosts, on

from provision.lab import openssh

sys.path.append(str(Path(__file__).parents[1] / "steps_more"))
from steps_bench import Bench

from provision.steps.apt import Packages
from provision.steps.files import Directory, File
from provision.steps.python import Venv

pytestmark = pytest.mark.lab
NAME = "t-builds"
VENV = "/srv/odd $name 100% x/venv"
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """
import json, os, subprocess, sys, zipfile

def attempt(do):
    try:
        return do()
    except OSError as error:
        return error.strerror

def build_wheel(folder, config_settings=None, metadata_directory=None):
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen(["sleep", "4321"], start_new_session=True, **quiet)
    status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    seen = ("/", "/srv", "/home", "/root", "/opt", "/run", "/var/lib", "/etc/prov", "/dev/shm")
    written = ("/etc/x", "/usr/x", "/srv/x", "/var/lib/x", "/opt/x", "/tmp/x", "/dev/shm/x", sys.prefix + "/x")
    said = {
        "ids": [os.getuid(), os.getgid(), os.getgroups()],
        "capabilities": int(status["CapBnd"], 16) | int(status["CapEff"], 16),
        "gains": status["NoNewPrivs"].strip(),
        "filter": status["Seccomp"].strip(),
        "secret": os.environ.get("PIP_EXTRA_INDEX_URL"),
        "sees": {path: attempt(lambda: sorted(os.listdir(path))) for path in seen},
        "writes": {path: attempt(lambda: open(path, "w").close()) for path in written},
        "processes": [name for name in os.listdir("/proc") if name.isdigit()],
        "bus": os.path.exists("/run/dbus/system_bus_socket"),
        "mounts": attempt(lambda: os.mkdir("/tmp/m") or os.chroot("/tmp/m")),
    }
    json.dump(said, open(sys.prefix + "/said", "w"))
    with zipfile.ZipFile(folder + "/evil-1-py3-none-any.whl", "w") as f:
        f.writestr("evil-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: evil\\nVersion: 1\\n")
        f.writestr("evil-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        f.writestr("evil-1.dist-info/RECORD", "")
    return "evil-1-py3-none-any.whl"
"""


@pytest.fixture
def bench(lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    found = Bench(tmp_path)
    found.argv = openssh.argv(lab_hosts.one(NAME), batch=True)
    yield found


@pytest.mark.trust("2", "dependencies-build-as-root")
def test_a_build_sees_the_system_and_writes_its_environment(bench: Bench) -> None:
    folders = ("/srv/evil", "/srv/other", "/srv/odd $name 100% x", "/opt/secret", "/data", "/etc/prov")
    before = [
        Packages(["python3-venv"]),
        *(Directory(folder, mode=0o755) for folder in folders),
        File("/srv/evil/pyproject.toml", PROJECT),
        File("/srv/evil/backend.py", BACKEND),
        File("/etc/prov/shop.env", "KEY=x", mode=0o644),
    ]
    assert [o.error for o in bench.run(*before)] == [None] * len(before)
    index = {"PIP_EXTRA_INDEX_URL": 'file:///none "$HOME" `x` \\'}
    made = Venv(VENV, packages=["/srv/evil"], installer="pip", environment=index, cache="evil")
    outcome = bench.cycle(made)
    assert outcome.state == "changed"
    said = json.loads(on(NAME, "cat", f"{VENV}/said"))
    uid = said["ids"][0]
    assert said["ids"] == [uid, uid, []]
    assert 60706 <= uid < 61184
    assert (said["capabilities"], said["gains"], said["filter"]) == (0, "1", "2")
    assert said["secret"] == index["PIP_EXTRA_INDEX_URL"]
    sees = said["sees"]
    assert "data" in sees["/"]
    assert (sees["/srv"], sees["/opt"]) == (["evil", VENV.split("/")[2]], [])
    assert sees["/home"] == sees["/root"] == sees["/var/lib"] == sees["/dev/shm"] == []
    assert sees["/etc/prov"] == "Permission denied"
    assert set(sees["/run"]) <= {"systemd", "NetworkManager", "resolvconf", "nscd"}
    refused = [path for path, why in said["writes"].items() if why == "Read-only file system"]
    assert refused == ["/etc/x", "/usr/x", "/srv/x", "/var/lib/x", "/opt/x"]
    assert [path for path, why in said["writes"].items() if why is None] == [
        "/tmp/x",
        "/dev/shm/x",
        f"{VENV}/x",
    ]
    assert not said["bus"]
    assert "1" not in said["processes"]
    assert said["mounts"] == "Operation not permitted"
    assert on(NAME, "find", VENV, "!", "-user", "root") == ""
    assert on(NAME, "find", "/srv/evil", "-newer", "/srv/evil/backend.py", "-type", "f") == ""
    assert on(NAME, "find", "/tmp", "/dev/shm", "-name", "x") == ""
    assert "4321" not in on(NAME, "ps", "ax", "-o", "args")
    assert on(NAME, "systemctl", "list-units", "--all", "--no-legend", "prov-build*") == ""
    assert on(NAME, "ls", "/var/cache/prov-builds") == "cache-evil"


@pytest.mark.trust("2", "build-outlives-its-deadline")
def test_a_build_that_takes_too_long_is_ended(bench: Bench) -> None:
    endless = "import time\ndef build_wheel(*args, **kwargs):\n    time.sleep(1000)\n"
    bench.run(
        Directory("/srv/slow"),
        File("/srv/slow/pyproject.toml", PROJECT),
        File("/srv/slow/backend.py", endless),
    )
    slow = Venv("/srv/slow-venv", packages=["/srv/slow"], installer="pip", timeout=15)
    bench.fails(slow, "the command did not end within", plan=False)
    assert "pip install" not in on(NAME, "ps", "ax", "-o", "args")
    assert on(NAME, "systemctl", "list-units", "--all", "--no-legend", "prov-build*") == ""


@pytest.mark.trust("11", "latin1-locale")
def test_names_are_utf8_whatever_the_locale_is(bench: Bench) -> None:
    bench.run(Packages(["locales"]))
    on(NAME, "localedef", "-i", "de_DE", "-f", "ISO-8859-1", "de_DE")
    on(NAME, "sh", "-c", "echo LANG=de_DE >/etc/default/locale")
    names = [File("/srv/日本.txt", "ü\n"), File("/srv/größe.txt", "x")]
    planned, real = bench.run(*names, plan=True), bench.run(*names)
    assert [o.state for o in planned] == [o.state for o in real] == ["changed", "changed"]
    found = on(NAME, "sh", "-c", "ls -1 /srv/*.txt | LC_ALL=C.UTF-8 sort | od -An -tx1 | tr -d ' \\n'")
    assert bytes.fromhex(found).decode() == "/srv/größe.txt\n/srv/日本.txt\n"
    assert [o.state for o in bench.run(*names)] == ["ok", "ok"]
    on(NAME, "rm", "/etc/default/locale")
    assert [o.state for o in bench.run(*names)] == ["ok", "ok"]
