"""The bundle of a release: a zip of its source and its packages, which Lambda unpacks to /var/task.

    .prov/           what prov adds: the application behind its front, settings of the handler
    .venv/           the packages, as wheels for Lambda's platform
    prov_handler.py  what Lambda calls
    ...              the source

Source: Lambda quotas, "Deployment package".
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from provision.apps.app_releases import OURS, short_hash
from provision.errors import ProvError
from provision.locks import locked
from provision.oci import image_packages
from provision.oci.app_image import release_files
from provision.oci.base_contents import wheels_platform
from provision.oci.layer_writer import LayerFile, text_file
from provision.platforms.lambda_.mapped_functions import GLIBC, TASK, MappedFunction, adapter_of
from provision.platforms.zip_writer import write_zip
from provision.serving.instances import shim_file
from provision.user_cache import cache_folder
from provision.values import dataclass

#: bytes of a bundle: unpacked, and as part of a request instead of through S3
MOST_UNPACKED, MOST_DIRECT = 250 << 20, 50 << 20
HANDLER = Path(__file__).parent / "files" / "prov_handler.py"
#: Lambda's names of architectures -> Go's
ARCHITECTURES = {"x86_64": "amd64", "arm64": "arm64"}
#: packages that an error about size names
LARGEST = 3
#: folder of compiled modules, which the runtime makes itself
COMPILED = "__pycache__"


@dataclass(frozen=True)
class FunctionBundle:
    """A bundle. sha256: as Lambda has it, of the file, in base64."""

    path: Path
    sha256: str
    size: int


def settings_of(mapped: MappedFunction) -> str:
    """Return what the handler knows of the application, as JSON."""
    release, app = mapped.release, mapped.app
    places = release.search_path(TASK).split(":")
    commands = {
        name: {"words": list(words), "timeout": min(seconds, mapped.timeout)}
        for name, (words, seconds) in mapped.commands.items()
    }
    found = {
        "interface": app.interface,
        "folder": app.subdirectory or ".",
        "packages": packages_path(mapped),
        "pythonpath": [OURS[0], *(inner(place) for place in places)],
        "credentials": bool(release.credentials),
        "commands": commands,
        "environment": {
            "PROV_INTERFACE": app.interface,
            "PROV_TARGET": app.target,
            "PROV_PREFIX": app.path.rstrip("/"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": "/tmp",
        },
    }
    return json.dumps(found, indent=1, sort_keys=True) + "\n"


def inner(place: str) -> str:
    """Return a place of the search path as the handler finds it, below its own folder."""
    return "." if place == TASK else place.removeprefix(f"{TASK}/")


def packages_path(mapped: MappedFunction) -> str:
    """Return the folder of the packages in a bundle."""
    return f"{OURS[1]}/lib/python{mapped.python}/site-packages"


def platform_of(mapped: MappedFunction) -> str:
    """Return the platform of its packages, as uv names it."""
    return wheels_platform(ARCHITECTURES[mapped.block.architecture], GLIBC[mapped.python])


def bundle_key(mapped: MappedFunction) -> str:
    """Return twelve hex digits that name the contents of a bundle, before it is made."""
    release = mapped.release
    parts = [release.id, release.requirements, release.wanted.constraints, *adapter_of(release)]
    parts += [mapped.python, platform_of(mapped), settings_of(mapped)]
    return short_hash(json.dumps([*parts, *(path.read_text("utf-8") for path in (HANDLER, shim_file()))]))


def made(mapped: MappedFunction, note: Callable[[str], None]) -> FunctionBundle:
    """Return the bundle of an application, from an earlier run if it is the same. Raises ProvError if it can't be made
    or is larger than Lambda takes."""
    cache = cache_folder("lambda")
    path = cache / f"{bundle_key(mapped)}.zip"
    with locked(cache, mode=0o700):
        if not path.is_file():
            uv = image_packages.find_uv()
            note(
                f"{mapped.name}: installing packages for Python {mapped.python} on {mapped.block.architecture}"
            )
            with tempfile.TemporaryDirectory(prefix=".prov-", dir=cache) as folder:
                target = Path(folder) / "packages"
                added = adapter_of(mapped.release)
                image_packages.install(mapped.release, target, uv, mapped.python, platform_of(mapped), added)
                files = contents(mapped, target)
                refuse_large(mapped, files)
                whole = Path(folder) / "bundle.zip"
                write_zip(whole, files)
                whole.replace(path)
    with path.open("rb") as f:
        digest = base64.b64encode(hashlib.file_digest(f, "sha256").digest()).decode()
    bundle = FunctionBundle(path, digest, path.stat().st_size)
    if bundle.size > MOST_DIRECT and mapped.block.bucket is None:
        raise ProvError(
            f"the bundle of {mapped.name} has {bundle.size >> 20} MB, and Lambda takes {MOST_DIRECT >> 20} MB at once",
            hint="Name an S3 bucket in the block `lambda`, which bundles go through:  bucket: NAME",
        )
    return bundle


def contents(mapped: MappedFunction, packages: Path) -> dict[str, LayerFile]:
    """Return the files of a bundle, by their paths in it. packages: folder of what was installed."""
    python = f"/var/lang/bin/python{mapped.python}"
    installed = image_packages.installed(packages, f"{TASK}/{OURS[1]}", mapped.python, python)
    shim = shim_file()
    inside = TASK.lstrip("/")
    return {
        **release_files(mapped.release),
        **{path.removeprefix(f"{inside}/"): file for path, file in installed.items() if COMPILED not in path},
        f"{OURS[0]}/{shim.name}": text_file(shim.read_text(encoding="utf-8")),
        f"{OURS[0]}/lambda.json": text_file(settings_of(mapped)),
        HANDLER.name: text_file(HANDLER.read_text(encoding="utf-8")),
    }


def refuse_large(mapped: MappedFunction, files: Mapping[str, LayerFile]) -> None:
    """Raise ProvError for files that are together larger than Lambda takes."""
    total = sum(file.size for file in files.values())
    if total <= MOST_UNPACKED:
        return
    sizes: dict[str, int] = {}
    packages = f"{packages_path(mapped)}/"
    for path, file in files.items():
        name = path.removeprefix(packages).partition("/")[0] if path.startswith(packages) else "the source"
        sizes[name] = sizes.get(name, 0) + file.size
    largest = sorted(sizes, key=lambda name: -sizes[name])[:LARGEST]
    named = ", ".join(f"{name} {sizes[name] >> 20} MB" for name in largest)
    raise ProvError(
        f"the bundle of {mapped.name} would have {total >> 20} MB unpacked, and Lambda takes {MOST_UNPACKED >> 20} MB"
        f" (the largest: {named})",
        where=str(mapped.app.source),
        hint="Remove what it does not need, or run the application on hosts or on Kubernetes.",
    )
