"""Packages whose build does what it likes: as a user of its own, without a trace but the environment."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from agent_sessions import Agents
from test_cases import submit

from provision.controller.outcome import Outcome
from provision.steps.python import Venv
from provision.system.builds.build_user import FIRST_ID, HOME, IDS, end_processes, free_id
from provision.system.processes import with_id

#: a backend of its own, so that nothing has to be fetched
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
BACKEND = """
import json, os, subprocess, sys, zipfile
VENV = sys.prefix

{attack}

def build_wheel(folder, config_settings=None, metadata_directory=None):
    attack()
    with zipfile.ZipFile(folder + "/evil-1-py3-none-any.whl", "w") as f:
        f.writestr("evil.py", "")
        f.writestr("evil-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: evil\\nVersion: 1\\n")
        f.writestr("evil-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        f.writestr("evil-1.dist-info/RECORD", "")
    return "evil-1-py3-none-any.whl"
"""


class Builds:
    """Makes environments with one package, whose build runs `attack`."""

    def __init__(self, agents: Agents, root: Path, venv: Path | None = None) -> None:
        self.agents = agents
        self.venv = venv or root / "venv"
        self.source = root / "evil"
        self.source.mkdir()
        (self.source / "pyproject.toml").write_text(PROJECT)

    def attack(self, code: str) -> Outcome:
        """Make an environment. code: the body of `attack`; VENV is the environment."""
        body = "def attack():\n" + textwrap.indent(textwrap.dedent(code), "    ")
        (self.source / "backend.py").write_text(BACKEND.format(attack=body))
        return self.run()

    def run(self) -> Outcome:
        with self.agents.session() as session:
            return submit(
                session,
                Venv(str(self.venv), python=sys.executable, packages=[str(self.source)], installer="pip"),
            )

    def said(self) -> dict[str, object]:
        found: dict[str, object] = json.loads((self.venv / "said").read_text())
        return found


@pytest.fixture
def builds(agents: Agents, root: Path) -> Builds:
    return Builds(agents, root)


@pytest.mark.trust("2", "dependencies-build-as-root")
def test_a_build_has_no_privileges_and_what_it_made_is_roots(builds: Builds) -> None:
    outcome = builds.attack("""
        status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
        said = {"ids": [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()], "home": os.environ["HOME"],
                "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
                "gains": status["NoNewPrivs"].strip()}
        json.dump(said, open(VENV + "/said", "w"))
    """)
    assert outcome.state == "changed"
    said = builds.said()
    ids = said["ids"]
    assert isinstance(ids, list)
    assert FIRST_ID <= ids[0] < FIRST_ID + IDS
    assert (ids[1], ids[2], ids[3]) == (ids[0], ids[0], [])
    assert (said["capabilities"], said["gains"]) == (0, "1")
    assert str(said["home"]).startswith(HOME)
    assert not Path(str(said["home"])).exists()
    assert {path.lstat().st_uid for path in [builds.venv, *builds.venv.rglob("*")]} == {0}
    assert not any(path.name == "said" for path in builds.source.rglob("*"))
    assert builds.run().state == "ok"


@pytest.mark.trust("2", "build-leaves-processes")
def test_no_process_of_a_build_outlives_it(builds: Builds) -> None:
    # it leaves its session and its streams; one keeps a file open for writing
    outcome = builds.attack("""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        keeps = f"import time\\nf = open({VENV!r} + '/mine', 'w')\\ntime.sleep(1000)"
        for code in ("import time; time.sleep(1000)", keeps):
            subprocess.Popen([sys.executable, "-c", code], start_new_session=True, **quiet)
        while not os.path.exists(VENV + "/mine"):
            pass
    """)
    assert outcome.state == "changed"
    assert list(with_id(free_id(str(builds.venv)))) == []
    assert (builds.venv / "mine").stat().st_uid == 0


@pytest.mark.trust("2", "build-leaves-processes")
def test_processes_that_start_others_all_the_time_end_as_well(root: Path) -> None:
    uid = free_id(str(root))
    code = (
        "import os, sys, time\n"
        f"os.setgid({uid}); os.setuid({uid})\n"
        f"os.close(int(sys.argv[1]))\n"
        "while True:\n"
        # always another one, and the one before ends at once
        "    if os.fork(): os._exit(0)\n"
        "    os.setsid()\n"
    )
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", code, str(writing)], os.environ)
    os.close(writing)
    assert os.read(reading, 1) == b""
    os.waitpid(child, 0)
    os.close(reading)
    end_processes(uid)
    assert list(with_id(uid)) == []


@pytest.mark.trust("2", "build-forges-the-stamp")
def test_a_stamp_that_a_build_has_written_is_not_believed(builds: Builds) -> None:
    stamp = (
        '{"python": "x", "version": "", "digest": "x", "requirements": [], "project": "", "installed": []}'
    )
    outcome = builds.attack(f"""
        open(VENV + "/prov-installed", "w").write({stamp!r})
        sys.exit("and it fails")
    """)
    assert outcome.state == "failed"
    again = builds.attack("""
        os.mkdir(VENV + "/prov-installed")
        os.mkdir(VENV + "/prov-installed/inner")
    """)
    assert again.state == "changed"
    assert "unfinished" in str(again.diff)
    assert json.loads((builds.venv / "prov-installed").read_text())["installed"] == [
        "evil-1.dist-info",
        "evil.py",
    ]


@pytest.mark.trust("2", "build-links-out")
def test_an_environment_with_a_link_that_leads_out_is_refused(builds: Builds) -> None:
    outcome = builds.attack("os.symlink('/etc/shadow', VENV + '/lib/settings')")
    assert outcome.state == "failed"
    assert outcome.error is not None
    assert outcome.error.message == (
        f"what was built is refused: {builds.venv}/lib/settings is a link that leads out of it, to /etc/shadow"
    )
    assert builds.attack("pass").state == "changed"


@pytest.mark.trust("2", "build-leaves-devices")
def test_what_a_refused_build_has_left_is_gone_with_the_next_one(builds: Builds) -> None:
    outcome = builds.attack("os.mkfifo(VENV + '/pipe'); os.symlink('/etc', VENV + '/etc')")
    assert outcome.state == "failed"
    assert builds.attack("pass").state == "changed"
    assert not {"pipe", "etc"} & {path.name for path in builds.venv.iterdir()}


@pytest.mark.trust("2", "build-outlives-the-agent")
@pytest.mark.parametrize("part", ["", "bin", "bin/python"])
def test_what_a_killed_agent_has_left_to_a_build_is_made_anew(builds: Builds, part: str) -> None:
    assert builds.attack("pass").state == "changed"
    uid = free_id(str(builds.venv))
    os.chown(builds.venv / part, uid, uid, follow_symlinks=False)
    again = builds.run()
    assert again.diff[0][:3] == ("environment", "unfinished", "made again")
    assert (builds.venv / part).lstat().st_uid == 0
    assert builds.run().state == "ok"


@pytest.mark.trust("2", "build-runs-as-root-later")
def test_root_does_not_start_the_environments_python(builds: Builds) -> None:
    # sitecustomize.py and *.pth run whenever that interpreter starts
    code = "import os; os.getuid() == 0 and open(%r, 'w')"
    outcome = builds.attack(f"""
        import glob
        (packages,) = glob.glob(VENV + "/lib/python*/site-packages")
        for name in ("sitecustomize.py", "evil.pth"):
            open(packages + "/" + name, "w").write({code % str(builds.source / "root-was-here")!r})
    """)
    assert outcome.state == "changed"
    builds.source.joinpath("pyproject.toml").touch()
    builds.venv.joinpath("lib").chmod(0o700)
    assert builds.run().state == "changed", "its folders are opened again"
    assert not (builds.source / "root-was-here").exists()


def test_builds_with_one_id_follow_each_other(builds: Builds, root: Path, tmp_path: Path) -> None:
    # each ends all processes with its id before it begins, and so it would end the other one
    uid = free_id(str(builds.venv))
    same = next(path for path in map(root.joinpath, map(str, range(100 * IDS))) if free_id(str(path)) == uid)
    (root / "second").mkdir()
    second = Builds(Agents(tmp_path / "second"), root / "second", same)
    begun, go = tmp_path / "signs/begun", tmp_path / "signs/go"
    begun.parent.mkdir()
    begun.parent.chmod(0o777)
    waits = f"""
        import time
        open({str(begun)!r}, "w")
        while not os.path.exists({str(go)!r}):
            time.sleep(0.05)
    """
    with ThreadPoolExecutor(2) as pool, contextlib.closing(second.agents):
        first = pool.submit(builds.attack, waits)
        while not begun.exists():
            assert not first.done(), first.result().error
            time.sleep(0.05)
        other = pool.submit(second.attack, "pass")
        time.sleep(1)
        go.touch()
        assert (first.result().state, other.result().state) == ("changed", "changed")


def test_an_id_that_an_account_has_is_left_alone() -> None:
    taken = free_id("shop")
    assert taken == free_id("shop")
    assert FIRST_ID <= taken < FIRST_ID + IDS
