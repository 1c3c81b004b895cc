"""What this machine can run virtual machines with: Vagrant, a provider, and hardware virtualisation.

The checks only look at a few files, because Vagrant would take seconds to answer.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
from pathlib import Path

from provision.errors import LabError
from provision.lab import programs_run
from provision.values import dataclass

# needs of the provider libvirt on Debian, as programs_run.NEEDS; the plugin is looked for separately
_PLUGIN = "vagrant-libvirt"
_NEEDS = {
    "vagrant": "vagrant",
    "virsh": "libvirt-clients",
    "libvirtd": "libvirt-daemon-system",
    "qemu-img": "qemu-utils",
    "dnsmasq": "dnsmasq-base",
    "ssh-keyscan": "openssh-client",
}
# for building boxes
_BOX_NEEDS = {"mke2fs": "e2fsprogs"}
_QEMU = {"x86_64": "qemu-system-x86", "aarch64": "qemu-system-arm"}

# the key that boxes accept at first, in Debian's and HashiCorp's packages
_KEYS = (
    ("/usr/share/rubygems-integration/all/gems", "vagrant-*/keys/vagrant.pub"),
    ("/opt/vagrant/embedded/gems", "gems/vagrant-*/keys/vagrant.pub"),
)
_DEBIAN_PLUGINS = Path("/usr/share/rubygems-integration/all/specifications")


@dataclass(frozen=True)
class Provider:
    """Runs the VMs. name: as in Vagrant.  emulated: the processor is emulated in software, which is slow."""

    name: str
    emulated: bool = False


def virtualises() -> bool:
    """Return whether this machine's processor can run VMs. /dev/kvm may exist even if it cannot."""
    if platform.system() != "Linux":
        return True  # not checked for other kinds of machines; VirtualBox reports the error
    if platform.machine() == "x86_64":
        return re.search(r"\b(vmx|svm)\b", Path("/proc/cpuinfo").read_text()) is not None
    return Path("/dev/kvm").exists()


def choose() -> Provider:
    """Return VirtualBox if it works here, else libvirt; VAGRANT_DEFAULT_PROVIDER may choose.

    Raises LabError if this machine has, and can have, neither.
    """
    named = os.environ.get("VAGRANT_DEFAULT_PROVIDER", "")
    virtualbox = shutil.which("VBoxManage") is not None
    if named == "virtualbox" or (virtualbox and not named):
        if virtualises():
            return Provider("virtualbox")
        if named or platform.system() != "Linux":
            raise LabError(
                "VirtualBox needs hardware virtualisation, and this machine's processor has none, or it is off",
                hint="Switch it on in the firmware (VT-x, AMD-V), or use libvirt, which can emulate a processor:"
                " VAGRANT_DEFAULT_PROVIDER=libvirt",
            )
    if platform.system() != "Linux":
        raise LabError(
            "there is nothing to run virtual machines with on this machine",
            hint="Install VirtualBox and Vagrant: https://developer.hashicorp.com/vagrant/install",
        )
    return Provider("libvirt", emulated=not (virtualises() and Path("/dev/kvm").exists()))


def missing_packages() -> list[str]:
    """Return the Debian packages that the provider, and boxes for it, need and this machine lacks."""
    found = choose()
    if found.name == "virtualbox":
        return programs_run.missing_packages({"vagrant": "vagrant", "ssh-keyscan": "openssh-client"})
    machine = platform.machine()
    needs = {**_NEEDS, f"qemu-system-{machine}": _QEMU.get(machine, "qemu-system")}
    if os.geteuid() == 0:
        needs.update({**programs_run.NEEDS, **_BOX_NEEDS})
    return [*programs_run.missing_packages(needs), *([] if _has_plugin() else [_PLUGIN])]


def check() -> Provider:
    """Return the chosen provider. Raises LabError with what to install if something is missing."""
    found = choose()
    packages = missing_packages()
    if packages and not programs_run.has_apt():
        raise LabError(
            f"virtual machines need {', '.join(packages)}, as Debian calls them",
            hint="Install them as your system does. Vagrant: https://developer.hashicorp.com/vagrant/install;"
            " its plugin: vagrant plugin install vagrant-libvirt",
        )
    programs_run.refuse_missing(packages, "prov lab up --driver vagrant --install ...")
    return found


def vagrant_home() -> Path:
    """Return Vagrant's folder for boxes and plugins.

    Source: Vagrant's documentation, "Environmental Variables".
    """
    return Path(os.environ.get("VAGRANT_HOME") or Path.home() / ".vagrant.d")


def _has_plugin() -> bool:
    """Return whether Vagrant has the plugin for libvirt, from Debian or by `vagrant plugin install`."""
    if any(_DEBIAN_PLUGINS.glob(f"{_PLUGIN}-*.gemspec")):
        return True
    try:
        installed = json.loads((vagrant_home() / "plugins.json").read_text())["installed"]
    except (OSError, ValueError, KeyError):
        return False
    return _PLUGIN in installed


def insecure_key() -> Path:
    """Return the well-known public key that boxes accept until Vagrant has replaced it with its own."""
    for folder, pattern in _KEYS:
        for path in Path(folder).glob(pattern):
            return path
    raise LabError("Vagrant's keys/vagrant.pub is not on this machine", hint="apt-get install -y vagrant")
