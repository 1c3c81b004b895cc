"""Push the image of a release: blobs that the registry lacks, then its manifest under each tag."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

from provision.oci.app_image import Recipe
from provision.oci.image_builder import CONFIG, MANIFEST, described, documents, hashed, layers_of, scratch
from provision.oci.image_packages import find_uv
from provision.oci.registry import Registry
from provision.user_cache import cache_folder
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
    folder = cache_folder("images")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sent = 0
    with scratch(folder / "push") as work:
        layers = layers_of(recipe, work, find_uv(), progress)
        config, manifest = documents(recipe, layers)
        digest = hashed(manifest)
        missing = [tag for tag in tags if registry.digest_of(tag, MANIFEST) != digest]
        if missing:
            for base in recipe.base.manifest.layers:
                if not registry.has(base.digest):
                    progress(f"sending {base.digest[7:19]}, {base.size / 1e6:.1f} MB, of the base")
                    with recipe.base.layout.blob(base) as f:
                        registry.put_blob(base.digest, f, base.size)
                    sent += base.size
            for layer in layers:
                if not registry.has(layer.digest):
                    progress(f"sending {layer.digest[7:19]}, {layer.size / 1e6:.1f} MB")
                    with layer.path.open("rb") as f:
                        registry.put_blob(layer.digest, f, layer.size)
                    sent += layer.size
            sent += put_document(registry, config)
            for tag in missing:
                registry.put_manifest(tag, MANIFEST, manifest)
    return PushedImage(registry.repository, digest, tags, sent)


def put_document(registry: Registry, config: bytes) -> int:
    """Send a configuration if the registry lacks it; return how many bytes were sent."""
    digest = str(described(CONFIG, config)["digest"])
    if registry.has(digest):
        return 0
    registry.put_blob(digest, io.BytesIO(config), len(config))
    return len(config)
