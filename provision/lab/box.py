"""Build Vagrant boxes (for libvirt) from this machine's package mirror, where public boxes are not available.

A box is a lab image with a kernel and a boot loader: box.sh makes its disk in ten seconds, without a VM.
Source: vagrant-libvirt's documentation, "Box Format" (metadata.json, box.img).
"""

from __future__ import annotations

import json
import platform
import shutil
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

from provision.errors import LabError
from provision.lab import images, memory_disk, programs_run, provider, store
from provision.lab.lab_host import IMAGES, check_choice
from provision.lab.store import Lab, foreseen
from provision.locks import locked

# Increase it when box.sh changes.
RECIPE = 2

DISK_GB = 10
ROOM_MB = 1700  # during the build: the kernel, the disk (sparse), the box

Progress = Callable[[str], None]

_SCRIPT = Path(__file__).with_name("box.sh")
_FIRST_SECTOR = 2048  # of the file system: 1 MiB


def name(image: str) -> str:
    """Return Vagrant's name for the box of an image."""
    return f"prov/{image}"


def path(lab: Lab, image: str) -> Path:
    """Return the path of the box of an image, whether it exists or not."""
    return lab.images / f"{image}-r{images.RECIPE}-box{RECIPE}.box"


def can_build() -> bool:
    """Return whether this kind of machine can build boxes."""
    return programs_run.has_apt() and platform.machine() == "x86_64"


@foreseen()
def ensure(image: str, *, again: bool = False, progress: Progress) -> Path:
    """See provision.lab.build_box."""
    check_choice("image", image, IMAGES)
    programs_run.check_root()
    if not can_build():
        raise LabError(
            "boxes are built on Debian and its relatives, on amd64",
            hint="Elsewhere use a public one: PROV_VM_BOX=debian/bookworm64 prov lab up NAME --driver vagrant",
        )
    programs_run.refuse_missing(provider.missing_packages(), "prov lab box build --install")
    lab = store.current()
    made = path(lab, image)
    if made.exists() and not again:
        return made
    memory_disk.ensure(lab, progress)
    layers = images.ensure(lab, image, True, progress)
    with locked(lab.images, waiting=lambda: progress(f"{image}: waiting for another prov that builds")):
        images.sweep(lab)
        build = images.building(lab, made.name)
        try:
            build.mkdir()
            images.check_room(build, ROOM_MB)
            _pack(_disk(lab, build, layers, image, progress), build / "whole.box")
            (build / "whole.box").rename(made)
        finally:
            images.sweep(lab)
    forget(image, progress)
    progress(f"{image}: the box is built")
    return made


def _disk(lab: Lab, build: Path, layers: tuple[str, ...], image: str, progress: Progress) -> Path:
    """Make the VM's disk; return its qcow2 image."""
    for folder in ("upper", "work", "root"):
        (build / folder).mkdir(mode=0o755)
    progress(f"{image}: building the box, once")
    lower = ":".join(str(lab.images / layer) for layer in layers)
    argv = ["sh", str(_SCRIPT), lower, str(build), str(DISK_GB * 1024), str(provider.insecure_key())]
    images.run_build(argv, image, progress)
    disk = build / "disk.img"
    _write_boot_sectors(disk, (build / "boot.img").read_bytes(), (build / "core.img").read_bytes())
    progress(f"{image}: packing the box")
    small = build / "box.img"
    convert = [
        "qemu-img",
        "convert",
        "-c",
        "-o",
        "compression_type=zstd",
        "-O",
        "qcow2",
        str(disk),
        str(small),
    ]
    programs_run.run(convert, timeout=images.BUILD_SECONDS)
    return small


def _write_boot_sectors(disk: Path, boot: bytes, core: bytes) -> None:
    """Write the master boot record with one active Linux partition, and GRUB in the gap before it.

    Source: the GRUB manual, "BIOS installation": 440 bytes of boot.img, then core.img from the second sector
    on.
    """
    if len(core) > (_FIRST_SECTOR - 1) * 512:
        raise LabError(f"GRUB's core.img is too large: {len(core)} bytes")
    sectors = disk.stat().st_size // 512 - _FIRST_SECTOR
    far = b"\xfe\xff\xff"  # cylinder, head and sector for addresses beyond their range
    partition = struct.pack("<B3sB3sII", 0x80, far, 0x83, far, _FIRST_SECTOR, sectors)
    record = boot[:440].ljust(440, b"\0") + b"prov\0\0" + partition + bytes(48) + b"\x55\xaa"
    with disk.open("r+b") as file:
        file.write(record + core)


def _pack(small: Path, box: Path) -> None:
    """Pack the disk and Vagrant's metadata into a box; its contents are already compressed."""
    metadata = small.with_name("metadata.json")
    metadata.write_text(
        json.dumps({"provider": "libvirt", "format": "qcow2", "virtual_size": DISK_GB}) + "\n"
    )
    with tarfile.open(box, "w") as tar:
        for file in (metadata, small):
            tar.add(file, arcname=file.name)


def forget(image: str, progress: Progress) -> None:
    """Remove Vagrant's own copy of the box, because Vagrant would continue to use it."""
    copy = provider.vagrant_home() / "boxes" / name(image).replace("/", "-VAGRANTSLASH-")
    if not copy.is_dir():
        return
    with locked(provider.vagrant_home()):  # another prov may be making a VM from it, or removing it
        if copy.is_dir():
            progress(f"{image}: removing Vagrant's copy of the box")
            shutil.rmtree(copy)


def forget_all(lab: Lab, progress: Progress) -> None:
    """Remove Vagrant's copies of this lab's boxes."""
    for image in IMAGES:
        if path(lab, image).exists():
            forget(image, progress)
