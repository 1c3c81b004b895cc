"""Base images: a Debian release that mmdebstrap builds once, and python3 as a layer above it.

Each layer is a folder of <lab>/images. It is built beside its final place and moved there when it is
complete, so an interrupted build is never used as an image.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from provision.errors import LabError
from provision.lab import package_mirrors, programs_run, trust
from provision.lab.lab_host import IMAGES
from provision.lab.store import Lab
from provision.locks import locked

# Increase it when the contents of an image change. Existing hosts keep their layers.
RECIPE = 1

# Packages of any Debian machine with SSH access; neither they nor their dependencies include python3.
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "sudo"),
    *("ca-certificates", "iproute2", "iputils-ping", "netbase", "procps", "tzdata"),
)

BUILD_SECONDS = 900.0
ROOM_MB = 800  # of disk: an image of 300 MB, and its packages while they are unpacked

Progress = Callable[[str], None]

# $1 layers below  $2 upper  $3 work  $4 mount point; then apt's arguments. The mounts are in the script's own
# namespace and end with it.
_PYTHON_LAYER = """
set -eu
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" "$4"
mount -t proc proc "$4/proc"
root=$4
shift 4
exec chroot "$root" apt-get "$@"
"""


def layers(image: str, python: bool) -> tuple[str, ...]:
    """Return the cache's folders that make up a host of this image, topmost first."""
    base = f"{image}-r{RECIPE}"
    return (f"{base}-python", base) if python else (base,)


def ensure(lab: Lab, image: str, python: bool, progress: Progress) -> tuple[str, ...]:
    """Build the missing layers of the image; return all of its layers, topmost first.

    Raises LabError if a layer cannot be built; nothing of it is left then.
    """
    wanted = layers(image, python)
    if all((lab.images / layer).is_dir() for layer in wanted):
        return wanted

    def waiting() -> None:
        progress(f"{image}: waiting for another prov that builds an image")

    with locked(lab.images, waiting=waiting):
        lab.images.chmod(0o700)
        sweep(lab)
        try:
            for layer in reversed(wanted):
                if not (lab.images / layer).is_dir():
                    build = building(lab, layer)
                    build.mkdir()
                    made = (
                        _base(build, image, progress)
                        if layer == wanted[-1]
                        else _python(build, lab, wanted, progress)
                    )
                    # sync before the move, or a power cut leaves an image with empty files
                    programs_run.run(["sync", "--file-system", str(made)])
                    made.rename(lab.images / layer)
        except OSError as error:
            raise LabError(f"the image {image} cannot be written: {error}") from error
        finally:
            sweep(lab)
    return wanted


def building(lab: Lab, layer: str) -> Path:
    """Return the folder in which a layer is built."""
    return lab.images / f"{layer}.building"


def sweep(lab: Lab) -> None:
    """Remove what a killed build has left. The caller holds the lock of the image folder."""
    for left in lab.images.glob("*.building"):
        shutil.rmtree(left)


def sweep_if_idle(lab: Lab) -> None:
    """Do the same, unless an image is being built right now."""
    if lab.images.is_dir():
        with locked(lab.images, wait=False) as held:
            if held:
                sweep(lab)


def _base(build: Path, image: str, progress: Progress) -> Path:
    """Bootstrap the release; return the folder that is the layer."""
    check_room(build, ROOM_MB)
    codename = IMAGES[image]
    root = build / "root"
    settings = build / "apt.conf"
    settings.write_text(
        package_mirrors.settings(programs_run.run(["apt-config", "dump"])) or "// as apt comes\n"
    )
    mirrors = package_mirrors.for_release(package_mirrors.read(Path("/etc/apt")), codename)
    given: list[str] = []
    if mirrors:
        listed = build / "debian.sources"
        listed.write_text(package_mirrors.render(mirrors))
        given = [str(listed)]
    progress(f"{image}: building the base image, once")
    argv = [
        "mmdebstrap",
        "--mode=root",
        "--variant=minbase",
        "--format=directory",
        f"--include={','.join(PACKAGES)}",
        f"--aptopt={settings}",
        "--dpkgopt=force-unsafe-io",  # an interrupted build starts over anyway
        "--skip=cleanup/apt/lists",  # so that a host's first `apt-get update` has little to fetch
        codename,
        str(root),
        *given,
    ]
    run_build(argv, image, progress)
    _finish(root, image, progress)
    return root


