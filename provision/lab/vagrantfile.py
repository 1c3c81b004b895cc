"""Run Vagrant on a Vagrantfile: with its environment, its progress, and its errors in prov's words."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from provision.errors import LabError, UsageError
from provision.lab import provider, store
from provision.lab.store import Lab
from provision.names import suggestion
from provision.values import dataclass

# until a VM starts to boot, which includes a slow download of its box
UP_SECONDS = 1800.0
# from then until it has an address, and from then until it lets Vagrant in; as in prov's Vagrantfile
BOOT_SECONDS = 600.0
COMMAND_SECONDS = 300.0
_GRACE = 15.0  # extra time in which Vagrant can report its own timeout

NAME = "Vagrantfile"

# prov's own; in the repository, a link to the one at the top
_SHIPPED = Path(__file__).with_name(NAME)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Project:
    """A folder with a Vagrantfile and Vagrant's own state."""

    folder: Path

    @property
    def file(self) -> Path:
        """The Vagrantfile."""
        return self.folder / NAME

    @property
    def takes_box(self) -> bool:
        """Whether prov may choose the box: its own Vagrantfile allows it, other ones choose it themselves."""
        return not self.file.is_file() or "PROV_VM_BOX" in self.file.read_text(errors="replace")

    def state(self, machine: str) -> Path:
        """Return Vagrant's folder for a machine, which has one for its provider."""
        return self.folder / ".vagrant/machines" / machine

    def exists(self, machine: str) -> bool:
        """Return whether Vagrant has made the machine, by Vagrant's own notes."""
        return any(self.state(machine).glob("*/id"))

    def domain(self, machine: str) -> str:
        """Return libvirt's name for the machine, as the plugin builds it (its set_name_of_domain.rb)."""
        return re.sub(r"[^-a-zA-Z0-9_.]", "", f"{self.folder.name}_{machine}")


