"""Whether a unit starts at boot, by systemd's state of its file. Shipped to hosts (Python 3.8).

Source: systemctl(1), "is-enabled", "enable", "disable".
"""

import os
import re
from typing import TYPE_CHECKING

from provision.errors import StepError
from provision.steps.support.unit_judging import UNIT_FOLDER

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.unit_state import UnitState
    from provision.system.units import Units

#: states of a unit that starts at boot, or with what its [Install] section names
ENABLED = ("enabled", "alias")
#: the unit file has no [Install] section: other units start it, or nothing does
NEITHER = ("static", "indirect")


def enabled_otherwise(host: "System", units: "Units", name: str, wanted: bool) -> str:
    """Return systemd's state of a unit that has to be enabled or disabled; "" if it is already as wanted.

    Raises StepError if systemctl could not do that, or would remove the name itself.
    """
    state = units.state(name)
    word = state.enabled
    if word == "generated" and units is host.units:
        word = old_script(host, name) or word
    if word == "enabled-runtime":
        # enabled until the next boot: neither enabled nor disabled
        return word
    if word in NEITHER:
        return word if wanted and word == "indirect" and lacks_also(host, units, state) else ""
    if word == "generated" and not wanted:
        raise StepError(
            "%s can't be disabled: a generator makes it at each boot" % name,
            hint="Change what it is made of, such as /etc/fstab; or mask it: systemd.masked.",
        )
    if word == "transient" and wanted:
        raise StepError(
            "%s can't be enabled: it is transient, and gone with the next boot" % name,
            hint="Write a file for it, with systemd.unit; or give enabled=None.",
        )
    if (word in (*ENABLED, "generated")) == wanted:
        return ""
    real = real_name(name, state)
    if real != name and not wanted and host.files.stat("%s/%s" % (UNIT_FOLDER, name)) is not None:
        raise StepError(
            "%s is another name of %s, and goes when that is disabled" % (name, real),
            hint="Name the unit itself in this step: %s." % real,
        )
    return word or "no"


def set_enabled(host: "System", units: "Units", name: str, wanted: bool) -> None:
    """Enable or disable a unit. Raises StepError."""
    state = units.state(name)
    # systemctl enables a unit by its real name only
    real = real_name(name, state)
    if wanted:
        units.do("enable", real)
        return
    # a unit file elsewhere is known by a link; systemctl would remove the link too, which is not wanted
    link = host.files.stat(state.fragment) if units is host.units and state.fragment else None
    units.do("disable", real)
    if units.state(name).enabled == "enabled-runtime":
        units.do("disable --runtime", real)
    if link is not None and link.kind == "link" and host.files.stat(state.fragment) is None:
        host.files.link(state.fragment, link.target)
        units.file_changed()


def real_name(name: str, state: "UnitState") -> str:
    """Return the name of a unit's own file, if the given name is an alias."""
    own = os.path.basename(state.fragment)
    return name if not own or "@." in own else own


def old_script(host: "System", name: str) -> str:
    """Return "enabled" or "disabled" if systemd-sysv-generator(8) made the service from a script; else ""."""
    script = "/etc/init.d/" + name.rpartition(".service")[0]
    if script.endswith("/") or not host.files.exists(script):
        return ""
    # systemctl asks update-rc.d or chkconfig
    return "enabled" if host.ask(("systemctl", "is-enabled", name)).status == 0 else "disabled"


def lacks_also(host: "System", units: "Units", state: "UnitState") -> bool:
    """Return whether all units in Also=, enabled in place of this one, are disabled (systemd.unit(5))."""
    if not state.fragment or not host.files.exists(state.fragment):
        return False
    text = host.files.read(state.fragment).decode(errors="replace")
    names = [name for line in re.findall(r"(?m)^Also=(.*)$", text) for name in line.split()]
    return bool(names) and all(units.state(name).enabled == "disabled" for name in names)
