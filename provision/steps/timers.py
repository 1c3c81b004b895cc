"""Timers of systemd: commands at certain times. Shipped to hosts (Python 3.8, standard library)."""

import re
from typing import TYPE_CHECKING, Mapping, Sequence

from provision.steps.base import Ref, check_text
from provision.steps.support.unit_judging import SPAN
from provision.steps.systemd import no_unit, service
from provision.steps.systemd import unit as unit_file
from provision.system.writers import systemd_command, systemd_line

if TYPE_CHECKING:
    from typing import Unpack  # novm: for type checkers only

    from provision.steps.on_controller import Outcome, StepOptions, Steps

NAME = re.compile(r"^[A-Za-z0-9][\w.:-]*\Z")


def timer(
    c: "Steps",
    name: str,
    argv: Sequence[str],
    *,
    calendar: str = "",
    every: str = "",
    after_boot: str = "",
    user: str = "",
    spread: str = "",
    catch_up: bool = True,
    settings: "Mapping[str, object]" = {},  # noqa: B006 (never changed)
    restart_on: Sequence[Ref] = (),
    **options: "Unpack[StepOptions]",
) -> "Outcome":
    """A command that runs at certain times: NAME.timer, active now and after boot, starts NAME.service.

        timers.timer(c, "backup", ["/usr/local/bin/backup", "--all"], calendar="daily", user="backup", spread="1h")

    name: of both units, without a type.  argv: the command, a list of words.
    calendar: when, as in systemd.time(7): "daily", "Mon..Fri 03:30", "*-*-01 04:00 Europe/Berlin".
    every: the time from the end of one run to the next: "15min"; the first run is that long after the timer's
    start.
    after_boot: how long after boot it runs: "2min". At least one of these three is needed.
    user: who runs it; "" is root.  spread: a random delay of up to this time, so that not all hosts run at
    once.
    catch_up: at boot, run what the calendar scheduled while the host was down (Persistent=).
    settings: more [Service] settings: {"Nice": 10, "Environment": ["A=1", "B=2"]}; a list gives one line for
    each value, in the given order.
    restart_on: as for systemd.service.  systemd-analyze judges both files before they are in place.
    The command's output is in the journal: `journalctl -u NAME`. Source: systemd.timer(5).
    """
    if not NAME.match(name) or name.endswith((".timer", ".service")):
        raise ValueError("%r is not a name of units without a type" % (name,))
    if not (calendar or every or after_boot):
        raise ValueError("a timer needs calendar, every or after_boot")
    for what, text in (("calendar", calendar), ("user", user)):
        if text:
            check_text(text, what)
    for what, text in (("every", every), ("after_boot", after_boot), ("spread", spread)):
        if text and not SPAN.match(text):
            raise ValueError('%s must be a time span such as "15min", not %r' % (what, text))
    service_lines = [("Type", "oneshot"), ("User", systemd_line(user)), ("ExecStart", systemd_command(argv))]
    service_lines += given(settings)
    timer_lines = [
        ("OnCalendar", systemd_line(calendar)),
        ("OnActiveSec", every),
        ("OnUnitInactiveSec", every),
        ("OnBootSec", after_boot),
        # run at exactly that time, as cron does: by default systemd may be a minute late, to save power
        ("AccuracySec", "1s"),
        ("RandomizedDelaySec", spread),
        ("Persistent", "yes" if calendar and catch_up else ""),
    ]
    text = section("Unit", [("Description", name)]) + section("Service", service_lines)
    unit_file(c, name + ".service", text, **options)
    times = unit_file(
        c,
        name + ".timer",
        section("Unit", [("Description", "times of " + name)])
        + section("Timer", timer_lines)
        + section("Install", [("WantedBy", "timers.target")]),
        **options,
    )
    # systemd reads the service's file when the service next starts; nothing needs a restart for it
    return service(c, name + ".timer", restart_on=[times, *restart_on], **options)


def no_timer(c: "Steps", name: str, **options: "Unpack[StepOptions]") -> "Outcome":
    """Remove a timer and its service: both are stopped, and their files removed.

        timers.no_timer(c, "backup")

    name: as for timers.timer.
    """
    if not NAME.match(name) or name.endswith((".timer", ".service")):
        raise ValueError("%r is not a name of units without a type" % (name,))
    no_unit(c, name + ".timer", **options)
    return no_unit(c, name + ".service", **options)


def section(name: str, lines: "Sequence[tuple[str, str]]") -> str:
    """Return a section of a unit file, without the settings that are ""."""
    return "".join(["[%s]\n" % name, *("%s=%s\n" % line for line in lines if line[1])])


def given(settings: "Mapping[str, object]") -> "list[tuple[str, str]]":
    """Return settings as lines, one for each value of a list. Raises ValueError."""
    found = []
    for key, value in dict(settings).items():
        values = value if isinstance(value, (list, tuple)) else [value]
        if not values:
            raise ValueError("%s: the list is empty; leave the setting out" % key)
        found += [(key, setting(key, each)) for each in values]
    return found


def setting(key: str, value: object) -> str:
    """Return the value of a setting. Raises ValueError."""
    if not isinstance(key, str) or not re.match(r"^[A-Z][A-Za-z0-9]*\Z", key):
        raise ValueError("%r is not the name of a setting, such as Nice" % (key,))
    if not isinstance(value, (str, int, float)) or value != value or value in (float("inf"), -float("inf")):
        raise ValueError("%s must be text, a number, yes or no, or a list of these, not %r" % (key, value))
    text = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    check_text(text, key)
    # the value is in systemd's own syntax; it must not reach into the next line
    if text.endswith("\\"):
        raise ValueError("%s must not end with a backslash: %r" % (key, text))
    return text
