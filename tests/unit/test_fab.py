"""The roles as Fabric's own tasks: the fabfile at the top."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from inventories import project

from provision.roles import role_model as roles

TOP = Path(__file__).parents[2]


def fab(*words: str, cwd: Path = TOP) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "fab"), *words]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False
    )


def test_every_role_is_a_task() -> None:
    listed = fab("--list").stdout.split()
    names = roles.names(roles.search_path())
    assert [name for name in names if f"({name.replace('_', '-')})" not in listed] == []
    assert {"base.sshd", "nginx.install"} <= set(listed)


def test_a_role_needs_a_host() -> None:
    done = fab("nginx")
    assert done.returncode == 2
    assert "fab -H web1 nginx" in done.stderr


def test_an_unknown_host_is_refused_as_prov_would() -> None:
    done = fab("-H", "wbe1", "nginx")
    assert done.returncode == 2
    assert "no host or group 'wbe1'. Did you mean 'web1'?" in done.stderr


def test_a_broken_role_is_told_and_the_others_are_there(tmp_path: Path) -> None:
    files = {"fabfile.py": (TOP / "fabfile.py").read_text(), "roles/broken/__init__.py": "import nosuch\n"}
    done = fab("--list", cwd=project(tmp_path, files))
    assert "base.sshd" in done.stdout
    assert "broken" not in done.stdout
    assert "roles/broken/__init__.py:1: role 'broken' can't be imported" in done.stderr


def test_a_step_needs_a_host(tmp_path: Path) -> None:
    text = """
        from invoke import task
        from provision.steps import files

        @task
        def motd(c):
            files.file(c, "/etc/motd", "")
        """
    done = fab("motd", cwd=project(tmp_path, {"fabfile.py": text}))
    assert "UsageError: a step's first argument is a host, not Context" in done.stderr
