"""What a project depends on, from the files that say so, as the text of a requirements file.

That text is what hosts get, whatever it came from: pip and uv of any version read it, and check its hashes.
"""

from __future__ import annotations

import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from provision.errors import ConfigError

#: what uv is asked for: uv.lock as it is, for what is deployed
EXPORT = ["export", "--frozen", "--no-emit-project", "--no-dev", "--no-header", "--no-annotate", "--quiet"]


def requirements_of(name: str, read: Callable[[str], bytes], *, where: str) -> str:
    """The requirements that a file asks for, by its name.

    read: gives the contents of the file of that name, and of others beside it.  where: named in errors.
    Raises ConfigError.
    """
    try:
        if name == "uv.lock":
            return from_uv_lock(read)
        if name == "pyproject.toml":
            return from_pyproject(tomllib.loads(read(name).decode()))
        if name == "pylock.toml" or (name.startswith("pylock.") and name.endswith(".toml")):
            return from_pylock(tomllib.loads(read(name).decode()))
        return read(name).decode()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"can't be read: {error}", where=where) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"is not as such a file should be: {error!r}", where=where) from None
    except ConfigError as error:
        raise ConfigError(error.message, where=where, hint=error.hint) from None


def from_pyproject(data: dict[str, Any]) -> str:
    """The dependencies of a project (packaging specifications, "pyproject.toml")."""
    project = data["project"]
    if "dependencies" in project.get("dynamic", []):
        raise ConfigError(
            "its dependencies are dynamic: only a build tells them", hint="Lock them, with uv or pip."
        )
    return "".join(f"{line}\n" for line in project.get("dependencies", []))


def from_pylock(data: dict[str, Any]) -> str:
    """The packages of a lock file, with their hashes (packaging specifications, "pylock.toml")."""
    if not str(data["lock-version"]).startswith("1."):
        raise ConfigError(f"version {data['lock-version']} of this format is not known")
    return "".join(f"{line}\n" for package in data["packages"] for line in locked(package))


def locked(package: dict[str, Any]) -> Iterator[str]:
    """The line for one package of a pylock.toml."""
    name, marker = package["name"], package.get("marker", "")
    if "extras" in marker or "dependency_groups" in marker:
        raise ConfigError(
            f"{name} is there for an extra or a group only", hint="Lock what is deployed, and no more."
        )
    if "archive" in package:
        wanted, files = f"{name} @ {package['archive']['url']}", [package["archive"]]
    elif "version" in package and ("wheels" in package or "sdist" in package):
        wanted = f"{name}=={package['version']}"
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    else:
        raise ConfigError(f"{name} comes from a folder or a repository, which no hash vouches for")
    hashes = [f"--hash={kind}:{digest}" for file in files for kind, digest in sorted(file["hashes"].items())]
    yield " ".join([wanted + (f" ; {marker}" if marker else ""), *hashes])


def from_uv_lock(read: Callable[[str], bytes]) -> str:
    """The packages of a uv.lock, with their hashes. Its format is uv's own, so uv reads it."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("pyproject.toml", "uv.lock"):
            Path(folder, name).write_bytes(read(name))
        try:
            argv = ["uv", *EXPORT, "--directory", folder, "--format", "requirements.txt"]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
        except FileNotFoundError:
            raise ConfigError(
                "only uv can read uv.lock, and it is not on this machine",
                hint="Install uv (pip install uv), or write a pylock.toml: uv export -o pylock.toml",
            ) from None
    if done.returncode:
        raise ConfigError("uv: " + (done.stderr.strip().splitlines() or ["failed"])[-1])
    return done.stdout
