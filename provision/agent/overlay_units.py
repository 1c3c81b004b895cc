"""Units as a plan predicts them. Shipped."""

from typing import Dict, Set

from provision.agent.overlay_files import PlannedFiles
from provision.agent.units import Run, Units, UnitState

FOLDERS = ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")


class PlannedUnits(Units):
    """Units whose actions change a picture only. files: as the plan sees them, unit files among them."""

    def __init__(self, run: Run, ask: Run, files: PlannedFiles) -> None:
        super().__init__(run, ask)
        self._files = files
        self._planned: Dict[str, UnitState] = {}
        self._reloaded = False

    def state(self, name: str) -> UnitState:
        if name in self._planned:
            return self._planned[name]
        real = super().state(name)
        path = self._file(name)
        if not path:
            return real
        if real.load == "not-found":
            text = self._files.read(path).decode(errors="replace")
            return UnitState("loaded", enabled="disabled" if "[Install]" in text else "static", fragment=path)
        return real._replace(stale=self._files.predicted(path) and not self._reloaded)

    def do(self, verb: str, *names: str, timeout: float = 100) -> None:
        for name in names:
            now = self.state(name)
            self._planned[name] = {
                "start": now._replace(active="active", sub="running", result="success"),
                "restart": now._replace(active="active", sub="running", result="success"),
                "reload-or-restart": now._replace(active="active", sub="running"),
                "stop": now._replace(active="inactive", sub="dead"),
                "enable": now._replace(enabled=now.enabled if now.enabled == "static" else "enabled"),
                "disable": now._replace(enabled="disabled"),
                "mask": now._replace(load="masked", enabled="masked"),
                "unmask": now._replace(load="loaded", enabled="disabled"),
            }[verb]

    def file_changed(self) -> None:
        """The predicted files are read as they are."""
        self._reloaded = True

    def reload_manager(self) -> None:
        self._reloaded = True
        self._planned = {name: state._replace(stale=False) for name, state in self._planned.items()}

    def bring(self, name: str, enabled: bool, started: bool) -> None:
        """A package brings this unit, and may enable and start it."""
        if super().state(name).load != "not-found":
            return
        self._planned[name] = UnitState(
            load="loaded",
            active="active" if started else "inactive",
            sub="running" if started else "dead",
            enabled="enabled" if enabled else "disabled",
        )

    def instances(self, template: str) -> Dict[str, UnitState]:
        prefix, suffix = template.split("@", 1)
        found = super().instances(template)
        ours: Set[str] = {n for n in self._planned if n.startswith(prefix + "@") and n.endswith(suffix)}
        found.update({name: self._planned[name] for name in ours})
        return found

    def _file(self, name: str) -> str:
        """The unit's file, or that of its template, if the plan has one; else ""."""
        template = "%s@.%s" % (name.split("@")[0], name.rsplit(".", 1)[-1]) if "@" in name else ""
        for folder in FOLDERS:
            for candidate in filter(None, (name, template)):
                path = "%s/%s" % (folder, candidate)
                if self._files.exists(path):
                    return path
        return ""
