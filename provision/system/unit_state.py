"""The state of a unit, from systemd. Shipped."""

from typing import NamedTuple, Tuple

#: words of systemctl(1) for units that start automatically, at every boot or until the next one
ENABLED = ("enabled", "enabled-runtime")


class UnitState(NamedTuple):
    """The state of a unit; the words are systemctl(1)'s.

    load: "loaded", "not-found", "masked"...  active: "active", "inactive", "failed"...
    enabled: "enabled", "disabled", "static", "masked", ""...  invocation: id of the running instance.
    listens: paths of a socket unit's sockets.  main: id of the main process, or 0.
    triggered_by: units that start it: its socket, timer or path.
    """

    load: str = "not-found"
    active: str = "inactive"
    sub: str = "dead"
    enabled: str = ""
    stale: bool = False
    fragment: str = ""
    invocation: str = ""
    result: str = "success"
    listens: Tuple[str, ...] = ()
    main: int = 0
    triggered_by: Tuple[str, ...] = ()

    @property
    def running(self) -> bool:
        """Whether it is active or activating."""
        return self.active in ("active", "reloading", "activating")
