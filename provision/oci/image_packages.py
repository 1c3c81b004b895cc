"""Packages that are installed on this machine for another platform, such as that of an image: wheels only, by uv."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from provision.apps.app_releases import Release
from provision.errors import ProvError
from provision.oci.layer_writer import LayerFile, text_file
from provision.secrets import Secret
from provision.steps.support.installers import SETTINGS
from provision.steps.support.local_projects import locals_in

#: seconds for all packages together
WITHIN = 900
#: lines of uv that an error shows
SHOWN = 12
SCRIPT = """#!{python}
import sys
from {module} import {first}
sys.exit({call}())
"""
#: says where a package was installed from on this machine
INSTALL_ORIGIN = "direct_url.json"


def find_uv() -> str:
    """Return the path of uv: of prov's environment, else of the search path. Raises ProvError."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv")
    if not found:
        raise ProvError(
            "packages for another platform are installed by uv, which this machine lacks",
            hint="Install it: pip install 'prov-deploy[images]'",
        )
    return found


def refuse_local(release: Release) -> None:
    """Raise ProvError for packages that are built from the source, or that are imported from a project in it."""
    local = locals_in(release.requirements.splitlines())
    if local:
        raise ProvError(
            f"the requirements of {release.app.name} install ./{local[0].path} from the source, and for "
            "another platform only built packages can be installed",
            where=str(release.app.source),
            hint="Set `install: false` and `pythonpath: [src]`, or publish the project to an index.",
        )


def install(
    release: Release,
    into: Path,
    uv: str,
    version: str,
    platform: str,
    added: Sequence[str] | None = None,
) -> None:
    """Install a release's packages into a new folder. Raises ProvError.

    version: of the Python that they are for, such as "3.11".  platform: as `wheels_platform` returns it.
    added: packages besides those that it requires; by default those of its server.
    """
    more = release.packages if added is None else added
    listed = into.with_name("requirements.txt")
    listed.write_text("\n".join([release.requirements, *more, ""]), encoding="utf-8")
    limits = into.with_name("constraints.txt")
    limits.write_text(release.wanted.constraints, encoding="utf-8")
    argv = [uv, "pip", "install", "--no-config", "--quiet", "--link-mode", "copy", "--target", str(into)]
    argv += ["--python-version", version, "--python-platform", platform, "--only-binary", ":all:"]
    argv += ["--python", sys.executable, "--constraints", str(limits), "--requirements", str(listed)]
    try:
        done = subprocess.run(
            argv,
            env=environment(os.environ, release.installing),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProvError(f"the packages of {release.app.name} were not installed within {WITHIN} s") from None
    if done.returncode:
        lines = [hidden(line, release.installing) for line in done.stderr.strip().splitlines()[-SHOWN:]]
        raise ProvError(
            f"the packages of {release.app.name} could not be installed for Python {version} on {platform}:"
            + "".join(f"\n    {line}" for line in lines),
            where=str(release.app.source),
            hint="For another platform only wheels can be installed: take versions that have one for it.",
        )
    into.mkdir(exist_ok=True)


def environment(own: Mapping[str, str], given: Mapping[str, str | Secret]) -> dict[str, str]:
    """Return the environment of uv: this process's own, with pip's variables under uv's names."""
    found = {**own, "UV_SYSTEM_CERTS": "1"}
    pip = {**own, **{name: v.reveal() if isinstance(v, Secret) else v for name, v in given.items()}}
    for name, value in pip.items():
        variable = SETTINGS.get(name[4:].lower().replace("_", "-")) if name.startswith("PIP_") else None
        if variable and value:
            found[variable] = ",".join(value.split()) if variable == "UV_FIND_LINKS" else value
    if "UV_INDEX" in found:
        # as pip, which takes the best match of all indexes
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return found


def hidden(line: str, given: Mapping[str, str | Secret]) -> str:
    """Return a line of uv without logins."""
    for value in given.values():
        for word in value.reveal().split() if isinstance(value, Secret) else ():
            line = line.replace(word, "***")
    return re.sub(r"://[^/\s@]+@", "://***@", line)


def installed(folder: Path, venv: str, version: str, python: str = "") -> dict[str, LayerFile]:
    """Return what was installed as files of an environment. folder: of `install`.  venv: path in the image.

    Programs are written here: those of uv name a Python of this machine. python: what runs them, by default that of
    the environment.
    """
    python = python or f"{venv}/bin/python"
    inside = venv.lstrip("/")
    packages = f"{inside}/lib/python{version}/site-packages"
    found: dict[str, LayerFile] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file() or path.name == INSTALL_ORIGIN or name.startswith("."):
            continue
        if name.startswith("bin/"):
            found[f"{inside}/{name}"] = program(path, python)
        elif name.endswith(".dist-info/RECORD"):
            found[f"{packages}/{name}"] = text_file(recorded(path))
        else:
            mode = bool(path.stat().st_mode & 0o100)
            found[f"{packages}/{name}"] = LayerFile(path.stat().st_size, partial(reading, path), mode)
    for name, text in scripts(folder, python):
        found[f"{inside}/bin/{name}"] = text_file(text, executable=True)
    return found


def reading(path: Path) -> IO[bytes]:
    """Open a file to read its bytes."""
    return path.open("rb")


def program(path: Path, python: str) -> LayerFile:
    """Return a program of a package; a script is run by the image's Python."""
    data = path.read_bytes()
    first, _, rest = data.partition(b"\n")
    if first.startswith(b"#!") and b"python" in first:
        return text_file(f"#!{python}\n" + rest.decode("utf-8", "surrogateescape"), executable=True)
    return LayerFile(len(data), partial(reading, path), executable=True)


def scripts(folder: Path, python: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of each program that packages declare as an entry point."""
    for package in importlib.metadata.distributions(path=[str(folder)]):
        for entry in package.entry_points:
            if entry.group == "console_scripts" and re.fullmatch(r"[\w.-]+", entry.name):
                first = entry.attr.partition(".")[0]
                yield (
                    entry.name,
                    SCRIPT.format(python=python, module=entry.module, first=first, call=entry.attr),
                )


def recorded(path: Path) -> str:
    """Return the list of a package's files without programs, which are written here, and without INSTALL_ORIGIN."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return "".join(
        sorted(line for line in lines if not line.startswith("bin/") and INSTALL_ORIGIN not in line)
    )
