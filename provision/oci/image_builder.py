"""Make the image of a release: everything that can be refused first, then its packages, then one archive."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from provision.apps.app_releases import Release
from provision.apps.interpreters import unfit
from provision.apps.process_parts import ImageSettings
from provision.errors import ConfigError, ProvError
from provision.inventory import InventoryHost
from provision.locks import locked
from provision.oci import image_packages, layer_writer
from provision.oci.app_image import (
    CREATED,
    Recipe,
    containerfile,
    environment_files,
    run_settings,
    source_files,
)
from provision.oci.base_contents import contents_of, python_for, wheels_platform
from provision.oci.layer_writer import Layer
from provision.oci.layout_reader import Layout, for_architecture, opened
from provision.serving.instances import Program
from provision.user_cache import cache_folder
from provision.values import dataclass

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYERS = ("packages.tar", "source.tar")
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class BuiltImage:
    """An image in an archive. digest: of its manifest.  name: NAME:RELEASE.  size: of the archive, in bytes.

    added: bytes of the layers above the base.
    """

    path: Path
    digest: str
    name: str
    size: int
    added: int


@contextlib.contextmanager
def recipe_of(host: InventoryHost, release: Release, program: Program, launcher: Path) -> Iterator[Recipe]:
    """Yield what the image of a release is made of; its base is open until the end. Raises ConfigError for
    whatever an image can't have, with its line of the inventory."""
    app = release.app
    image = fit_for_image(host, release)
    at = ("apps", app.name, "image", "base")
    with contextlib.ExitStack() as stack:
        try:
            image_packages.refuse_local(release)
            layout = stack.enter_context(opened(image.base))
            base = for_architecture(layout.images(), image.architecture, layout)
            len(base.diff_ids)
            contents = contents_of(base)
            python, version = python_for(app, contents)
            why = unfit(release, version)
            if why:
                raise ProvError(why, hint="Name a base image with another Python.")
        except ConfigError:
            raise
        except ProvError as error:
            raise host.error(at, error.message, error.hint) from None
        platform = wheels_platform(image.architecture, contents.glibc)
        yield Recipe(release, program, base, contents, python, version, platform, launcher, notes_of(release))


def fit_for_image(host: InventoryHost, release: Release) -> ImageSettings:
    """Return the settings of an application's image. Raises ConfigError for what an image can't have, with its line
    of the inventory."""
    app = release.app
    if app.image is None:
        hint = "Name one:  image: {base: python.tar}  (an OCI archive, such as skopeo copies from a registry)"
        raise host.error(("apps", app.name), "has no `image`, which names its base image", hint)
    if app.build is not None and not app.build.here:
        hint = "Build on this machine instead: set `here: true`."
        raise host.error(("apps", app.name, "build"), "builds on a host, which an image has none of", hint)
    if app.server_role.package is None:
        message = f"{app.server!r} is not a Python package, so it can't be in an image"
        raise host.error(("apps", app.name, "server"), message, "Name a server that is a Python package.")
    return app.image


def notes_of(release: Release) -> tuple[str, ...]:
    """Return what of an application its image leaves to the place that runs it."""
    app = release.app
    found = {
        f"processes ({', '.join(app.processes)})": app.processes,
        f"jobs ({', '.join(app.jobs)})": app.jobs,
        "commands of `release`": app.chores,
        "migrations": app.django is not None and app.django.migrate,
        "collectstatic": app.collects_static,
        f"files made from templates ({', '.join(app.files)})": app.files,
        "first contents of `writable`": release.seeding,
        "packages of the distribution": app.packages.run,
    }
    return tuple(what for what, there in found.items() if there)


def build(recipe: Recipe, output: Path, progress: Callable[[str], None]) -> BuiltImage:
    """Write the image of a recipe into an archive. Raises ProvError; the archive is then as it was before."""
    uv = image_packages.find_uv()
    app = recipe.release.app
    name = f"{app.name}:{recipe.release.id}"
    with scratch(output) as folder:
        layers = layers_of(recipe, folder, uv, progress)
        config, manifest = documents(recipe, layers)
        index = index_of(manifest, name)
        added = sum(each.size for each in layers)
        if is_index_of(output, index):
            return BuiltImage(output, hashed(manifest), name, output.stat().st_size, added)
        progress("writing the archive")
        archive = folder / "image.tar"
        with archive.open("wb") as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            put(tar, "oci-layout", document({"imageLayoutVersion": "1.0.0"}))
            put(tar, "index.json", index)
            for text in (manifest, config):
                put(tar, blob_name(hashed(text)), text)
            for inner in {each.digest: each for each in recipe.base.manifest.layers}.values():
                put(tar, blob_name(inner.digest), Chunked(recipe.base.layout.chunks(inner)), inner.size)
            for layer in {each.digest: each for each in layers}.values():
                with layer.path.open("rb") as f:
                    put(tar, blob_name(layer.digest), f, layer.size)
        archive.replace(output)
    return BuiltImage(output, hashed(manifest), name, output.stat().st_size, added)


def documents(recipe: Recipe, layers: list[Layer]) -> tuple[bytes, bytes]:
    """Return the configuration and the manifest of an image."""
    config = configuration(recipe, layers)
    below = recipe.base.manifest.layers
    manifest = document(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(CONFIG, config),
            "layers": [
                *({"mediaType": e.mediaType, "digest": e.digest, "size": e.size} for e in below),
                *({"mediaType": LAYER, "digest": e.digest, "size": e.size} for e in layers),
            ],
        }
    )
    return config, manifest


def index_of(manifest: bytes, name: str) -> bytes:
    """Return the index of a layout with one image. name: NAME:TAG."""
    about = {**described(MANIFEST, manifest), "annotations": {"org.opencontainers.image.ref.name": name}}
    return document({"schemaVersion": 2, "mediaType": INDEX, "manifests": [about]})


