"""Push the image of a release: blobs that the registry lacks, then its manifest under each tag."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import IO

from provision.oci.app_image import Recipe
from provision.oci.image_builder import MANIFEST, cache_scratch, documents, hashed, layers_of
from provision.oci.image_packages import find_uv
from provision.oci.registry import Registry
from provision.values import dataclass


@dataclass(frozen=True)
class PushedImage:
    """An image in a registry. digest: of its manifest.  sent: bytes that the registry lacked."""

    repository: str
    digest: str
    tags: Sequence[str]
    sent: int


def push(
    recipe: Recipe, registry: Registry, tags: Sequence[str], progress: Callable[[str], None]
) -> PushedImage:
    """Push an image. A tag never names an image that is not whole. Raises ProvError."""
    sent = 0
    with cache_scratch() as work:
        layers = layers_of(recipe, work, find_uv(), progress)
        config, manifest = documents(recipe, layers)
        digest = hashed(manifest)
        missing = [tag for tag in tags if registry.digest_of(tag, MANIFEST) != digest]
        if missing:
            for base in recipe.base.manifest.layers:
                open_base = partial(recipe.base.layout.blob, base)
                sent += send_lacking(registry, base.digest, base.size, open_base, progress, ", of the base")
            for layer in layers:
                sent += send_lacking(registry, layer.digest, layer.size, layer.open, progress)
            sent += send_lacking(registry, hashed(config), len(config), partial(io.BytesIO, config))
            for tag in missing:
                registry.put_manifest(tag, MANIFEST, manifest)
    return PushedImage(registry.repository, digest, tags, sent)


def send_lacking(
    registry: Registry,
    digest: str,
    size: int,
    opens: Callable[[], AbstractContextManager[IO[bytes]]],
    progress: Callable[[str], None] = lambda text: None,
    which: str = "",
) -> int:
    """Send a blob if the registry lacks it; return how many bytes were sent. Raises ProvError.

    opens: its contents.  which: words behind its size, in what is shown.
    """
    if registry.has(digest):
        return 0
    progress(f"sending {digest[7:19]}, {size / 1e6:.1f} MB{which}")
    with opens() as f:
        registry.put_blob(digest, f, size)
    return size
