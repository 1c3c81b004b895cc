"""The image of a release: two layers above a base image, and how it is run.

    BASE ── packages ── source

The packages are a virtual environment at /app/.venv, the source is at /app, as in a release's folder on a host.
Nothing of the application's environment is in it: who runs the image gives it, secrets and all.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Any

from provision.apps.app_releases import OURS, Release, short_hash
from provision.oci.base_contents import BaseContents
from provision.oci.layer_writer import LayerFile, text_file
from provision.oci.layout_reader import StoredImage
from provision.secrets import Secret
from provision.serving.instances import Program, shim_file
from provision.system.writers import HERE
from provision.values import dataclass

PLACE = "/app"
LAUNCHER = "on_port.py"
USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: of all images: their time is not when they were made
CREATED = "1980-01-01T00:00:00Z"


@dataclass(frozen=True)
class Recipe:
    """What an image is made of, before anything is installed. python, version: the base's, for this release."""

    release: Release
    program: Program
    base: StoredImage
    contents: BaseContents
    python: str
    version: str
    platform: str
    launcher: Path
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def venv(self) -> str:
        """Return the path of the environment in the image."""
        return f"{PLACE}/{OURS[1]}"

    @property
    def packages_key(self) -> str:
        """Return twelve hex digits that name the installed packages."""
        wanted = self.release.wanted
        parts = [self.release.requirements, wanted.constraints, self.release.packages, self.version]
        return short_hash(json.dumps([*parts, self.python, self.platform, self.venv]))


def environment_files(recipe: Recipe) -> dict[str, LayerFile]:
    """Return the frame of the virtual environment (PEP 405)."""
    inside = recipe.venv.lstrip("/")
    home = posixpath.dirname(recipe.python)
    config = f"home = {home}\ninclude-system-site-packages = false\nversion = {recipe.version}\n"
    return {
        f"{inside}/pyvenv.cfg": text_file(config),
        f"{inside}/bin/python": LayerFile(target=recipe.python),
        f"{inside}/bin/python3": LayerFile(target="python"),
    }


def source_files(recipe: Recipe) -> dict[str, LayerFile]:
    """Return the release's files, those of its server, and links for what it writes to."""
    release, app = recipe.release, recipe.release.app
    inside = PLACE.lstrip("/")
    found = {f"{inside}/{path}": file for path, file in release_files(release).items()}
    shim = shim_file()
    texts = {shim.name: shim.read_text(encoding="utf-8"), **recipe.program.files}
    texts[LAUNCHER] = recipe.launcher.read_text(encoding="utf-8")
    for name, text in texts.items():
        found[f"{inside}/{OURS[0]}/{name}"] = text_file(text)
    for path in app.writable:
        place = posixpath.normpath(f"{release.inside(inside)}/{path}")
        found[place] = LayerFile(target=f"{release.data}/release/{path}")
    return found


def release_files(release: Release) -> dict[str, LayerFile]:
    """Return the files of a release's source, by their paths in it."""
    found: dict[str, LayerFile] = {}
    for path, mode, source, target in release.entries:
        if source is None:
            found[path] = LayerFile(target=target)
        elif source.open is not None:
            found[path] = LayerFile(source.size, partial(source.open, b""), bool(mode & 0o100))
    return found


def run_settings(recipe: Recipe) -> dict[str, Any]:
    """Return how the image is run. Source: OCI image specification, "Image Configuration"."""
    release, app = recipe.release, recipe.release.app
    image = app.image
    assert image is not None
    base = dict(recipe.base.settings)
    argv = [moved(word, release) for words in recipe.program.argv for word in words.split()]
    python = f"{recipe.venv}/bin/python"
    variables = {
        **dict(each.partition("=")[::2] for each in base.get("Env") or ()),
        "PYTHONPATH": f"{PLACE}/{OURS[0]}:{release.search_path(PLACE)}",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PROV_INTERFACE": app.interface,
        "PROV_TARGET": app.target,
        "PROV_PREFIX": app.path.rstrip("/"),
        "PROV_DATA_DIR": release.data,
        "PORT": str(image.port),
        **({"DJANGO_SETTINGS_MODULE": app.django.settings} if app.django else {}),
        **{name: moved(value, release) for name, value in recipe.program.environment.items()},
    }
    variables["PATH"] = f"{recipe.venv}/bin:{variables.get('PATH') or USUAL_PATH}"
    title = {"org.opencontainers.image.title": app.name, "org.opencontainers.image.version": release.id}
    return {
        "User": f"{image.user}:{image.user}",
        "ExposedPorts": {f"{image.port}/tcp": {}},
        "Env": [f"{name}={value}" for name, value in sorted(variables.items())],
        "Entrypoint": [python, f"{PLACE}/{OURS[0]}/{LAUNCHER}", f"{recipe.venv}/bin/{argv[0]}", *argv[1:]],
        "Cmd": [],
        "Volumes": {release.data: {}},
        "WorkingDir": release.inside(PLACE),
        "StopSignal": f"SIG{recipe.program.stop_signal}",
        "Labels": {**(base.get("Labels") or {}), **title, "prov.health": app.health},
    }


def moved(text: str, release: Release, place: str = PLACE) -> str:
    """Return a word of a server's command line as it is in the image: a server expects the folders of a host.

    place: where the release's files are.
    """
    own = f"/run/app-{release.app.name}-{HERE}"
    return text.replace(release.instance_link(HERE), place).replace(own, "/tmp").replace(HERE, "image")


def expected_of(release: Release) -> list[str]:
    """Return the names of the environment variables that the image expects when it runs."""
    app = release.app
    bound = {name for each in release.bindings for name in each.environment(set())}
    secrets = ["CREDENTIALS_DIRECTORY"] if release.credentials else app.secrets
    return sorted({*app.environment, *secrets, *bound} - {"PYTHONPATH"})


def containerfile(recipe: Recipe, settings: Mapping[str, Any], layers: Sequence[str]) -> str:
    """Return a Containerfile that makes the same image. layers: names of their files beside it."""
    lines = [f"FROM oci-archive:{recipe.base.layout.path}", f"ADD {' '.join(layers)} /"]
    lines += [f"ENV {name}={quoted(value)}" for name, _, value in (e.partition("=") for e in settings["Env"])]
    lines += [f"LABEL {name}={quoted(value)}" for name, value in sorted(settings["Labels"].items())]
    lines += [f"EXPOSE {port}" for port in settings["ExposedPorts"]]
    lines += [f"VOLUME {json.dumps(list(settings['Volumes']))}", f"WORKDIR {settings['WorkingDir']}"]
    lines += [f"STOPSIGNAL {settings['StopSignal']}", f"USER {settings['User']}"]
    return "\n".join([*lines, f"ENTRYPOINT {json.dumps(settings['Entrypoint'])}", ""])


def quoted(value: str | Secret) -> str:
    """Return a value as a Containerfile has it: nothing in it is replaced, and it stays on its line."""
    text = str(value)
    for character in ("\\", '"', "$"):
        text = text.replace(character, f"\\{character}")
    return f'"{text}"'
