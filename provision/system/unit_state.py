"""What systemd says of a unit. Shipped."""

from typing import NamedTuple, Tuple

#: of systemctl(1)'s words, those of units that start by themselves, at boot or for the rest of this one
ENABLED = ("enabled", "enabled-runtime")


class UnitState(NamedTuple):
    """What systemd says of a unit; the words are systemctl(1)'s.

    load: "loaded", "not-found", "masked"...  active: "active", "inactive", "failed"...
    enabled: "enabled", "disabled", "static", "masked", ""...  invocation: id of the running instance.
    listens: paths at which a socket is to be found.  main: number of the main process, or 0.
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
        """Active, or on the way there."""
        return self.active in ("active", "reloading", "activating")