def _finish(root: Path, image: str, progress: Progress) -> None:
    """Make the bootstrapped tree a template: no identity, little output, this machine's certificates."""
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").unlink(missing_ok=True)
    (root / "etc/dpkg/dpkg.cfg.d/99mmdebstrap").unlink(missing_ok=True)
    (root / "etc/apt/apt.conf.d/99mmdebstrap").rename(root / "etc/apt/apt.conf.d/80prov-lab")
    for path in (root / "etc/apt/sources.list.d").glob("0000*.sources"):
        path.rename(path.with_name("debian.sources"))
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        # otherwise they take dpkg's lock at times of their own. They are disabled, not masked: a role that
        # configures unattended upgrades must be able to enable them.
        (root / "etc/systemd/system/timers.target.wants" / timer).unlink(missing_ok=True)
    added = trust.added_here()
    for number, certificate in enumerate(added, 1):
        (root / trust.LOCAL / f"prov-lab-{number}.crt").write_text(certificate + "\n")
    if added:
        run_build(["chroot", str(root), "update-ca-certificates"], image, progress)
    pip_conf = trust.pip_conf(bool(added))
    if pip_conf:
        (root / "etc/pip.conf").write_text(pip_conf)


def _python(build: Path, lab: Lab, wanted: Sequence[str], progress: Progress) -> Path:
    """Install python3 above the base; return the folder that is the layer."""
    check_room(build, ROOM_MB)
    image = wanted[-1]
    upper, work, root = (build / name for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir(mode=0o755)
    progress(f"{image}: adding python3, once")
    argv = ["sh", "-c", _PYTHON_LAYER, "prov-lab", str(lab.images / image), str(upper), str(work), str(root)]
    options = ["-o", "Dpkg::Options::=--force-unsafe-io", "-y", "--no-install-recommends"]
    run_build([*argv, *options, "install", "python3"], image, progress)
    shutil.rmtree(upper / "var/cache/apt")  # apt's downloads and package indexes
    return upper


def check_room(folder: Path, megabytes: int) -> None:
    """Raise LabError unless this folder has enough room for a build."""
    free = shutil.disk_usage(folder).free // 2**20
    if free < megabytes:
        raise LabError(
            f"{folder.parent} has {free} MB free; building an image takes {megabytes} MB",
            hint="Make room, or name a folder elsewhere: PROV_LAB_DIR=/somewhere/prov-lab.",
        )


def run_build(argv: Sequence[str], image: str, progress: Progress) -> None:
    """Run one program of a build, with its mounts and processes in namespaces that end with this process."""
    # setpriv has the kernel kill unshare when this thread ends, and unshare kills its child, the namespace's
    # init. So `kill -9` of prov ends all of apt, dpkg and the maintainer scripts, and their mounts end with
    # them.
    isolated = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--",
    ]
    last: deque[str] = deque(maxlen=15)
    process = subprocess.Popen(
        [*isolated, *argv],
        env={**programs_run.ENVIRONMENT, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    timer = threading.Timer(BUILD_SECONDS, process.kill)
    timer.start()
    try:
        for line in process.stdout or ():
            last.append(line.strip())
            if line.startswith("I: ") and line.endswith("...\n"):
                progress(f"{image}: {line[3:].strip()}")
        status = process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
    if status:
        raise _failure(image, argv[0], status, list(last))


def _failure(image: str, program: str, status: int, last: Sequence[str]) -> LabError:
    """Return the error for a failed build."""
    text = "\n".join(last)
    if "No space left on device" in text or os.strerror(28) in text:
        return LabError(
            f"the disk is full: the image {image} could not be built",
            hint="Make room, or name a folder elsewhere: PROV_LAB_DIR=/somewhere/prov-lab.",
        )
    if status < 0:
        return LabError(f"building the image {image} did not end within {BUILD_SECONDS:g} s:\n{text}")
    return LabError(
        f"the image {image} could not be built: {program} ended with status {status}:\n{text}",
        hint="If packages could not be fetched: does `apt-get update` work on this machine?",
    )
