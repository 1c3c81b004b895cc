"""Read an OCI image layout, a folder or an archive: each blob is named by its hash, and checked against it.

Source: OCI image specification, "Image Layout", "Image Index" and "Image Manifest". Nothing is unpacked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from provision.errors import ProvError
from provision.values import dataclass

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
#: largest document about an image, in bytes
MOST_JSON = 4 << 20
#: indexes in indexes
DEEPEST = 4
CHUNK = 1 << 20

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]


class LayoutDocument(BaseModel):
    """A JSON document about an image; what prov does not read is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)


D = TypeVar("D", bound=LayoutDocument)


class Platform(LayoutDocument):
    """What an image runs on."""

    architecture: str = ""
    os: str = ""


class Descriptor(LayoutDocument):
    """A blob by its hash. Source: OCI image specification, "Content Descriptors"."""

    mediaType: str = ""
    digest: Digest
    size: int = Field(ge=0)
    platform: Platform | None = None


class ImageIndex(LayoutDocument):
    """Images of a layout."""

    manifests: list[Descriptor]


class Manifest(LayoutDocument):
    """One image: its configuration and its layers, the lowest first."""

    config: Descriptor
    layers: list[Descriptor]


@dataclass(frozen=True)
class StoredImage:
    """An image of a layout. digest: of its manifest.  config: as it is stored, checked to be an object."""

    layout: Layout
    digest: str
    manifest: Manifest
    config: Mapping[str, Any]

    @property
    def architecture(self) -> str:
        """Return its architecture, as Go names it."""
        return str(self.config.get("architecture", ""))

    @property
    def settings(self) -> Mapping[str, Any]:
        """Return how it is run: environment, user, entry point."""
        found = self.config.get("config")
        return found if isinstance(found, dict) else {}

    @property
    def diff_ids(self) -> list[str]:
        """Return the hashes of its layers, not compressed. Raises ProvError."""
        rootfs = self.config.get("rootfs")
        found = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
        if not isinstance(found, list) or len(found) != len(self.manifest.layers):
            raise self.layout.fault("its configuration does not list its layers")
        return [str(each) for each in found]


class Layout:
    """A layout at a path of this machine. Use `opened`."""

    def __init__(self, path: Path, archive: tarfile.TarFile | None) -> None:
        self.path = path
        self._archive = archive
        self._members: Mapping[str, tarfile.TarInfo] = {}
        if archive is not None:
            self._members = {each.name.removeprefix("./"): each for each in archive if each.isfile()}

    def fault(self, why: str) -> ProvError:
        """Return the error for a layout that can't be used."""
        return ProvError(
            f"{self.path} can't be used as an image: {why}",
            hint="Copy the image with: skopeo copy docker://REGISTRY/NAME:TAG oci-archive:FILE.tar",
        )

    def images(self) -> list[StoredImage]:
        """Return all images of the layout, those of its inner indexes too. Raises ProvError."""
        for name in ("oci-layout", "index.json"):
            if not self._has(name):
                docker = " It was written by `docker save`." if self._has("manifest.json") else ""
                raise self.fault(f"it has no {name}, so it is not an OCI layout.{docker}")
        with self._file("index.json") as (f, size):
            index = self._parsed(ImageIndex, self._json(f, size, "index.json"), "index.json")
        return list(self._of(index, 0))

    def _of(self, index: ImageIndex, depth: int) -> Iterator[StoredImage]:
        if depth > DEEPEST:
            raise self.fault("its indexes are nested too deeply")
        for each in index.manifests:
            value = self._document(each)
            if each.mediaType in INDEXES or "manifests" in value:
                yield from self._of(self._parsed(ImageIndex, value, each.digest), depth + 1)
            elif each.mediaType in ("", *MANIFESTS) and (
                each.platform is None or each.platform.os == "linux"
            ):
                manifest = self._parsed(Manifest, value, each.digest)
                yield StoredImage(self, each.digest, manifest, self._document(manifest.config))

    @contextlib.contextmanager
    def blob(self, descriptor: Descriptor) -> Iterator[IO[bytes]]:
        """Open a blob. Raises ProvError if it is missing or has another size; its hash is not checked here."""
        with self._file(f"blobs/sha256/{descriptor.digest.removeprefix('sha256:')}") as (f, size):
            if size != descriptor.size:
                raise self.fault(f"{descriptor.digest} has {size} bytes, expected {descriptor.size}")
            yield f

    def chunks(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield the contents of a blob. Raises ProvError at its end if its hash is another."""
        digest = hashlib.sha256()
        with self.blob(descriptor) as f:
            for chunk in iter(lambda: f.read(CHUNK), b""):
                digest.update(chunk)
                yield chunk
        if f"sha256:{digest.hexdigest()}" != descriptor.digest:
            raise self.fault(f"{descriptor.digest} is damaged")

    def _document(self, descriptor: Descriptor) -> dict[str, Any]:
        if descriptor.size > MOST_JSON:
            raise self.fault(f"{descriptor.digest} has more than {MOST_JSON >> 20} MB")
        text = b"".join(self.chunks(descriptor))
        return self._object(text, descriptor.digest)

    def _json(self, f: IO[bytes], size: int, name: str) -> dict[str, Any]:
        if size > MOST_JSON:
            raise self.fault(f"{name} has more than {MOST_JSON >> 20} MB")
        return self._object(f.read(), name)

    def _object(self, text: bytes, name: str) -> dict[str, Any]:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise self.fault(f"{name} is not a JSON object")
        return value

    def _parsed(self, kind: type[D], value: dict[str, Any], name: str) -> D:
        try:
            return kind.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise self.fault(f"{name}: {place}: {first['msg']}") from None

    def _has(self, name: str) -> bool:
        return name in self._members if self._archive is not None else (self.path / name).is_file()

    @contextlib.contextmanager
    def _file(self, name: str) -> Iterator[tuple[IO[bytes], int]]:
        """Open a file of the layout; yields its size too."""
        if not self._has(name):
            raise self.fault(f"it has no {name}")
        if self._archive is None:
            with (self.path / name).open("rb") as f:
                yield f, (self.path / name).stat().st_size
            return
        member = self._members[name]
        found = self._archive.extractfile(member)
        assert found is not None
        with found:
            yield found, member.size


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Layout]:
    """Open a layout. Raises ProvError, also for what the block can't read of it."""
    try:
        if path.is_dir():
            yield Layout(path, None)
            return
        with tarfile.open(path, "r:") as archive:
            yield Layout(path, archive)
    except FileNotFoundError:
        raise ProvError(f"no such image: {path}") from None
    except (OSError, tarfile.TarError, EOFError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise Layout(path, None).fault(why.lower()) from None


def for_architecture(images: Sequence[StoredImage], architecture: str, layout: Layout) -> StoredImage:
    """Return the image for an architecture. Raises ProvError if there is none."""
    fitting = [each for each in images if each.architecture == architecture]
    if not fitting:
        others = ", ".join(sorted({each.architecture or "unknown" for each in images})) or "nothing"
        raise layout.fault(f"it is for {others}, expected {architecture}")
    return fitting[0]
