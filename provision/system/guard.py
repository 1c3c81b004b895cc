"""The lock-out guard: a new login must prove a change that could lock prov out, or it is reverted.

The guard keeps the former state and starts a watching process on the host (guard_watch.py). Unless a new
login confirms the change in time, that process restores everything, whatever happens to agent, link and
controller. Shipped with the steps that need it.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from typing import Any, Callable, Iterator

from provision.errors import StepError
from provision.system import guard_watch
from provision.system.guard_proof import BOOT_LINK, BOOT_UNIT, Proof, folder_of

#: modules that guard_watch imports
MODULES = (
    "provision.secrets",
    "provision.errors",
    "provision.system.paths",
    "provision.system.source",
    "provision.system.refusals",
    "provision.system.descriptors",
    "provision.system.guard_proof",
)
#: seconds for restoring
RESTORING = 60.0
#: For a host that boots before the change is proved. sshd and all sockets start after sysinit.target. They
#: are not named here, because one of their names is an alias. While the alias is missing (the unit is
#: disabled), naming it makes systemd keep an empty unit of that name. When it returns, systemd may take that
#: unit's state for the service's: systemd 252 then considers a running sshd dead, removes /run/sshd, and no
#: one can log in any more.
BOOT = """[Unit]
Description=Revert a change that no new login has confirmed (prov)
ConditionPathExists=%s/armed
DefaultDependencies=no
After=local-fs.target
Before=nftables.service ufw.service sysinit.target

[Service]
Type=oneshot
ExecStart=%s now
"""


class Guard:
    """Guards changes. proof: how a change is proved."""

    def __init__(self, proof: Proof) -> None:
        self.folder = folder_of(proof.home)
        self.seconds = proof.seconds
        self._prove = proof.prove

    @contextlib.contextmanager
    def around(self, guarded: Any) -> Iterator[None]:
        """Guard a step's change in the block.

        guarded: what to restore. Raises StepError if it was restored.
        """
        self._keep(guarded)
        if not guarded.effective:
            yield
            return
        token = self._arm()
        try:
            yield
        finally:
            why = self._prove(token, self.seconds)
            if not os.path.exists(self.folder + "/confirmed"):
                raise self._put_back(why)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _keep(self, guarded: Any) -> None:
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        former = guard_watch.load(self.folder)
        known = {was["path"] for was in former["files"]}
        for path in guarded.paths:
            if path not in known:
                copy = "%d" % len(former["files"])
                former["files"].append(guard_watch.look(self.folder, path, copy))
        former["commands"] += [c for c in map(list, guarded.commands) if c not in former["commands"]]
        for name, content in guarded.contents.items():
            with open("%s/%s" % (self.folder, name), "w", encoding="utf-8") as f:
                f.write(content)
        guard_watch.save(self.folder, "former.json", former)

    def _arm(self) -> str:
        """Arm the guard and return the token that confirms the change."""
        token = os.urandom(8).hex()
        for name in ("confirmed", "now", "restored"):
            # left by an agent that was killed
            with contextlib.suppress(FileNotFoundError):
                os.unlink("%s/%s" % (self.folder, name))
        program = write_program(self.folder, source_of)
        until = time.monotonic() + self.seconds
        guard_watch.save(self.folder, "armed", {"token": token, "until": until})
        argv = [sys.executable, "-B", program, self.folder]
        if os.path.isdir("/run/systemd/system"):  # sd_booted(3)
            with open(BOOT_UNIT, "w", encoding="utf-8") as f:
                f.write(BOOT % (self.folder, " ".join(argv)))
            os.makedirs(os.path.dirname(BOOT_LINK), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.symlink(BOOT_UNIT, BOOT_LINK)
        unit = ["systemd-run", "--quiet", "--collect", "--unit=prov-guard-" + token, "--", *argv]
        null = subprocess.DEVNULL
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            if subprocess.run(unit, stdin=null, stdout=null, stderr=null, timeout=20).returncode == 0:
                return token
        # without systemd: a process in its own session, which outlives the agent
        subprocess.Popen(argv, stdin=null, stdout=null, stderr=null, start_new_session=True)
        return token

    def _put_back(self, why: str) -> StepError:
        # the watcher does it, because this process may be killed halfway
        guard_watch.save(self.folder, "now", {})
        end = time.monotonic() + RESTORING
        while not os.path.exists(self.folder + "/restored") and time.monotonic() < end:
            time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)
        return StepError(
            "a new login failed after this change, so it was put back: %s" % (why or "too late"),
            hint="The old login still works. Find out why a new one needs what the change forbids.",
        )


def write_program(folder: str, source: Callable[[str], str]) -> str:
    """Write guard_watch as a program that runs without an agent; return its path.

    source: returns a module's text.
    """
    for name in MODULES:
        path = "%s/%s.py" % (folder, name.replace(".", "/"))
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(os.path.dirname(path) + "/__init__.py", "w", encoding="utf-8"):
            pass
        with open(path, "w", encoding="utf-8") as f:
            f.write(source(name))
    with open(folder + "/watch.py", "w", encoding="utf-8") as f:
        f.write(source(guard_watch.__name__))
    return folder + "/watch.py"


def source_of(name: str) -> str:
    """Return the text of a shipped module."""
    shipped = next(finder for finder in sys.meta_path if hasattr(finder, "modules"))
    text: str = shipped.modules[name]
    return text
