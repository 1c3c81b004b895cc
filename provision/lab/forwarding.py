"""Make this machine forward the lab's packets, and revert that when no lab needs it any more.

Only the interfaces on which such packets arrive are changed (the bridge, and the uplinks of the default
routes), never the machine's ip_forward, because the kernel checks whether the incoming interface forwards.
Several labs may share an uplink. The labs that use an uplink are recorded under /run, which a restart of the
machine clears together with the settings.
Source: the kernel's Documentation/networking/ip-sysctl.rst, "forwarding".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from provision.lab import store
from provision.locks import locked

STATE = Path("/run/prov-lab")

_SETTINGS = Path("/proc/sys/net/ipv4/conf")
_INTERFACES = Path("/sys/class/net")


def _setting(interface: str) -> Path:
    return _SETTINGS / interface / "forwarding"


def _is_open(interface: str) -> bool:
    return _setting(interface).read_text().strip() == "1"


def open_for(bridge: str, uplinks: Iterable[str]) -> None:
    """Forward packets that arrive on the bridge, whose setting is removed with it, and on the uplinks.

    Idempotent.
    """
    _setting(bridge).write_text("1")
    with locked(STATE):
        users = _read()
        for uplink in uplinks:
            if uplink in users or not _is_open(uplink):
                users[uplink] = sorted({*users.get(uplink, []), bridge})
        # written first: if this process ends in between, close_for() still knows them
        _write(users)
        for uplink in users:
            if _setting(uplink).exists():
                _setting(uplink).write_text("1")


def close_for(bridge: str) -> None:
    """Close the uplinks that a lab opened and no other lab uses. The bridge is already gone."""
    with locked(STATE):
        users = _read()
        # a program that has since enabled forwarding for the whole machine (Docker does) still needs it
        everywhere = _is_open("all")
        for uplink, bridges in list(users.items()):
            left = [other for other in bridges if other != bridge and (_INTERFACES / other).exists()]
            users[uplink] = left
            if not left:
                del users[uplink]
                if not everywhere and _setting(uplink).exists():
                    _setting(uplink).write_text("0")
        _write(users)
        if not users:
            with suppress(OSError):  # another process is about to write here
                STATE.rmdir()


def bridges() -> list[str]:
    """Return the bridges of all labs of this machine."""
    return [path.name for path in _INTERFACES.glob("prov-*") if (path / "bridge").is_dir()]


def is_everywhere() -> bool:
    """Return whether this machine forwards packets on every interface."""
    return _is_open("all")


def close_everywhere(uplinks: Iterable[str]) -> None:
    """Disable the machine's forwarding, which libvirt enabled, and enable it again where labs need it.

    uplinks: interfaces of the default routes.
    """
    with locked(STATE):
        labs = bridges()
        users = _read()
        if labs:
            users.update({uplink: sorted({*users.get(uplink, []), *labs}) for uplink in uplinks})
        _write(users)
        _setting("all").write_text("0")  # applies to every interface at once
        for interface in (*labs, *users):
            if _setting(interface).exists():
                _setting(interface).write_text("1")


def _read() -> dict[str, list[str]]:
    """Return uplink -> bridges that use it; only uplinks that did not forward before the first lab."""
    return store.read_json(STATE / "uplinks.json") or {}


def _write(users: dict[str, list[str]]) -> None:
    if users:
        store.write_atomic(STATE / "uplinks.json", json.dumps(users) + "\n")
    else:
        (STATE / "uplinks.json").unlink(missing_ok=True)
