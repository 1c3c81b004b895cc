"""Images in podman's storage. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Dict, List

from provision.steps.base import Change, Diff, Step, check_path, step, wanted

if TYPE_CHECKING:
    from provision.system.host import System

PODMAN = "/usr/bin/podman"
REPOSITORY = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?\Z")
TAG = re.compile(r"[0-9a-f]{12}-[0-9a-f]{12}\Z")
ID = re.compile(r"[0-9a-f]{64}\Z")
#: of podman-rmi(1): a container uses the image
IN_USE = 2


@wanted()
class ContainerImage(Step):
    """An image in podman's storage, loaded from an OCI layout.

        containers.image(c, "app-shop:0a1b2c3d4e5f-0f9e8d7c6b5a", identity, layout="/srv/shop/image")

    name: NAME:RELEASE-HASH.  identity: 64 hex digits, of the image's configuration: podman names it so.
    layout: the folder. Nothing is asked of a registry.
    Source: podman-pull(1), the transport `oci`.
    """

    name: str
    identity: str
    layout: str

    DEADLINE = 900.0

    def label(self) -> str:
        return "image %s" % self.name

    def validate(self) -> None:
        check_path(self.layout, "layout")
        repository, _, tag = self.name.partition(":")
        if not REPOSITORY.match(repository) or not TAG.match(tag):
            raise ValueError("%r is not NAME:RELEASE-HASH" % (self.name,))
        if not ID.match(self.identity):
            raise ValueError("%r is not the digest of an image" % (self.identity,))

    def check(self, host: "System") -> Diff:
        now = stored(host).get(full(self.name), "")
        if now == self.identity:
            return Diff.none("is loaded")
        return Diff([Change("image", now[:12], self.identity[:12])])

    def apply(self, host: "System", diff: Diff) -> None:
        source = "oci:%s:%s" % (self.layout, full(self.name))
        host.run([PODMAN, "pull", "--quiet", source]).require("loading the image")
        # podman 4.3 names what it loads from a folder by the folder
        host.run([PODMAN, "tag", self.identity, full(self.name)]).require("naming the image")
        by_folder = full(self.layout.strip("/") + ":latest")
        if by_folder in stored(host):
            host.run([PODMAN, "untag", self.identity, by_folder]).require("naming the image")

    def fingerprint(self, host: "System") -> str:
        return stored(host).get(full(self.name), "absent")


@wanted()
class OldImages(Step):
    """Remove the images of an application whose releases the host has no more.

        containers.old_images(c, "app-shop", releases="/srv/shop/releases")

    repository: NAME of the images.  releases: the folder of the releases.
    An image that a container uses stays until the next time. Source: podman-rmi(1).
    """

    repository: str
    releases: str

    DEADLINE = 300.0

    def label(self) -> str:
        return "old images of %s" % self.repository

    def validate(self) -> None:
        check_path(self.releases, "releases")
        if not REPOSITORY.match(self.repository):
            raise ValueError("%r is not the NAME of images" % (self.repository,))

    def check(self, host: "System") -> Diff:
        found = [Change("image", name, "") for name in self._old(host)]
        return Diff(found) if found else Diff.none("all are of its releases")

    def apply(self, host: "System", diff: Diff) -> None:
        for change in diff.changes:
            done = host.run([PODMAN, "rmi", change.before])
            if done.status != IN_USE:
                done.require("removing an image")

    def fingerprint(self, host: "System") -> str:
        return "absent"

    def _old(self, host: "System") -> List[str]:
        names = [n for n in stored(host) if n.startswith(full(self.repository) + ":")]
        staying = set(host.files.list(self.releases)) if names else set()
        return sorted(name for name in names if name.rpartition(":")[2].partition("-")[0] not in staying)


def full(name: str) -> str:
    """Return a name as podman lists it."""
    return "localhost/%s" % name


def stored(host: "System") -> Dict[str, str]:
    """Return the digests of images by name; none before podman is installed."""
    if not host.runnable(PODMAN):
        return {}
    asked = [PODMAN, "images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"]
    lines = host.ask(asked).require("listing images").stdout.splitlines()
    pairs = (line.split(" ", 1) for line in lines if " " in line)
    return {name: identity.partition(":")[2] or identity for name, identity in pairs}


image = step(ContainerImage)
old_images = step(OldImages)
