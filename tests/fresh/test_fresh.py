"""The commands of the README on a bare host: what `make` does not install there is missing.

What the commands print is passed on: run with `pytest -s`, as `make fresh` does.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cli import PROV
from helpers.hosts import Hosts, Kind, on

ROOT = Path(__file__).parents[2]
LOGINS = {"t-fresh-root": "root", "t-fresh-sudo": "sudo"}
#: what the user makes before the demo. `make test` has all tests run by root already
GOALS = os.environ.get("GOALS", "check unit")
GIVEN = ("make", "git", "ca-certificates")

#: in the checkout of whoever logs in; apt and pip are configured as on this machine, or nothing can be installed
CLONE = "cat > /tmp/head && git clone --quiet /tmp/head ~/prov && git -C ~/prov checkout --quiet -b try"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is committed, as one file."""
    path = tmp_path_factory.mktemp("bundle") / "head"
    subprocess.run(["git", "-C", str(ROOT), "bundle", "create", "--quiet", str(path), "HEAD"], check=True)
    return path


@pytest.fixture(params=LOGINS)
def bare(request: pytest.FixtureRequest, bundle: Path) -> Iterator[str]:
    """A host with nothing but what GIVEN says, and a clone in the home of the user who logs in."""
    name: str = request.param
    hosts = Hosts()
    hosts.one(name, Kind(login=LOGINS[name], python=False))
    on(name, "apt-get", "update", "-q", timeout=300)
    on(name, "apt-get", "install", "-q", "-y", "--no-install-recommends", *GIVEN, timeout=300)
    assert on(name, "sh", "-c", "command -v python3 logrotate rsync nft openssh-client", check=False) == ""
    with bundle.open("rb") as data:
        subprocess.run(
            [PROV, "lab", "ssh", name, "--", "sh", "-c", CLONE], stdin=data, check=True, timeout=60
        )
    yield name
    hosts.down()


def make(name: str, goals: str, *, seconds: int) -> None:
    """Run make in the clone as the user who logs in."""
    begun = time.monotonic()
    argv = [PROV, "lab", "ssh", name, "--", "sh", "-c", f"cd ~/prov && exec make {goals}"]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=seconds, check=False)
    assert done.returncode == 0, f"make {goals} on {name}: see above"
    print(f"\nmake {goals} on {name}: {time.monotonic() - begun:.0f} s")  # noqa: T201


def test_the_commands_of_the_readme(bare: str) -> None:
    if LOGINS[bare] == "sudo":
        make(bare, GOALS, seconds=2400)
    make(bare, "demo", seconds=900)  # a lab inside a lab host
    down = "cd ~/prov && sh tests/as_root .venv/bin/prov lab down --all --images"
    subprocess.run([PROV, "lab", "ssh", bare, "--", "sh", "-c", down], check=True, timeout=60)
    # the host's own root is named with the folders of the lab outside, so only the places count
    places = [line.split()[1] for line in on(bare, "cat", "/proc/mounts").splitlines()]
    assert not [at for at in places if "prov-lab" in at], "the lab inside it has gone"
    assert on(bare, "ls", "-d", "/var/lib/prov-lab", check=False) == ""
    owner = "root" if LOGINS[bare] == "root" else "admin"
    home = "/root" if owner == "root" else f"/home/{owner}"
    assert on(bare, "find", f"{home}/prov", "-not", "-user", owner) == "", "root left files to another user"
