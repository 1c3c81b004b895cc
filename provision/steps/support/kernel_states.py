"""What a run changed in the running kernel, by the differences that its steps recorded: host name, mounts,
settings, modules, swap and nftables tables. Shipped for undo (Python 3.8, standard library).

Files are saved before they change, but these are not files. A run records each step's differences with the
former values, so they can be undone as long as the current values are those that the run left.
"""

import contextlib
import os
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from provision.steps.base import Change
from provision.steps.kernel import Module, proc_path, running_value, users_of_module
from provision.steps.nftables import Firewall, OwnTable
from provision.steps.support.foresight import foresee
from provision.steps.support.fstab import (
    FSTAB,
    MOUNTED,
    MountEntry,
    lines_for,
    mounted_at,
    plain,
    put_mounted,
    swaps_to,
    text_of,
)
from provision.steps.support.mounted import FLAGS, as_before, read_back, shown, shown_source
from provision.system.processes import pids, process

if TYPE_CHECKING:
    from provision.steps.support.nft_tables import Table
    from provision.system.host import System


class Turned(NamedTuple):
    """Something that a run changed: kind and name: as of key_of.  label: of the last step that changed it."""

    kind: str
    name: str
    before: str
    after: str
    label: str

    def change(self) -> Change:
        what = {
            "hostname": "the kernel's name",
            "module": "kernel module %s" % self.name,
        }.get(self.kind, "%s %s" % (self.kind, self.name))
        return Change(what, self.after, self.before)


def turned(steps: Sequence[Dict[str, Any]]) -> List[Turned]:
    """Return all that a run's steps changed, each from first value to last. steps: as of Runs.steps."""
    found: Dict[Tuple[str, str], Turned] = {}
    for step in steps:
        for what, before, after in (tuple(change[:3]) for change in step.get("diff", ())):
            key = key_of(step["step"], what, before)
            if key is None:
                continue
            if key[0] == "swap":
                before, after = state_of(before), state_of(after)
            first = found[key].before if key in found else before
            found[key] = Turned(*key, first, after, step["step"])
    return [each for each in found.values() if each.before != each.after]


def key_of(label: str, what: str, before: str) -> Optional[Tuple[str, str]]:
    """Return kind and name of what a difference is about; None if it is a file, or cannot be undone."""
    kind = label.partition(" ")[0]
    if kind == "hostname" and what == "kernel":
        return "hostname", ""
    if kind == "sysctl" and what.startswith("running ") and before:
        return "setting", what[len("running ") :]
    if what == "loaded" and label.startswith("kernel module "):
        return "module", label[len("kernel module ") :].replace("-", "_")
    if what == "mounted":
        for start in ("mount /", "no mount /"):
            if label.startswith(start):
                return "mount", label[len(start) - 1 :]
    if label.startswith("swap file /") and what == "in use":
        return "swap", label[len("swap file ") :]
    if what == "loaded" and (label == "firewall" or label.startswith("nftables table ")):
        return "table", " ".join(label.split()[2:]) or "inet prov"
    return None


def state_of(text: str) -> str:
    """Return "in use" or "": whether a difference says that something is used for swap."""
    return "" if text in ("", "no") else "in use"


