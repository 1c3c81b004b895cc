"""Settings and modules of the kernel. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Dict, List, Mapping, Union

from provision.errors import StepError
from provision.steps.base import Change, Diff, Step, check_text, step, wanted
from provision.steps.files import File
from provision.steps.support.foresight import foresee, foreseen
from provision.steps.support.sysctl_files import later

if TYPE_CHECKING:
    from provision.system.host import System

NAME = re.compile(r"^[A-Za-z0-9][\w.-]*\Z")
KEY = re.compile(r"^[A-Za-z0-9_-]+([./][A-Za-z0-9_.:-]+)+\Z")
MODULE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]*\Z")
HEADER = "# written by prov; changes made here are undone\n"


@wanted()
class Sysctl(Step):
    """Settings of the kernel: in a file of /etc/sysctl.d for the next boot, and in /proc/sys now.

        kernel.sysctl(c, "60-web", {"net.core.somaxconn": 4096, "net.ipv4.tcp_rmem": "4096 131072 6291456"})

    name: of the file, ".conf" is added; files are read in the order of their names, and the last one wins. If
    a later one sets another value, the step fails and names it.
    settings: key -> value, keys with dots as in sysctl(8) (or slashes: "net/ipv4/conf/eth0.1/forwarding").
    None, or no settings, removes the file; the running kernel keeps its values until the next boot.
    now: False leaves the running kernel alone, for settings that exist only after a reboot.
    Spaces and tabs between the numbers of one value count as the same.  Source: sysctl.d(5), proc(5).
    """

    name: str
    settings: "Mapping[str, Union[int, str]]" = ()  # type: ignore[assignment]
    now: bool = True

    def label(self) -> str:
        return "sysctl %s" % self.name

    def validate(self) -> None:
        check_file_name(self.name)
        for key, value in dict(self.settings or {}).items():
            if not KEY.match(key) or ".." in key or "//" in key:
                raise ValueError("%r is not the name of a setting, such as net.core.somaxconn" % key)
            if isinstance(value, bool) or not isinstance(value, (int, str)):
                raise ValueError("%s must be a number or text, not %r" % (key, value))
            check_text(str(value), key)

    def check(self, host: "System") -> Diff:
        if not self.settings:
            return check_gone(host, self._path())
        self._refuse_overruled(host)
        found = list(self._file().check(host).changes)
        for key, value in self._wanted().items():
            running = self._running(host, key) if self.now else value
            if running != value:
                found.append(Change("running %s" % key, running, value))
        return Diff(found) if found else Diff.none("set, now and at boot" if self.now else "set at boot")

    def apply(self, host: "System", diff: Diff) -> None:
        if not self.settings:
            host.files.remove(self._path())
            return
        if any(not c.what.startswith("running ") for c in diff.changes):
            put(host, self._file())
        wanted_values = self._wanted()
        for change in diff.changes:
            if not change.what.startswith("running "):
                continue
            key = change.what[len("running ") :]
            path, value = proc_path(key), wanted_values[key]
            if host.planned:
                if host.files.exists(path.rsplit("/", 1)[0]):
                    host.files.write(path, value.encode(), 0o644, 0, 0)
                continue
            result = host.run(("tee", path), stdin=value.encode() + b"\n")
            result.require(
                "setting %s to %s" % (key, value),
                "Check that the kernel accepts the value, and that this is not a container that may not set it.",
            )
            if self._running(host, key) != value:
                raise StepError(
                    "%s is %s after it was set to %s" % (key, self._running(host, key), value),
                    hint="The kernel changed the value: write the value that it uses.",
                )

    def fingerprint(self, host: "System") -> str:
        return host.files.sha256(self._path()) if host.files.exists(self._path()) else "absent"

    def _path(self) -> str:
        return "/etc/sysctl.d/%s.conf" % self.name

    def _wanted(self) -> Dict[str, str]:
        return {key: " ".join(str(value).split()) for key, value in dict(self.settings).items()}

    def _file(self) -> File:
        text = "".join("%s = %s\n" % item for item in self._wanted().items())
        return File(self._path(), HEADER + text, mode=0o644, owner="root", group="root")

    def _refuse_overruled(self, host: "System") -> None:
        """Raise StepError if a file that is read later sets something else: the next boot would take that."""
        others = {proc_path(key): found for key, found in later(host, self._path()).items()}
        for key, value in self._wanted().items():
            other, path = others.get(proc_path(key), (value, ""))
            if other != value:
                raise StepError(
                    "%s sets %s to %s, and is read after %s" % (path, key, other, self._path()),
                    hint="Choose a later name, such as 99-zz-%s, or remove the line there." % self.name,
                )

    def _running(self, host: "System", key: str) -> str:
        # in a plan, a module that an earlier step loads may bring it
        if not host.planned and not host.files.exists(proc_path(key)):
            raise StepError(
                "this kernel has no setting %s" % key,
                hint="Check the spelling. If a module brings it, add a kernel.module step before.",
            )
        return running_value(host, key)


@wanted()
class Module(Step):
    """A module of the kernel: loaded now, and at every boot.

        kernel.module(c, "br_netfilter")

    name: as lsmod(8) shows it; "-" and "_" are the same to the kernel.
    options: parameters, written to /etc/modprobe.d; they apply when it is next loaded.
    present: False unloads it and keeps it from loading at boot.  A module that is built into the kernel
    counts as loaded.  Undo loads or unloads it again, if nothing uses it.
    Source: modules-load.d(5), modprobe(8), modprobe.d(5).
    """

    name: str
    options: "Mapping[str, Union[int, str]]" = ()  # type: ignore[assignment]
    present: bool = True

    def label(self) -> str:
        return "kernel module %s" % self.name

    def validate(self) -> None:
        if not isinstance(self.name, str) or not MODULE.match(self.name):
            raise ValueError("%r is not the name of a kernel module" % (self.name,))
        for key, value in dict(self.options).items():
            if not MODULE.match(key) or not re.match(r"^[^\s\"'\\]+\Z", str(value)):
                raise ValueError("options: %r=%r must be without spaces and quotes" % (key, value))
        if self.options and not self.present:
            raise ValueError("present=False cannot be combined with options")

    def check(self, host: "System") -> Diff:
        found: List[Change] = []
        loaded = self.is_loaded(host)
        for path, text in self._files().items():
            if text:
                found += self._file(path, text).check(host).changes
            elif host.files.stat(path) is not None:
                found.append(Change("removed", path, ""))
        if loaded != self.present:
            found.append(Change("loaded", "yes" if loaded else "no", "yes" if self.present else "no"))
        return Diff(found) if found else Diff.none("is loaded" if self.present else "is not loaded")

    def apply(self, host: "System", diff: Diff) -> None:
        at_boot, options = self._files().items()
        self._put(host, *options)
        if any(c.what == "loaded" for c in diff.changes):
            self.load(host)
        # what can't be loaded must not be tried at every boot
        self._put(host, *at_boot)

    def fingerprint(self, host: "System") -> str:
        state = [host.files.sha256(p) if host.files.exists(p) else "absent" for p in self._files()]
        return " ".join([*state, "loaded" if self.is_loaded(host) else ""])

    def _put(self, host: "System", path: str, text: str) -> None:
        if text:
            put(host, self._file(path, text))
        elif host.files.stat(path) is not None:
            host.files.remove(path)

    def load(self, host: "System") -> None:
        """Load or unload it now. Raises StepError."""
        if self.present:
            host.run(("modprobe", "--", self.name)).require(
                "loading the kernel module %s" % self.name,
                "Check that this kernel (%s) has it. In a container, only the container's host can load modules."
                % host.facts.get("kernel", "?"),
            )
        else:
            host.run(("modprobe", "-r", "--", self.name)).require(
                "unloading the kernel module %s" % self.name, "It may be in use: see lsmod."
            )
        foresee(host, self.label(), "loaded" if self.present else "not loaded")

    def is_loaded(self, host: "System") -> bool:
        """Whether it is loaded, as the kernel says.

        /sys/module has what is built in as well, but containers may lack it.
        """
        known = foreseen(host, self.label())
        if known is not None:
            return known == "loaded"
        name = self.name.replace("-", "_")
        if host.files.exists("/sys/module/" + name):
            return True
        table = "/proc/modules"
        text = host.files.read(table).decode(errors="replace") if host.files.exists(table) else ""
        return any(line.split(" ", 1)[0] == name for line in text.splitlines())

    def _files(self) -> Dict[str, str]:
        """Return path -> text; "" for a file that must not exist."""
        load = HEADER + self.name + "\n" if self.present else ""
        words = " ".join("%s=%s" % item for item in dict(self.options).items())
        options = HEADER + "options %s %s\n" % (self.name, words) if words else ""
        return {
            "/etc/modules-load.d/prov-%s.conf" % self.name: load,
            "/etc/modprobe.d/prov-%s.conf" % self.name: options,
        }

    def _file(self, path: str, text: str) -> File:
        return File(path, text, mode=0o644, owner="root", group="root")


sysctl = step(Sysctl)
module = step(Module)


def proc_path(key: str) -> str:
    """Return the path of a setting in /proc/sys; sysctl.d(5): dots are slashes, unless a slash comes first."""
    first = re.search(r"[./]", key)
    if first is not None and first.group() == "/":
        return "/proc/sys/" + key
    return "/proc/sys/" + key.translate(str.maketrans("./", "/."))


def running_value(host: "System", key: str) -> str:
    """Return the value of a setting in the running kernel; "" if it has no such setting."""
    path = proc_path(key)
    if not host.files.exists(path):
        return ""
    return " ".join(host.files.read(path).decode(errors="replace").split())


def users_of_module(host: "System", name: str) -> List[str]:
    """Return the modules that use a module; "something" if it is in use by other means. Source: lsmod(8)."""
    at = "/sys/module/%s" % name
    count = host.files.read(at + "/refcnt").strip() if host.files.exists(at + "/refcnt") else b"0"
    return host.files.list(at + "/holders") or (["something"] if count != b"0" else [])


def check_file_name(name: str) -> None:
    """Raise ValueError unless it can name a file of settings, without its ending."""
    if not isinstance(name, str) or not NAME.match(name) or name.endswith(".conf"):
        raise ValueError("%r is not a name such as 60-web (without .conf)" % (name,))


def put(host: "System", file: File) -> None:
    """Write a file of settings if it differs. Small images may lack the package with its directory."""
    folder = file.path.rsplit("/", 1)[0]
    if not host.files.exists(folder):
        host.files.mkdir(folder, 0o755, 0, 0)
    found = file.check(host)
    if found:
        file.apply(host, found)


def put_applied(host: "System", file: File, step: Step) -> None:
    """Write a file whose judge also applies it, which a plan must not: there, the step says so."""
    if host.planned:
        from provision.system.planned.judging import unknown  # shipped

        step.scratch["why"] = unknown(file.validate_with[0])
        file = File(file.path, file.content, mode=file.mode)
    put(host, file)


def check_gone(host: "System", path: str) -> Diff:
    """Return the change of removing a file."""
    if host.files.stat(path) is None:
        return Diff.none("is absent")
    return Diff([Change("removed", path, "")])
