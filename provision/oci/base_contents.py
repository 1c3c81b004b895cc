"""What an image must know of the image that it stands on: its Python, and its C library."""

from __future__ import annotations

import contextlib
import json
import re
import tarfile
import zlib
from collections.abc import Sequence

from provision.apps.app_model import SYSTEM, App
from provision.errors import ProvError
from provision.oci.layout_reader import StoredImage
from provision.user_cache import cache_folder
from provision.values import dataclass

PYTHON = re.compile(r"usr/(?:local/)?bin/python(3\.\d+)")
LIBC = re.compile(r"(?:usr/)?lib(?:64)?/(?:[\w-]+-linux-gnu/)?libc\.so\.6")
#: what glibc says when it is run as a program
GLIBC = re.compile(rb"GNU C Library [^\n]{0,200}release version 2\.(\d{1,3})")
#: of the C library, in bytes
MOST_LIBC = 16 << 20
#: versions of glibc that uv knows wheels for
KNOWN_GLIBC = (17, 28, *range(31, 41))
#: the kernel's names of architectures, by Go's
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


@dataclass(frozen=True)
class BaseContents:
    """pythons: path of each Python, by its version ("3.11").  glibc: minor version."""

    pythons: dict[str, str]
    glibc: int


def contents_of(base: StoredImage) -> BaseContents:
    """Return what a base image has, as an earlier run has found it. Raises ProvError as `searched` does."""
    remembered = cache_folder("images") / f"{base.digest.removeprefix('sha256:')}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(remembered.read_text(encoding="utf-8"))
        return BaseContents({str(v): str(path) for v, path in found["pythons"].items()}, int(found["glibc"]))
    contents = searched(base)
    with contextlib.suppress(OSError):
        remembered.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        remembered.write_text(
            json.dumps({"pythons": contents.pythons, "glibc": contents.glibc}), encoding="utf-8"
        )
    return contents


def searched(base: StoredImage) -> BaseContents:
    """Search the layers of a base image. Raises ProvError if it lacks a Python or glibc, or can't be read."""
    pythons: dict[str, str] = {}
    glibc = 0
    for layer in base.manifest.layers:
        try:
            with base.layout.blob(layer) as f, tarfile.open(fileobj=f, mode="r|*") as tar:
                for member in tar:
                    name = member.name.removeprefix("./").lstrip("/")
                    if (found := PYTHON.fullmatch(name)) and not member.isdir():
                        # usr/local comes first in PATH
                        place = f"/{name}"
                        pythons[found[1]] = min(pythons.get(found[1], place), place, key=in_search_order)
                    elif LIBC.fullmatch(name) and member.isfile() and member.size <= MOST_LIBC:
                        data = tar.extractfile(member)
                        version = GLIBC.search(data.read()) if data else None
                        glibc = int(version[1]) if version else glibc
        except (tarfile.TarError, EOFError, zlib.error) as error:
            kind = layer.mediaType.rpartition(".")[2]
            raise base.layout.fault(f"a layer ({kind}) can't be read: {error}") from None
    if not pythons:
        raise base.layout.fault("it has no Python: /usr/bin/python3.N or /usr/local/bin/python3.N")
    if glibc < min(KNOWN_GLIBC):
        raise base.layout.fault("it has no glibc 2.17 or newer, which packages are built for")
    return BaseContents(pythons, glibc)


def in_search_order(path: str) -> bool:
    """Sort /usr/local/bin before /usr/bin."""
    return not path.startswith("/usr/local/")


def python_for(app: App, contents: BaseContents) -> tuple[str, str]:
    """Return the path and the version of the Python in a base image that an application asks for. Raises
    ProvError."""
    there = contents.pythons
    if app.python in there:
        return there[app.python], app.python
    paths = {path: version for version, path in there.items()}
    if app.python in paths:
        return app.python, paths[app.python]
    if app.python != SYSTEM:
        raise ProvError(
            f"{app.name} asks for Python {app.python}, and its base image has {', '.join(sorted(there))}",
            hint="Name a base image that has it, or another `python`.",
        )
    version = newest(list(there))
    return there[version], version


def newest(versions: Sequence[str]) -> str:
    """Return the newest of versions such as "3.9" and "3.11"."""
    return max(versions, key=lambda version: int(version.partition(".")[2]))


def wheels_platform(architecture: str, glibc: int) -> str:
    """Return the platform of packages, as uv names it, such as x86_64-manylinux_2_36."""
    fitting = max(minor for minor in KNOWN_GLIBC if minor <= glibc)
    return f"{MACHINES[architecture]}-manylinux_2_{fitting}"
