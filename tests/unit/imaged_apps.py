"""A project with an application that has an image, and what a base image is without an engine."""

from __future__ import annotations

import hashlib
import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest
from helpers.archives import archive
from inventories import project

from provision.apps.app_releases import Release
from provision.oci import image_packages

INVENTORY = """
web:
  vars:
    roles: [app, nginx]
    apps:
      shop:
        source: ../shop
        target: shop:app
        domains: [shop.test]
  hosts:
    web1: {ansible_host: 192.0.2.1}
"""
SOURCE = {"shop/shop.py": "app = print\n", "shop/requirements.txt": ""}
LIBC = b"\0GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\0"
BASE = {"usr/bin/python3.9": b"", "usr/bin/python3.11": b"", "usr/lib/x86_64-linux-gnu/libc.so.6": LIBC}


def base_image(files: dict[str, bytes], architecture: str = "amd64", **replaced: bytes) -> bytes:
    """An OCI archive of one layer. replaced: other contents of files of the archive, by `layer` and `index`."""

    def blob(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}

    blobs: dict[str, bytes] = {}
    layer = blob(archive(files))
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/base/bin", "LANG=C.UTF-8"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    kind = {"mediaType": "application/vnd.oci.image.layer.v1.tar"}
    manifest = {"config": blob(json.dumps(config).encode()), "layers": [{**kind, **layer}]}
    index = json.dumps({"manifests": [blob(json.dumps(manifest).encode())]}).encode()
    if "layer" in replaced:
        blobs[f"blobs/sha256/{str(layer['digest'])[7:]}"] = replaced["layer"]
    return archive({"oci-layout": b"{}", "index.json": replaced.get("index", index), **blobs})


def install(release: Release, into: Path, uv: str, version: str, platform: str) -> None:
    """Unpack what uv would: a package with a program, and a record of both."""
    assert (version, platform) == ("3.11", "x86_64-manylinux_2_36")
    for name, text in {
        "gunicorn/__init__.py": "",
        "bin/gunicorn": f"#!{sys.executable}\n# of this machine\n",
        "gunicorn-27.dist-info/METADATA": "Metadata-Version: 2.1\nName: gunicorn\nVersion: 27\n",
        "gunicorn-27.dist-info/RECORD": "gunicorn/__init__.py,,\nbin/gunicorn,sha256=x,9\n",
        "gunicorn-27.dist-info/entry_points.txt": "[console_scripts]\ngunicorn = gunicorn.app:run\n",
        "gunicorn-27.dist-info/direct_url.json": "{}",
    }.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        (into / name).write_text(text)


def imaged_project(
    folder: Path, monkeypatch: pytest.MonkeyPatch, settings: str, files: Mapping[str, str]
) -> None:
    """Make a project the current folder, with its base image in base.tar; nothing is installed by uv.

    settings: further ones of the application `shop`.  files: besides those of SOURCE.
    """
    more = textwrap.indent(textwrap.dedent(settings).strip() + "\n", " " * 8)
    text = INVENTORY.replace("  hosts:\n", more + "  hosts:\n")
    monkeypatch.chdir(project(folder, {"inventory/hosts.yml": text, **SOURCE, **files}))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.setattr(image_packages, "install", install)
    Path("base.tar").write_bytes(base_image(BASE))