def is_index_of(path: Path, index: bytes) -> bool:
    """Return whether an archive has this index: it is then the same image, as an archive is written whole or not."""
    try:
        with tarfile.open(path, "r:") as tar:
            found = tar.extractfile("index.json")
            return found is not None and found.read(len(index) + 1) == index
    except (OSError, tarfile.TarError, KeyError):
        return False


def keep(recipe: Recipe, folder: Path, progress: Callable[[str], None]) -> str:
    """Write a Containerfile and what it adds into a folder, and return its text. Raises ProvError."""
    uv = image_packages.find_uv()
    text = containerfile(recipe, run_settings(recipe), LAYERS)
    with scratch(folder) as work:
        for name, layer in zip(LAYERS, layers_of(recipe, work, uv, progress)):
            folder.mkdir(exist_ok=True)
            shutil.copyfile(layer.path, folder / name)
        (folder / "Containerfile").write_text(text, encoding="utf-8")
    return text


def layers_of(recipe: Recipe, folder: Path, uv: str, progress: Callable[[str], None]) -> list[Layer]:
    """Return the layers above the base: the packages, from earlier builds if they are the same, and the source."""
    cache = cache_folder("images")
    finished = cache / f"{recipe.packages_key}.tar"
    with locked(cache, mode=0o700):
        if not finished.is_file():
            progress("installing packages")
            target = folder / "packages"
            image_packages.install(recipe.release, target, uv, recipe.version, recipe.platform)
            files = image_packages.installed(target, recipe.venv, recipe.version)
            made = layer_writer.written(folder / "packages.tar", {**files, **environment_files(recipe)})
            partial = finished.with_suffix(".new")
            shutil.copyfile(made.path, partial)
            partial.replace(finished)
        packages = layer_writer.layer_at(finished)
    return [packages, layer_writer.written(folder / "source.tar", source_files(recipe))]


def configuration(recipe: Recipe, layers: list[Layer]) -> bytes:
    """Return the image's configuration: the base's, with ours in its place."""
    base = recipe.base.config
    history = base.get("history")
    made = [{"created": CREATED, "created_by": f"prov: {what}"} for what in ("packages", "source")]
    return document(
        {
            **{name: base[name] for name in ("architecture", "os", "variant") if name in base},
            "created": CREATED,
            "config": run_settings(recipe),
            "rootfs": {"type": "layers", "diff_ids": [*recipe.base.diff_ids, *(e.digest for e in layers)]},
            "history": [*(history if isinstance(history, list) else []), *made],
        }
    )


class Chunked(io.RawIOBase):
    """A file that is read once, made of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return up to size bytes, fewer only at the end."""
        while size < 0 or len(self._rest) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._rest += chunk
        size = len(self._rest) if size < 0 else size
        found, self._rest = self._rest[:size], self._rest[size:]
        if not self._rest:
            # its end is where a wrong hash is found
            self._rest = next(self._chunks, b"")
        return found


def put(tar: tarfile.TarFile, name: str, contents: bytes | IO[bytes] | Chunked, size: int = 0) -> None:
    """Add a file to an archive."""
    member = tarfile.TarInfo(name)
    member.mtime, member.mode = layer_writer.TIME, 0o644
    f: Any = io.BytesIO(contents) if isinstance(contents, bytes) else contents
    member.size = len(contents) if isinstance(contents, bytes) else size
    tar.addfile(member, f)


def document(value: Any) -> bytes:
    """Return JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def hashed(text: bytes) -> str:
    """Return the digest of a blob."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def blob_name(digest: str) -> str:
    """Return where a layout has a blob."""
    return f"blobs/{digest.replace(':', '/')}"


def described(kind: str, text: bytes) -> dict[str, Any]:
    """Return the descriptor of a document."""
    return {"mediaType": kind, "digest": hashed(text), "size": len(text)}


@contextlib.contextmanager
def scratch(output: Path) -> Iterator[Path]:
    """Yield a folder beside an output, which is removed at the end. Raises ProvError for what can't be written."""
    try:
        with tempfile.TemporaryDirectory(prefix=".prov-image-", dir=output.absolute().parent) as folder:
            yield Path(folder)
    except OSError as error:
        why = (error.strerror or os.strerror(error.errno or 0)).lower()
        raise ProvError(f"{error.filename or output} can't be written: {why}", where=str(output)) from None


@contextlib.contextmanager
def cache_scratch() -> Iterator[Path]:
    """Yield a folder beside the cached packages, which is removed at the end. Raises ProvError."""
    folder = cache_folder("images")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with scratch(folder / "layers") as work:
        yield work


def described_image(layout: Layout) -> list[dict[str, Any]]:
    """Return what `prov image show` says of the images in a layout. Raises ProvError, also for damaged layers."""
    found = []
    for image in layout.images():
        for layer in image.manifest.layers:
            for _ in layout.chunks(layer):
                pass
        labels = image.settings.get("Labels") or {}
        found.append(
            {
                "digest": image.digest,
                "name": labels.get("org.opencontainers.image.title", ""),
                "release": labels.get("org.opencontainers.image.version", ""),
                "architecture": image.architecture,
                "user": image.settings.get("User", ""),
                "ports": sorted(image.settings.get("ExposedPorts") or {}),
                "entrypoint": image.settings.get("Entrypoint") or [],
                "environment": sorted(image.settings.get("Env") or []),
                "volumes": sorted(image.settings.get("Volumes") or {}),
                "layers": [{"digest": e.digest, "size": e.size} for e in image.manifest.layers],
            }
        )
    return found
