"""prov and its libraries as a bundle carries them: as they are installed here, or as wheels for another Python."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.requirements import Requirement

import provision
from provision.declared.role_folders import BUILTIN
from provision.errors import ProvError

NAME = "prov-deploy"
#: folders of packages that nothing imports
NOT_CARRIED = {"__pycache__", "tests"}
WITHIN = 600
SHOWN = 8


def distributions(extras: Iterable[str]) -> list[importlib.metadata.Distribution]:
    """Return the libraries that prov needs, with those of its extras, such as "age". Raises ProvError."""
    found: dict[str, importlib.metadata.Distribution] = {}
    wanted = [(NAME, tuple(extras))]
    while wanted:
        name, asked = wanted.pop()
        try:
            this = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            hint = f"Install it: pip install '{NAME}[{','.join(extras)}]'" if extras else ""
            raise ProvError(f"the library {name} is not installed here", hint=hint) from None
        for line in this.requires or ():
            needed = Requirement(line)
            marker = needed.marker
            applies = marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *asked))
            if applies and needed.name.lower() not in found:
                found[needed.name.lower()] = this
                wanted.append((needed.name, tuple(needed.extras)))
        found[name.lower()] = this
    del found[NAME]
    return [importlib.metadata.distribution(name) for name in sorted(found)]


def library_files(extras: Iterable[str], python: str, machine: str, work: Path) -> Iterator[tuple[str, Path]]:
    """Yield path in the bundle and file of prov and its libraries. work: a new folder. Raises ProvError.

    python, machine: of the host, such as "3.13" and "aarch64".
    """
    yield from own_files()
    libraries = distributions(extras)
    if (python, machine) == (f"{sys.version_info[0]}.{sys.version_info[1]}", platform.machine()):
        for each in libraries:
            for file in each.files or ():
                if ".." not in file.parts and not file.is_absolute() and carries(file.parts):
                    yield file.as_posix(), Path(str(file.locate()))
        return
    wheels({each.name: each.version for each in libraries}, python, machine, work)
    for path in sorted(work.rglob("*")):
        name = path.relative_to(work)
        if path.is_file() and carries(name.parts) and name.parts[0] != "bin":
            yield name.as_posix(), path


def carries(parts: tuple[str, ...]) -> bool:
    """Return whether a file of a library is needed where it only runs."""
    return not NOT_CARRIED & set(parts) and not parts[-1].endswith((".pyc", ".pyi"))


def own_files() -> Iterator[tuple[str, Path]]:
    """Yield prov's package, with the built-in roles in their place."""
    package = Path(provision.__file__).parent
    for top, name in ((package, "provision"), (BUILTIN, "provision/builtin")):
        for path in sorted(top.rglob("*")):
            inside = path.relative_to(top)
            if inside.parts[0] == "builtin" or not path.is_file() or not carries(inside.parts):
                continue
            yield f"{name}/{inside.as_posix()}", path


def wheels(versions: Mapping[str, str], python: str, machine: str, into: Path) -> None:
    """Install libraries into a folder, for another Python. Raises ProvError."""
    # imported here: most bundles are for this machine's Python
    from provision.oci.image_packages import find_uv

    argv = [find_uv(), "pip", "install", "--no-config", "--quiet", "--link-mode", "copy", "--no-deps"]
    argv += ["--target", str(into), "--python-version", python, "--only-binary", ":all:"]
    argv += ["--python-platform", f"{machine}-manylinux_2_28", "--python", sys.executable]
    argv += [f"{name}=={version}" for name, version in versions.items()]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=WITHIN, check=False
        )
    except subprocess.TimeoutExpired:
        raise ProvError(f"the libraries for Python {python} were not installed within {WITHIN} s") from None
    if done.returncode:
        lines = "".join(f"\n    {line}" for line in done.stderr.strip().splitlines()[-SHOWN:])
        raise ProvError(f"prov's libraries could not be had for Python {python} on {machine}:{lines}")
