"""Swap files. Shipped to hosts (Python 3.8, standard library)."""

import os
from io import BytesIO
from typing import TYPE_CHECKING, List, Optional

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_path, mode_text, step, wanted
from provision.steps.support.file_changes import size_text
from provision.steps.support.fstab import SWAPS, MountEntry, fstab_file, in_fstab, swaps_to, write_fstab
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.host import System

MEGABYTE = 1024 * 1024


@wanted()
class SwapFile(Step):
    """A swap file: created, in use, and in /etc/fstab for the next boot.

        swap.swap_file(c, 2048)

    size_mb: its size in MiB (2^20 bytes); 0 takes it out of use, removes it, and removes its line from fstab.
    path: of the file; only root can read it (0600).
    priority: 0 to 32767, higher is used first; None leaves the value in fstab, or the kernel's choice.
    To change its size, the file is taken out of use and made again; so the host needs memory for its
    contents. The file system must support swap files (overlay and network file systems do not).
    Source: mkswap(8), swapon(8), fstab(5).
    """

    size_mb: int
    path: str = "/swapfile"
    priority: Optional[int] = None

    DEADLINE = 900.0

    def label(self) -> str:
        return "swap file %s" % self.path

    def validate(self) -> None:
        check_path(self.path)
        if not isinstance(self.size_mb, int) or isinstance(self.size_mb, bool) or self.size_mb < 0:
            raise ValueError("size_mb must be a number of MiB, not %r" % (self.size_mb,))
        if any(c in self.path for c in " \t#\\"):
            raise ValueError("path must be without spaces, # and \\: %r" % self.path)
        if self.priority is not None and not 0 <= self.priority <= 32767:
            raise ValueError("priority must be 0 to 32767, not %r" % (self.priority,))

    def check(self, host: "System") -> Diff:
        now = host.files.stat(self.path)
        if now is not None and now.kind != "file":
            raise StepError("%s is a %s, and a swap file is wanted there" % (self.path, now.kind))
        host.files.refuse_shared(os.path.dirname(self.path), "mkswap would write to what they put there")
        found: List[Change] = []
        size = now.size if now is not None else -1
        used = swaps_to(host, self.path)
        if size != self.size_mb * MEGABYTE and (self.size_mb or now is not None):
            before = size_text(size) if now is not None else ""
            found.append(Change("size", before, "%d MB" % self.size_mb if self.size_mb else ""))
        elif now is not None and now.mode != 0o600:
            found.append(Change("mode", mode_text(now.mode), "0600"))
        if used != bool(self.size_mb):
            found.append(Change("in use", "yes" if used else "no", "yes" if self.size_mb else "no"))
        if self.size_mb or in_fstab(host, self.path) is not None:
            found += fstab_file(host, self.path, self._entry(host)).check(host).changes
        return Diff(found) if found else Diff.none("%d MB in use" % self.size_mb if used else "is absent")

    def apply(self, host: "System", diff: Diff) -> None:
        what = {c.what for c in diff.changes}
        if swaps_to(host, self.path) and ("size" in what or not self.size_mb):
            host.run(("swapoff", self.path)).require(
                "taking %s out of use" % self.path,
                "Check that memory has room for what is swapped out: `free`.",
            )
            self._foresee(host, False)
        if not self.size_mb:
            if host.files.stat(self.path) is not None:
                host.files.remove(self.path)
            if in_fstab(host, self.path) is not None:
                write_fstab(host, self.path, None)
            return
        if "size" in what:
            self._make(host)
        elif "mode" in what:
            host.files.set_mode(self.path, 0o600)
        if not swaps_to(host, self.path):
            self._use(host)
        write_fstab(host, self.path, self._entry(host))

    def fingerprint(self, host: "System") -> str:
        now = host.files.stat(self.path)
        return "absent" if now is None else "%d %s" % (now.size, swaps_to(host, self.path))

    def _entry(self, host: "System") -> Optional[MountEntry]:
        if not self.size_mb:
            return None
        now = in_fstab(host, self.path)
        pri = "" if self.priority is None else ",pri=%d" % self.priority
        if now is None:
            return MountEntry(self.path, "none", "swap", "sw" + pri)
        # options that an administrator added stay
        others = [word for word in now.words if self.priority is None or not word.startswith("pri=")]
        return now._replace(options=",".join(others) + pri)

    def _make(self, host: "System") -> None:
        """Make the file without holes: swapon(8) refuses files with holes."""
        if host.planned:
            picture = Source("", self.size_mb * MEGABYTE)
            picture.open = lambda request: BytesIO()
            host.files.write(self.path, picture, 0o600, 0, 0)
            return
        # empty and readable for root only, before anything is in it
        host.files.write(self.path, b"", 0o600, 0, 0)
        size = str(self.size_mb * MEGABYTE)
        made = host.run(("fallocate", "-l", size, self.path))
        if made.status:
            # not every file system supports fallocate; dd writes the file from the start
            argv = ("dd", "if=/dev/zero", "of=" + self.path, "bs=1M", "count=%d" % self.size_mb, "conv=fsync")
            made = host.run(argv)
        if made.status == 0:
            made = host.run(("mkswap", self.path))
        if made.status:
            host.files.remove(self.path)
            made.require("making the swap file", "Is there room for it (see `df -h`)?")

    def _use(self, host: "System") -> None:
        priority = () if self.priority is None else ("-p", str(self.priority))
        argv = ("swapon", *priority, self.path)
        used = host.run(argv)
        if used.status:
            # it may lack a swap signature: a run ended before mkswap(8)
            host.run(("mkswap", self.path)).require("making the swap file")
            used = host.run(argv)
        used.require(
            "using the swap file", "Not every file system can hold one, and a container may not use swap."
        )
        self._foresee(host, True)

    def _foresee(self, host: "System", used: bool) -> None:
        if not host.planned or not host.files.exists(SWAPS):
            return
        lines = host.files.read(SWAPS).decode(errors="replace").splitlines(True)
        remaining = [line for line in lines if line.split()[:1] != [self.path]]
        line = "%s file %d 0 -2\n" % (self.path, self.size_mb * 1024)
        host.files.write(SWAPS, "".join([*remaining, line] if used else remaining).encode(), 0o444, 0, 0)


swap_file = step(SwapFile)
