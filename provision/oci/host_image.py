"""The image of a release for a host: a layout whose layers travel only if the host lacks them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from provision.apps.app_releases import Release
from provision.inventory import InventoryHost
from provision.oci import layer_writer
from provision.oci.app_image import Recipe, source_files
from provision.oci.image_builder import (
    blob_name,
    cache_scratch,
    document,
    documents,
    hashed,
    index_of,
    layers_of,
    recipe_of,
)
from provision.oci.image_packages import find_uv
from provision.oci.layout_reader import Descriptor, opened
from provision.serving.instances import Program
from provision.steps.containers import full
from provision.steps.tree import Entry
from provision.system.source import Source
from provision.values import dataclass

#: by what they are made of: a run asks for an image several times
_made: dict[tuple[object, ...], HostImage] = {}


@dataclass(frozen=True)
class HostImage:
    """An image, and its layout as the entries of a tree. id: as engines name it.  name: NAME:TAG."""

    id: str
    name: str
    entries: tuple[Entry, ...]


def host_image(host: InventoryHost, release: Release, program: Program, launcher: Path) -> HostImage:
    """Return the image in which a program serves a release; its packages are installed for it here, once.

    Raises ConfigError for whatever an image can't have, with its line of the inventory.
    """
    with recipe_of(host, release, program, launcher) as recipe:
        files = tuple(sorted(program.files.items()))
        key = (recipe.base.digest, recipe.packages_key, release.id, tuple(program.argv), files)
        if key not in _made:
            _made[key] = image_of(recipe)
        return _made[key]


def image_of(recipe: Recipe) -> HostImage:
    """Return the image of a recipe. Of its layers, only the packages stay on this machine."""
    with cache_scratch() as work:
        packages, source = layers_of(recipe, work, find_uv(), lambda text: None)
    config, manifest = documents(recipe, [packages, source])
    id = hashed(config).partition(":")[2]
    name = f"app-{recipe.release.app.name}:{recipe.release.id}-{id[:12]}"
    base = recipe.base.layout.path
    found: list[Entry] = [
        entry("oci-layout", Source.of(document({"imageLayoutVersion": "1.0.0"}))),
        entry("index.json", Source.of(index_of(manifest, full(name)))),
        *(entry(blob_name(hashed(text)), Source.of(text)) for text in (config, manifest)),
        *(
            blob(each.digest, each.size, partial(in_layout, base, each))
            for each in recipe.base.manifest.layers
        ),
        blob(packages.digest, packages.size, packages.open),
        blob(source.digest, source.size, partial(written_again, recipe)),
    ]
    return HostImage(id, name, tuple({each[0]: each for each in found}.values()))


def blob(digest: str, size: int, opens: Callable[[], IO[bytes]]) -> Entry:
    """Return a layer. opens: its contents, which the host compares with the digest."""
    source = Source(digest.partition(":")[2], size)
    source.open = lambda request: opens()
    return entry(blob_name(digest), source)


def entry(path: str, source: Source) -> Entry:
    """Return a file of the layout."""
    return path, 0o644, source, ""


def in_layout(path: Path, layer: Descriptor) -> IO[bytes]:
    """Open a layer of a base image."""
    found = tempfile.TemporaryFile()  # noqa: SIM115 (the reader closes it)
    with opened(path) as layout:
        found.writelines(layout.chunks(layer))
    found.seek(0)
    return found


def written_again(recipe: Recipe) -> IO[bytes]:
    """Open the layer of the source, which is the same each time."""
    with tempfile.TemporaryDirectory() as folder:
        return layer_writer.written(Path(folder) / "source.tar", source_files(recipe)).open()