class Kernel:
    """Changes to undo. refused: what is no longer as the run left it."""

    def __init__(self, host: "System", steps: Sequence[Dict[str, Any]]) -> None:
        self.host = host
        self.refused: List[str] = []
        self.work = [each for each in turned(steps) if self._differs(each)]

    def busy(self, ending: Sequence[str]) -> List[str]:
        """Return what keeps mounts busy, except units that will have been stopped by then."""
        found = [
            "%s (in use: %s)" % (path, each) for path in self.unmounted() for each in users_of(path, ending)
        ]
        for each in self.work:
            users = users_of_module(self.host, each.name) if each.kind == "module" and goes(each) else []
            # modules that go as well, and file systems that are unmounted, no longer use it then
            going = [*(other.name for other in self.work), *(["something"] if self.unmounted() else [])]
            others = [user for user in users if user not in going]
            found += ["kernel module %s (in use: %s)" % (each.name, ", ".join(others))] if others else []
        return found

    def labels(self) -> List[str]:
        """Return the steps whose commands are all undone."""
        return [each.label for each in self.work]

    def unmounted(self) -> List[str]:
        """Return where to unmount, inner mounts first."""
        paths = [each.name for each in self.work if each.kind == "mount" and goes(each)]
        return sorted(paths, key=lambda path: -path.count("/"))

    def unmount(self) -> None:
        """Unmount. Raises StepError."""
        for path in self.unmounted():
            self.host.run(("umount", "--", path)).require("unmounting %s" % path)
            put_mounted(self.host, path, [])

    def swap_off(self) -> None:
        """Take swap files out of use. Raises StepError."""
        for each in self.work:
            if each.kind == "swap" and not each.before:
                self.host.run(("swapoff", each.name)).require("taking %s out of use" % each.name)

    def turn(self) -> None:
        """Undo the rest, the last change first, once files are as before. Raises StepError."""
        for each in reversed(self.work):
            if each.kind == "hostname":
                self.host.set_hostname(each.before)
            elif each.kind == "setting":
                path = proc_path(each.name)
                done = self.host.run(("tee", path), stdin=each.before.encode() + b"\n")
                done.require("setting %s to %s" % (each.name, each.before))
            elif each.kind == "mount" and each.before:
                self._mount(each)
            elif each.kind == "swap" and each.before:
                self.host.run(("swapon", each.name)).require("using the swap file %s" % each.name)
            elif each.kind == "module":
                Module(each.name, present=each.before == "yes").load(self.host)
            elif each.kind == "table":
                self._turn_table(each)

    def _mount(self, each: Turned) -> None:
        """Mount again what was mounted: from fstab if that says the same, else from the run's record."""
        former = read_back(each.before)
        if former is None:
            return
        lines = lines_for(self.host, each.name, text_of(self.host, FSTAB).split("\n")).values()
        if mounted_at(self.host, each.name) is None:
            # fstab may have options that the kernel does not report; of several lines, mount(8) takes the
            # first
            by_line = [(line.source, line.kind) for line in lines] == [(former.source, former.kind)]
            words = () if by_line else mount_words(former)
            self.host.run(("mount", *words, each.name)).require("mounting %s" % each.name)
            put_mounted(self.host, each.name, [former._replace(path=each.name)])
        now = mounted_at(self.host, each.name)
        again = as_before(former, now) if now is not None else []
        if again:
            bind = ["bind"] if os.path.isdir(former.source) else []
            argv = ("mount", "-o", ",".join(["remount", *bind, *again]), each.name)
            self.host.run(argv).require("mounting %s again" % each.name)

    def _turn_table(self, each: Turned) -> None:
        table = table_of(self.host, each.name)
        # one transaction, which creates what it deletes: to stop nftables.service may have flushed it (ExecStop=)
        away = ("add", "table", *table.words, ";", "delete", "table", *table.words)
        again = ("-f", table.path)
        argv = ("nft", *(away if each.before == "no" else again))
        self.host.run(argv).require("putting back the table %s" % each.name)
        foresee(self.host, "nftables %s" % each.name, "no" if each.before == "no" else "as it was")

    def _differs(self, each: Turned) -> bool:
        """Return whether to undo it; adds to `refused` if it is neither as before nor as the run left it."""
        now = self._now(each)
        if now == each.before:
            return False
        if now != each.after:
            self.refused.append("%s (now %s)" % (each.change().what, now or "not there"))
            return False
        return True

    def _now(self, each: Turned) -> str:
        if each.kind == "hostname":
            return self.host.hostname()
        if each.kind == "setting":
            return running_value(self.host, each.name)
        if each.kind == "mount":
            return self._mounted(each)
        if each.kind == "module":
            return "yes" if Module(each.name).is_loaded(self.host) else "no"
        if each.kind == "swap":
            return "in use" if swaps_to(self.host, each.name) else ""
        loaded = table_of(self.host, each.name).loaded(self.host)
        if each.before == "other rules":
            # the former rules were not recorded
            return each.before
        return "no" if loaded == "no" else each.after

    def _mounted(self, each: Turned) -> str:
        """Return what is mounted, in the run's words if that was mounted before or after it."""
        now, former = mounted_at(self.host, each.name), read_back(each.before)
        if now is None:
            return ""
        if former is not None and now.kind == former.kind and not as_before(former, now):
            same = shown_source(now) == former.source
            return each.before if same else each.after or shown(now)
        return each.after or shown(now)


def goes(each: Turned) -> bool:
    """Return whether the run left something else mounted, or loaded, than was there before."""
    if each.kind == "module":
        return each.before == "no"
    return bool(each.after) and not (each.before and each.after.startswith("again, "))


def mount_words(former: MountEntry) -> Tuple[str, ...]:
    """Return the words for mount(8), before the directory, from the kernel's record of what was mounted."""
    # from SELinux: not an option, but what the kernel adds when it has labels
    options = [word for word in former.words if word != "seclabel"]
    if os.path.isdir(former.source):
        return ("-o", ",".join(["bind", *(word for word in options if word in FLAGS)]), former.source)
    return ("-t", former.kind, "-o", ",".join(options) or "defaults", former.source)


def table_of(host: "System", name: str) -> "Table":
    """Return the nftables table of that name."""
    family, _, own = name.partition(" ")
    wanted = Firewall(present=False) if name == "inet prov" else OwnTable(own, "", family)
    return wanted.table(host)


def users_of(path: str, ending: Sequence[str]) -> Iterator[str]:
    """Return processes that keep a file system busy, except those of units that end before."""
    for pid in pids():
        if pid != os.getpid() and holds(pid, path):
            found = process(pid)
            if found is not None and found.unit not in ending:
                yield str(found)


def holds(pid: int, path: str) -> bool:
    """Return whether a process has a file open below a path, works there, or runs code from there."""
    at = "/proc/%d" % pid
    targets: List[str] = []
    # the process may end at any time
    with contextlib.suppress(OSError):
        links = ["cwd", "root", "exe", *("fd/" + name for name in os.listdir(at + "/fd"))]
        for link in links:
            with contextlib.suppress(OSError):
                targets.append(os.readlink("%s/%s" % (at, link)))
        with open(at + "/maps", encoding="utf-8", errors="surrogateescape") as f:
            targets += [line.rstrip("\n").split(None, 5)[5] for line in f if line.count("/")]
    return any(target == path or target.startswith(path + "/") for target in targets)


def mounts_below(host: "System", path: str) -> List[str]:
    """Return where something is mounted, at a path or below it."""
    lines = text_of(host, MOUNTED).split("\n")
    points = [plain(line.split()[1]) for line in lines if line.count(" ") > 2]
    return [point for point in points if point == path or point.startswith(path + "/")]
