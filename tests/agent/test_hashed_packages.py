"""Packages beside requirements with hashes: a server that a lock file does not list. By the real pip."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest
from agent_sessions import Agents

from provision.steps.base import Step
from provision.steps.python import Venv


def wheel(folder: Path, name: str, version: str, needs: str = "") -> str:
    """Write a package that holds nothing; return the hash of its file."""
    path, info = folder / f"{name}-{version}-py3-none-any.whl", f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as written:
        needed = f"Requires-Dist: {needs}\n" if needs else ""
        about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needed}"
        written.writestr(f"{name}.py", f"VERSION = {version!r}\n")
        written.writestr(f"{info}/METADATA", about)
        written.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        written.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_extra_of_a_locked_package_that_another_one_asks_for(
    agents: Agents, root: Path, tmp_path: Path
) -> None:
    # pip before 23.3 takes the newest version for it, and refuses that as it has no hash
    folder = tmp_path / "wheels"
    folder.mkdir()
    extra = "web-part; extra == 'more'\nProvides-Extra: more"
    hashes = {
        "framework": wheel(folder, "framework", "1.0", needs="web[more]>=1"),
        "web": wheel(folder, "web", "1.0", needs=extra),
        "web-part": wheel(folder, "web_part", "1.0"),
    }
    wheel(folder, "web", "2.0", needs=extra)
    step = Venv(
        f"{root}/venv",
        requirements="".join(f"{name}==1.0 --hash=sha256:{digest}\n" for name, digest in hashes.items()),
        packages=["framework"],
        constraints="web<3\n",
        environment={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)},
        installer="pip",
        ignore_errors="a test",
    )
    state, listed = run(agents, step)
    assert state == "changed", listed
    assert {"framework 1.0", "web 1.0"} < set(listed.splitlines())
    assert run(agents, step)[0] == "ok"


@pytest.fixture
def wheels(tmp_path: Path) -> dict[str, str]:
    """Two versions of what an application requires, and a server that takes either; their hashes."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    return {
        "folder": str(folder),
        "old": wheel(folder, "framework", "1.0"),
        "new": wheel(folder, "framework", "2.0"),
        "server": wheel(folder, "webserver", "1.0", needs="framework"),
    }


def run(agents: Agents, step: Step, *, plan: bool = False) -> tuple[str, str]:
    """The state of a step, or its error; and what it says is installed."""
    with agents.session(plan=plan) as session:
        answer = session.submit(step).wait().answer
    return (answer.error.message if answer.error else answer.state), answer.stdout


def test_they_are_installed_and_change_nothing_that_is_locked(
    agents: Agents, root: Path, wheels: dict[str, str]
) -> None:
    def venv(digest: str, name: str = "venv") -> Venv:
        return Venv(
            f"{root}/{name}",
            requirements=f"framework==1.0 --hash=sha256:{digest}\n",
            packages=["webserver>=1"],
            environment={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": wheels["folder"]},
            installer="pip",
            ignore_errors="a test",
        )

    assert run(agents, venv(wheels["old"]), plan=True)[0] == "changed"
    state, listed = run(agents, venv(wheels["old"]))
    assert (
        state,
        [line for line in listed.splitlines() if "pip" not in line and "setuptools" not in line],
    ) == (
        "changed",
        ["framework 1.0", "webserver 1.0"],
    )
    assert run(agents, venv(wheels["old"]))[0] == "ok"
    # the hashes still count
    assert "DO NOT MATCH THE HASHES" in run(agents, venv(wheels["new"], "another"))[0]
