"""Units as a plan predicts them. Shipped."""

import re
from typing import Dict, List, Optional, Set, Tuple

from provision.system.planned.planned_files import PlannedFiles
from provision.system.unit_state import UnitState
from provision.system.units import Run, Units

SYSTEM = ("/etc/systemd/system", "/run/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")
#: the program that a service executes first (systemd.service(5), "COMMAND LINES")
PROGRAM = re.compile(r"(?m)^ExecStart(?:Pre)?=[-@:+!|]*(/\S+)")
#: state in `systemctl show` of a started unit, by its type; a service is "running"
STARTED = {
    "socket": "listening",
    "timer": "waiting",
    "path": "waiting",
    "automount": "waiting",
    "mount": "mounted",
    "target": "active",
    "slice": "active",
}


class PlannedUnits(Units):
    """Units whose actions only change the prediction.

    files: as the plan predicts them, unit files included.  folders: where unit files are; the first holds
    those of this host.
    """

    def __init__(self, run: Run, ask: Run, files: PlannedFiles, folders: Tuple[str, ...] = SYSTEM) -> None:
        super().__init__(run, ask)
        self._files = files
        self._folders = folders
        #: predicted states, which replace the real ones
        self._predicted: Dict[str, Dict[str, str]] = {}
        #: contents of predicted files as of the last daemon-reload
        self._read: Dict[str, str] = {}
        self._reloaded = self._booted = False

    def state(self, name: str) -> UnitState:
        real = super().state(name)
        if self._reloaded:
            real = real._replace(stale=False)
        found = self._as_files_say(name, real)
        predicted = dict(self._predicted.get(name, {}))
        if found.load != "loaded" or found.enabled == "static":
            predicted.pop("enabled", None)
        found = found._replace(**predicted)  # type: ignore[arg-type]
        if "active" in predicted:
            # after a start, a socket listens at its configured path
            found = found._replace(listens=())
        return self._after_boot(name, found) if self._booted and "active" not in predicted else found

    def do(self, verb: str, *names: str, timeout: float = 100) -> None:
        for name in names:
            # it may mount what is read-only now
            self._files.unsure = self._files.unsure or name.endswith("mount")
            if verb in ("mask", "mask --runtime", "unmask"):
                self._mask(name, verb)
                continue
            if verb in ("enable", "disable"):
                # systemctl(1): these commands make systemd read all files again
                self.reload_manager()
            self._predicted.setdefault(name, {}).update(
                {
                    "start": self._running(name),
                    "restart": self._running(name),
                    "reload-or-restart": self._running(name),
                    "stop": {"active": "inactive", "sub": "dead"},
                    "reset-failed": {"active": "inactive", "sub": "dead", "result": "success"},
                    "enable": {"enabled": "enabled"},
                    "enable --runtime": {"enabled": "enabled-runtime"},
                    "disable": {"enabled": "disabled"},
                    "disable --runtime": {"enabled": "disabled"},
                }[verb]
            )

    def file_changed(self) -> None:
        self.reload_manager()

    def reload_manager(self) -> None:
        self._reloaded = True
        top = self._folders[0]
        paths = ["%s/%s" % (top, name) for name in self._files.list(top)]
        for path in [p for p in paths if p.endswith(".d")]:
            paths += ["%s/%s" % (path, name) for name in self._files.list(path)]
        self._read = {path: self._contents(path) for path in paths if self._files.predicted(path)}

    def boot(self) -> None:
        """Predict a reboot: enabled units run, all others do not."""
        self.reload_manager()
        self._predicted = {
            name: {word: value for word, value in predicted.items() if word == "enabled"}
            for name, predicted in self._predicted.items()
        }
        self._booted = self._files.unsure = True

    def bring(self, name: str, enabled: bool, started: bool, *, first: bool = False) -> None:
        """Add a package's unit, which may be enabled and started. first: also if the unit exists."""
        path = self._file(name)
        if path is not None:
            # the package's script makes systemd read all files again
            self._read[path] = self._contents(path)
        known = super().state(name).load != "not-found" and not first
        if known or self.state(name).load == "masked":
            return
        self._predicted[name] = {
            "enabled": "enabled" if enabled else "disabled",
            **(self._tried(name) if started else {}),
        }

    def try_start(self, name: str) -> None:
        """Start a unit as a package's script does, which ignores a failure (deb-systemd-invoke(1p))."""
        self._predicted.setdefault(name, {}).update(self._tried(name))

    def _tried(self, name: str) -> Dict[str, str]:
        """Return the state after starting a unit.

        Its program may be in a package that is not installed yet.
        """
        programs = PROGRAM.findall(self._contents(self._file(name) or ""))
        if all(map(self._files.exists, programs)):
            return self._running(name)
        return {"active": "failed", "sub": "failed", "result": "exit-code"}

    def lose(self, name: str) -> None:
        """Remove a unit whose package's files are gone; the package's script has stopped it."""
        self._predicted.pop(name, None)
        if super().state(name).load != "not-found":
            self._predicted[name] = {"active": "inactive", "sub": "dead"}

    def instances(self, template: str) -> Dict[str, UnitState]:
        prefix, suffix = template.split("@", 1)
        found = super().instances(template)
        ours: Set[str] = {n for n in self._predicted if n.startswith(prefix + "@") and n.endswith(suffix)}
        found.update({name: self.state(name) for name in ours})
        return found

    # -- state from unit files

    def _as_files_say(self, name: str, real: UnitState) -> UnitState:
        path = self._file(name)
        if path is None:
            # systemd knows a running unit until it ends, and so does the prediction
            gone = real.load in ("loaded", "masked") and self._is_a_file(real.fragment)
            gone = gone or real.load == "masked"
            return real._replace(load="not-found", enabled="", fragment="") if gone else real
        if self._masked(path):
            until_boot = path.startswith("/run/")
            return real._replace(load="masked", enabled="masked-runtime" if until_boot else "masked")
        if not self._changed(name, path) and real.load != "masked":
            return real
        installs = "[Install]" in self._contents(path)
        now = real.enabled
        # "bad": its file is missing while it still runs; "": it has no file, such as a manual mount
        if real.load != "loaded" or now in ("bad", "") or (now == "static") == installs:
            now = "enabled" if self._linked(name) else "disabled" if installs else "static"
            if now == "enabled" and not installs:
                now = "static"
        return real._replace(load="loaded", enabled=now, fragment=path, stale=self._out_of_date(name, path))

    def _file(self, name: str) -> Optional[str]:
        """Return the unit's file, or that of its template, if the plan sees one."""
        template = "%s@.%s" % (name.split("@")[0], name.rsplit(".", 1)[-1]) if "@" in name else ""
        for candidate in filter(None, (name, template)):
            for folder in self._folders:
                path = "%s/%s" % (folder, candidate)
                if self._files.stat(path) is not None:
                    return path
        return None

    def _is_a_file(self, fragment: str) -> bool:
        return fragment.startswith(tuple(folder + "/" for folder in self._folders))

    def _masked(self, path: str) -> bool:
        """Return whether a path masks its unit: a link to /dev/null, or an empty file (systemd.unit(5))."""
        now = self._files.stat(path)
        return now is not None and (now.target == "/dev/null" or (now.kind == "file" and now.size == 0))

    def _drop_ins(self, name: str) -> List[str]:
        folder = "%s/%s.d" % (self._folders[0], name)
        return ["%s/%s" % (folder, each) for each in self._files.list(folder)]

    def _changed(self, name: str, path: str) -> bool:
        """Return whether the plan has changed the unit's file or one of its drop-ins."""
        return any(self._files.predicted(each) for each in (path, *self._drop_ins(name)))

    def _out_of_date(self, name: str, path: str) -> bool:
        """Return whether systemd would need to read the files of a known unit again."""
        if super().state(name).load != "loaded":
            return False
        predicted = [each for each in (path, *self._drop_ins(name)) if self._files.predicted(each)]
        return any(self._read.get(each) != self._contents(each) for each in predicted)

    def _linked(self, name: str) -> bool:
        """Return whether a target starts it: systemctl(1), "enable"."""
        top = self._folders[0]
        wanting = [each for each in self._files.list(top) if each.endswith((".wants", ".requires"))]
        return any(self._files.stat("%s/%s/%s" % (top, each, name)) is not None for each in wanting)

    def _contents(self, path: str) -> str:
        found = self._files.end(path)
        is_file = found is not None and found.kind == "file"
        return self._files.read(path).decode(errors="replace") if is_file else ""

    # -- effects of actions

    def _mask(self, name: str, verb: str) -> None:
        path = "%s/%s" % (self._folders[1 if verb.endswith("runtime") else 0], name)
        if verb != "unmask":
            self._files.link(path, "/dev/null")
        elif self._files.stat(path) is not None:
            self._files.remove(path)
        self.reload_manager()

    def _running(self, name: str) -> Dict[str, str]:
        """Return the state of a started unit: a oneshot service has already ended (systemd.service(5))."""
        path = self._file(name)
        words = self._contents(path).replace(" ", "").lower().splitlines() if path else []
        if "type=oneshot" in words:
            stays = any("remainafterexit=" + yes in words for yes in ("yes", "true", "on", "1"))
            return {"active": "active", "sub": "exited"} if stays else {"active": "inactive", "sub": "dead"}
        sub = STARTED.get(name.rsplit(".", 1)[-1], "running")
        return {"active": "active", "sub": sub, "result": "success"}

    def _after_boot(self, name: str, state: UnitState) -> UnitState:
        if state.load != "loaded" or state.enabled not in ("enabled", "disabled"):
            return state
        words = self._running(name) if state.enabled == "enabled" else {"active": "inactive", "sub": "dead"}
        return state._replace(**words)  # type: ignore[arg-type]
