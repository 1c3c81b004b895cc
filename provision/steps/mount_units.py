"""Mounts and automounts as units, for what fstab can't say. Shipped to hosts (Python 3.8, standard
library)."""

from typing import TYPE_CHECKING, Mapping

from provision.steps.base import check_text
from provision.steps.mounts import check_mount_point
from provision.steps.systemd import no_unit, service
from provision.steps.systemd import unit as unit_file
from provision.steps.timers import given, section
from provision.system.writers import systemd_line, systemd_path

if TYPE_CHECKING:
    from typing import Unpack  # novm: for type checkers only

    from provision.steps.on_controller import Outcome, StepOptions, Steps


def mount_unit(
    c: "Steps",
    path: str,
    source: str,
    kind: str,
    options: str = "",
    *,
    automount: bool = False,
    idle: str = "",
    settings: "Mapping[str, object]" = {},  # noqa: B006 (never changed)
    **common: "Unpack[StepOptions]",
) -> "Outcome":
    """A file system mounted by its own unit, now and at boot, or on first access.

        mount_units.mount_unit(c, "/srv/media", "nas:/media", "nfs", "ro", automount=True, idle="10min")

    Other units can wait for it: RequiresMountsFor=/srv/media.
    path: where; systemd creates the directory.  source, kind, options: as for mounts.mount.
    automount: mount it on first access, so that an unreachable server does not delay the boot.
    idle: unmount again after so long without use; for automounts.
    settings: more of the mount's [Unit] settings: {"After": "network-online.target"}.
    Use mounts.mount for file systems that people look for in /etc/fstab.  Source: systemd.mount(5).
    """
    check_mount_point(path)
    for what, text in (("source", source), ("kind", kind)):
        check_text(text, what)
    if options:
        check_text(options, "options")
    if idle and not automount:
        raise ValueError("idle is for automounts")
    name = escaped_path(path)
    more = given(settings)
    wanted_by = section("Install", [("WantedBy", "multi-user.target" if automount else "local-fs.target")])
    what_is_mounted = [("What", systemd_line(source)), ("Where", systemd_path(path))]
    mount = unit_file(
        c,
        name + ".mount",
        section("Unit", [("Description", systemd_path(path)), *more])
        + section(
            "Mount", [*what_is_mounted, ("Type", systemd_line(kind)), ("Options", systemd_line(options))]
        )
        + ("" if automount else wanted_by),
        **common,
    )
    if not automount:
        no_unit(c, name + ".automount", **common)
        return service(c, name + ".mount", restart_on=[mount], **common)
    access = unit_file(
        c,
        name + ".automount",
        section("Automount", [("Where", systemd_path(path)), ("TimeoutIdleSec", idle)]) + wanted_by,
        **common,
    )
    return service(c, name + ".automount", restart_on=[mount, access], **common)


def no_mount_unit(c: "Steps", path: str, **common: "Unpack[StepOptions]") -> "Outcome":
    """No such mount and automount: unmount it and remove its units. The directory stays.

    path: as for mount_units.mount_unit.
    """
    check_mount_point(path)
    no_unit(c, escaped_path(path) + ".automount", **common)
    return no_unit(c, escaped_path(path) + ".mount", **common)


def escaped_path(path: str) -> str:
    """The name of a path's mount unit without its type (systemd.unit(5), "String escaping")."""
    found = ""
    for n, byte in enumerate(path.strip("/").encode()):
        char = chr(byte)
        if char == "/":
            found += "-"
        elif char.isascii() and (char.isalnum() or char in ":_" or (char == "." and n)):
            found += char
        else:
            found += "\\x%02x" % byte
    return found
