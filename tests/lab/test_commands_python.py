"""Interpreters, environments and what acts as a user, on a real host with the package index in reach."""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from helpers.hosts import Hosts, on

from provision.controller.outcome import Outcome
from provision.lab import openssh
from provision.roles.role_host import Host
from provision.steps import python

sys.path.append(str(Path(__file__).parents[1] / "steps_more"))
from steps_bench import Bench

from provision.steps.base import Step
from provision.steps.command import Command
from provision.steps.files import Directory, File
from provision.steps.script import Script
from provision.steps.users import User

pytestmark = pytest.mark.lab
NAME = "t-python"
#: click with hashes, as a lock has them, and what an environment then lists
LOCKED = """\
click==8.1.8 ; python_version >= "3.7" \\
    --hash=sha256:63c132bbbed01578a06712a2d1f497bb62d9c1c0d329b7903a866228027263b2 \\
    --hash=sha256:ed53c9d8990d83c2a27deae68e4ee337473f6330c040a31d4225c9574d16096a
"""


class Collected:
    """Stands for a host: keeps the steps that a function submits."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def submit(self, step: Step) -> Outcome:
        self.steps.append(step)
        return cast(Outcome, None)


@pytest.fixture
def bench(lab_hosts: Hosts, tmp_path: Path) -> Iterator[Bench]:
    """Runs steps on the host t-python, whose state these tests share."""
    found = Bench(tmp_path)
    found.argv = openssh.argv(lab_hosts.one(NAME), batch=True)
    yield found


def both(bench: Bench, *steps: Step) -> list[Outcome]:
    """Plan them all, then deploy: the plan has said what the deploy does; a second deploy does nothing."""
    planned, real, again = bench.run(*steps, plan=True), bench.run(*steps), bench.run(*steps)
    assert [o.error for o in real] == [None] * len(steps)
    assert [(o.state, o.diff, o.why) for o in real] == [(o.state, o.diff, o.why) for o in planned]
    assert [o.state for o in again] == ["ok"] * len(steps), [o.diff for o in again]
    return real


def test_from_a_bare_host_to_an_environment_in_one_plan(bench: Bench) -> None:
    c = Collected()
    python3 = python.interpreter(cast(Host, c))
    assert python3 == "/usr/bin/python3"
    missing = python.Venv("/srv/by-pip", installer="uv")
    bench.fails(missing, "there is no uv on this host")
    *_, made = both(bench, *c.steps, python.Venv("/srv/by-pip", python3, requirements=LOCKED))
    assert (made.why, made.stdout.splitlines()[0]) == ("by pip", "click 8.1.8")
    assert on(NAME, "/srv/by-pip/bin/python", "-c", "import click; print(click.__name__)") == "click"


@pytest.mark.at_length
def test_uv_gives_the_same_result_and_repairs_it(bench: Bench) -> None:
    c = Collected()
    python.uv(cast(Host, c))
    by_uv = python.Venv("/srv/by-uv", requirements=LOCKED)
    *_, made = both(bench, *c.steps, by_uv)
    assert made.why == "by uv"
    assert entries("/srv/by-uv") == entries("/srv/by-pip")
    # services may not write there, and would compile all of it at each start
    for venv in ("/srv/by-uv", "/srv/by-pip"):
        assert on(NAME, "sh", "-c", f"ls {venv}/lib/python3*/site-packages/click/__pycache__")
    (known,) = bench.run(python.Venv("/srv/by-pip", requirements=LOCKED))
    assert (known.state, known.stdout) == ("ok", made.stdout)
    on(NAME, "rm", "-r", *on(NAME, "sh", "-c", "echo /srv/by-uv/lib/python3*/site-packages/click").split())
    (repaired,) = bench.run(by_uv)
    assert [c.what for c in repaired.diff] == ["missing"]
    assert on(NAME, "/srv/by-uv/bin/python", "-c", "import click; print(click.__name__)") == "click"
    wrong = LOCKED.replace("63c1", "0000").replace("ed53", "0000")
    for installer in ("uv", "pip"):
        bench.fails(
            python.Venv("/srv/wrong", requirements=wrong, installer=installer), f"{installer}: ", plan=False
        )


def entries(venv: str) -> list[str]:
    """What both installers bring: paths of the package's files, but for compiled ones and their own notes."""
    found = on(NAME, "sh", "-c", f"cd {venv}/lib/python3*/site-packages && find click* -type f").splitlines()
    own = ("RECORD", "INSTALLER", "REQUESTED", "uv_cache.json", "direct_url.json", ".pyc")
    return sorted(path for path in found if not path.endswith(own))


def test_an_interpreter_from_an_archive(bench: Bench, tmp_path: Path) -> None:
    """Its only folder is a whole Python; this one is a stand-in for the host's own."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        script = b'#!/bin/sh\nexec /usr/bin/python3 "$@"\n'
        real = tarfile.TarInfo("python/bin/python3.11")
        real.size, real.mode = len(script), 0o755
        archive.addfile(real, io.BytesIO(script))
        link = tarfile.TarInfo("python/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, "python3.11"
        archive.addfile(link)
    digest = hashlib.sha256(data.getvalue()).hexdigest()
    c = Collected()
    path = python.interpreter(cast(Host, c), "3.11.9", archive="/srv/python.tar.gz", sha256=digest)
    bench.run(File("/srv/python.tar.gz", data.getvalue()))
    *_, made = both(bench, *c.steps, python.Venv("/srv/archived", path))
    assert made.diff[0] == ("new environment", "", "/opt/python/3.11.9/bin/python3", "")
    (other,) = bench.run(python.Venv("/srv/archived"))
    assert [(c.what, c.before) for c in other.diff] == [("environment", f"made with {path}")]


def test_a_user_of_the_same_plan_does_it_all(bench: Bench) -> None:
    """The user, an environment and commands of theirs; nothing of it is root's."""
    home = "/srv/shop-home"
    mine: dict[str, Any] = {"as_user": "t-shop"}
    steps = [
        User("t-shop", home=home),
        Directory(f"{home}/src", **mine),
        python.Venv(f"{home}/venv", **mine),
        Command(
            [f"{home}/venv/bin/python", "-c", f"open('{home}/made', 'w')"], creates=f"{home}/made", **mine
        ),
        Script(f"#!/bin/sh\nid -un > {home}/script\n", creates=f"{home}/script", **mine),
        File(f"{home}/conf", "x\n", mode=0o600, **mine),
    ]
    planned, real = bench.run(*steps, plan=True), bench.run(*steps)
    assert [o.error for o in (*planned, *real)] == [None] * 12
    assert [o.diff for o in real] == [o.diff for o in planned]
    assert on(NAME, "find", home, "-not", "-user", "t-shop") == ""
    assert on(NAME, "cat", f"{home}/script") == "t-shop"
    again = bench.run(*steps)
    assert [o.state for o in again] == ["ok"] * 6, [o.diff for o in again]