def find(lab: Lab) -> Project:
    """Return the Vagrantfile that `vagrant` would find from here, else prov's own in the lab's folder."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / NAME).is_file():
            return Project(folder)
    return Project(lab.vagrant)


def prepare(lab: Lab) -> None:
    """Put prov's own Vagrantfile into the lab's folder."""
    lab.vagrant.mkdir(parents=True, exist_ok=True)
    store.write_atomic(lab.vagrant / NAME, _SHIPPED.read_text())


def run(
    project: Project,
    lab: Lab,
    machine: str,
    argv: list[str],
    *,
    variables: Mapping[str, str] | None = None,
    timeout: float = COMMAND_SECONDS,
    progress: Progress | None = None,
) -> str:
    """Run Vagrant and return its output.

    machine: the one that it acts on.  variables: added to its environment.  progress: called with what it
    does.  timeout: in seconds; while Vagrant waits for a VM, BOOT_SECONDS or the environment's
    PROV_VM_BOOT_TIMEOUT.
    Raises LabError, or UsageError if the Vagrantfile has no such machine.
    """
    last: deque[str] = deque(maxlen=200)
    process = subprocess.Popen(
        [*_bound(), "vagrant", *argv, "--no-color"],
        env={**_environment(lab, machine), **(variables or {})},
        cwd=project.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for prov; Vagrant ends with it, see _bound
    )
    deadline = _Deadline(process, timeout)
    try:
        for line in process.stdout or ():
            words = line.strip()
            if words and "Progress:" not in words:
                last.append(words)
                if words.startswith("==> ") and words.endswith("..."):
                    if progress:
                        progress(words.removeprefix("==> "))
                    if ": Waiting for " in words:
                        # otherwise the plugin alone would wait for an address for ten minutes and more
                        deadline.move(float(os.environ.get("PROV_VM_BOOT_TIMEOUT", BOOT_SECONDS)) + _GRACE)
        status = process.wait()
    finally:
        deadline.move(None)
        process.kill()
        process.wait()
    if status:
        what = (
            f"did not end in time ({deadline.seconds:g} s)"
            if deadline.passed
            else f"ended with status {status}"
        )
        raise _explained(project, lab, machine, argv[0], what, list(last))
    return "\n".join(last)


class _Deadline:
    """Ends a process after a timeout. passed: whether that has happened."""

    def __init__(self, process: subprocess.Popen[str], seconds: float) -> None:
        self._process = process
        self._timer: threading.Timer | None = None
        self.passed = False
        self.move(seconds)

    def move(self, seconds: float | None) -> None:
        """Set the timeout, in seconds from now; None removes it."""
        if self._timer:
            self._timer.cancel()
        self._timer = None
        if seconds is not None:
            self.seconds = seconds
            self._timer = threading.Timer(seconds, self._end)
            self._timer.start()

    def _end(self) -> None:
        self.passed = True
        self._process.send_signal(signal.SIGTERM)


def _bound() -> list[str]:
    """Return the words that make the kernel end Vagrant when prov ends, where that is possible."""
    return ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []


def _environment(lab: Lab, machine: str) -> dict[str, str]:
    ours = {
        "PROV_VM_NAMES": machine,
        "PROV_VM_POOL": lab.tag,
        "PROV_VM_HOSTS": str(lab.hosts),
        "VAGRANT_DEFAULT_PROVIDER": provider.choose().name,
        "VAGRANT_CHECKPOINT_DISABLE": "1",  # no check for newer versions
    }
    return {**os.environ, **ours}


def ssh_config(project: Project, lab: Lab, machine: str) -> dict[str, str]:
    """Return the settings of `vagrant ssh-config`, with ssh_config(5)'s keywords in lower case.

    Of several keys, only the first is kept.
    """
    found: dict[str, str] = {}
    for line in run(project, lab, machine, ["ssh-config", machine]).splitlines():
        words = shlex.split(line)
        if len(words) == 2:
            found.setdefault(words[0].lower(), words[1])
    if not {"hostname", "user", "port", "identityfile"} <= set(found):
        raise LabError(f"`vagrant ssh-config {machine}` does not say how to log in", where=str(project.file))
    return found


# messages of Vagrant and its plugin (locales/en.yml of each), and what they mean
_SAYINGS = (
    (
        r"No space left on device|ENOSPC",
        "the disk is full",
        "Make room: VMs' disks are in /var/lib/libvirt (or VirtualBox's folder), boxes in ~/.vagrant.d.",
    ),
    (
        r"[Bb]ox '?.*(could not be found or|couldn't be found)|error occurred while downloading the remote file",
        "its box is not here, and could not be fetched",
        'Build one: sudo "$(command -v prov)" lab box build   Or name another: PROV_VM_BOX=..., PROV_VM_BOX_URL=...',
    ),
    (
        r"domain about to create is already taken|VM (already exists|with the name)",
        "another VM has that name",
        "It was made from another folder of the same name: see `virsh list --all` and `vagrant global-status`.",
    ),
    (
        r"domaintype=kvm|/dev/kvm|[Kk]vm kernel module",
        "this machine has no hardware virtualisation, and the Vagrantfile asks for it",
        'Have it say lv.driver = "qemu" for the provider libvirt, as prov\'s own does where there is no KVM.',
    ),
    (
        r"Timed out while waiting for the machine to boot|Waiting for domain to get an IP address\.\.\.\Z",
        "it did not boot in time",
        "To start over: prov lab down {machine}",
    ),
)


def _explained(
    project: Project, lab: Lab, machine: str, command: str, what: str, last: list[str]
) -> LabError | UsageError:
    text = "\n".join(last)
    if "was not found configured for" in text:
        known = machines(project, lab)
        return UsageError(
            f"this Vagrantfile has no machine {machine!r}.{suggestion(machine, known)}",
            where=str(project.file),
            hint=f"It has: {', '.join(known)}. For prov's own, go to a folder without a Vagrantfile above it.",
        )
    for pattern, message, hint in _SAYINGS:
        if re.search(pattern, text):
            tail = "\n".join(last[-4:])
            return LabError(f"{machine}: {message}:\n{tail}", hint=hint.format(machine=machine))
    tail = "\n".join(last[-12:])
    return LabError(f"{machine}: `vagrant {command}` {what}:\n{tail}", where=str(project.file))


def machines(project: Project, lab: Lab) -> list[str]:
    """Return the names of the machines in a Vagrantfile."""
    said = run(
        project, lab, "", ["status", "--machine-readable"], variables={"PROV_VM_NAMES": "lb1 web1 web2"}
    )
    rows = [line.split(",") for line in said.splitlines()]
    return list(dict.fromkeys(row[1] for row in rows if len(row) > 2 and row[1]))
