"""Images and podman on lab hosts: a base image made of a host's own Python, and what podman needs in a container."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

from helpers.archives import archive
from helpers.cli import PROV
from helpers.hosts import on

#: of Debian, whose files make a base image with a Python; shell and core utilities are left out
PACKAGES = (
    "base-files libc6 libcrypt1 libgcc-s1 libstdc++6 zlib1g libssl3 libssl3t64 libffi8 libsqlite3-0 libexpat1"
    " liblzma5 libbz2-1.0 libuuid1 libpython3-stdlib python3-minimal"
)
#: a host of the lab is a container itself: no overlay mounts, and no keyrings
STORAGE = '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n'
SETTINGS = "[containers]\nkeyring = false\n"


def allow_podman(name: str) -> None:
    """Let podman run on a host of the lab."""
    for file, text in (("storage.conf", STORAGE), ("containers.conf", SETTINGS)):
        put = f'mkdir -p /etc/containers; printf %s "$1" > /etc/containers/{file}'
        on(name, "sh", "-c", put, "sh", text)


def base_image(name: str, path: Path) -> None:
    """Write an OCI archive with the Python of a host."""
    version = on(name, "python3", "-c", "import sys; print('python%d.%d' % sys.version_info[:2])")
    packages = f"{PACKAGES} {version}-minimal lib{version}-minimal lib{version}-stdlib"
    # files and links alone: of folders, packages have names that are links here
    listed = (
        f"cd /; {{ printf '/%s\\n' bin lib lib64 sbin; for p in {packages}; do dpkg -L $p 2>/dev/null; done; }}"
        " | grep -v -e /share/doc -e /share/man | sort -u | while read f; do if [ -L $f ] || [ -f $f ]; then"
        " readlink -m $(dirname $f) | tr '\\n' '/'; basename $f; fi; done | sed s,^//,/, | sort -u"
        " | tar --create --hard-dereference --no-recursion --files-from - 2>/dev/null"
    )
    argv = [PROV, "lab", "ssh", name, "--", "sh", "-c", listed]
    layer = subprocess.run(argv, capture_output=True, timeout=120, check=True).stdout
    path.write_bytes(oci_archive(layer))


def oci_archive(layer: bytes) -> bytes:
    """An image of one layer."""

    def blob(data: bytes, kind: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        files[f"blobs/sha256/{digest}"] = data
        media = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}

    files: dict[str, bytes] = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    about = blob(layer, "layer.v1.tar")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [about["digest"]]},
    }
    settings = blob(json.dumps(config).encode(), "config.v1+json")
    manifest = {"schemaVersion": 2, "config": settings, "layers": [about]}
    found = blob(json.dumps(manifest).encode(), "manifest.v1+json")
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [found]}).encode()
    return archive(files)
