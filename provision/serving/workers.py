"""Processes and jobs of an application, beside its web process: their units, and when they start and stop
(D14).

A process belongs to an instance, as the web process does: NAME_PROCESS@INSTANCE.service. Those of a new
instance start once it is healthy, and the older ones are stopped at the end of the run, with time to finish.
A job belongs to the current release: job-NAME@JOB.timer, and a service that begins in the folder that
`current` leads to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provision.apps.app_model import App
from provision.apps.app_releases import Release
from provision.apps.process_parts import JobSettings, ProcessSettings
from provision.apps.schedules import calendars
from provision.serving.app_parts import part_of
from provision.serving.unit_texts import unit_text
from provision.steps import command, systemd, wait
from provision.system.writers import HERE

if TYPE_CHECKING:
    from provision.controller.outcome import Outcome
    from provision.roles.role_host import Host

#: seconds that a new process must run to count as started
STEADY = 3.0
#: where programs are searched for, after the environment's own folder
PROGRAMS = "/usr/local/bin:/usr/bin:/bin"


def unit_of(app: App, name: str) -> str:
    """Return the prefix of a process's units. Names of applications contain no `_`."""
    return f"app-{app.name}_{name}"


def here(c: Host, app: App, part: ProcessSettings | JobSettings) -> bool:
    """Whether a process or job runs on this host."""
    return part.on == "all" or c.leads(app)


def texts(c: Host, release: Release, values: Mapping[str, Any]) -> dict[str, str]:
    """The unit of each process that runs on this host. values: what the template shares with the web
    process's."""
    given = {**values, "path": programs_of(release.instance_link(HERE))}
    return {
        name: unit_text(c, "process", {**given, "part": name, "process": each, "argv": argv_of(each.command)})
        for name, each in release.app.processes.items()
        if here(c, release.app, each)
    }


def programs_of(folder: str) -> str:
    """PATH for a folder that holds a release's files."""
    return f"{folder}/.venv/bin:{PROGRAMS}"


def argv_of(words: Sequence[str]) -> list[str]:
    """The words of a command as a unit has them: env(1) finds the program in the environment, then on the
    host."""
    return ["/usr/bin/env", *words]


def instances(instance: str, count: int) -> list[str]:
    """Return the part of a process's units' names after the @."""
    return [instance] if count == 1 else [f"{instance}-{number}" for number in range(1, count + 1)]


def are_there(c: Host, release: Release) -> None:
    """Fail if the program of a process or job is not there, before anything is started."""
    app = release.app
    parts: list[ProcessSettings | JobSettings] = [*app.processes.values(), *app.jobs.values()]
    wanted = sorted({part.command[0] for part in parts if here(c, app, part)})
    if not wanted:
        return
    code = (
        "import shutil, sys\n"
        "gone = [name for name in sys.argv[1:] if not shutil.which(name)]\n"
        "sys.exit(f'no program {gone[0]!r} in the environment or on the host' if gone else 0)\n"
    )
    command.command(
        c,
        [f"{release.path}/.venv/bin/python", "-c", code, *wanted],
        stamp=(f"{release.path}/.prov/programs", " ".join(wanted)),
        user=app.user,
        cwd=release.root,
        environment={"PATH": programs_of(release.path)},
    )


def start(
    c: Host,
    release: Release,
    instance: str,
    units: Mapping[str, str],
    settings: Sequence[Outcome],
) -> list[Outcome]:
    """Start the processes of an instance, and return the steps that must succeed. A process that may not run
    twice is stopped first.

    units: the text for each process.  settings: what a process reads when it starts, besides its unit.
    """
    app = release.app
    found: list[Outcome] = []
    for name, text in units.items():
        process, unit = app.processes[name], unit_of(app, name)
        names = instances(instance, process.count)
        if process.on == "one":
            stop_others(c, app, name, names)
        for each in names:
            with part_of(c, app, "unit"):
                written = systemd.unit(c, f"{unit}@{each}.service", text)
            started = systemd.service(c, f"{unit}@{each}.service", restart_on=[written, *settings])
            lasts = wait.unit(c, f"{unit}@{each}.service", steady=STEADY, when=[written, started])
            found += [started, lasts]
    return found


def units(app: App, instance: str, names: Iterable[str]) -> list[str]:
    """The units of an instance's processes."""
    return [
        f"{unit_of(app, name)}@{each}.service"
        for name in names
        for each in instances(instance, app.processes[name].count)
    ]


def stop_others(c: Host, app: App, name: str, keep: Sequence[str]) -> None:
    """Stop other instances of a process, giving them time to finish. name: "*" for all processes."""
    longest = max((process.stop_timeout for process in app.processes.values()), default=0)
    systemd.only_instances(c, f"{unit_of(app, name)}@.service", keep, own_files=True, timeout=longest + 60)


def job_units(c: Host, release: Release, values: Mapping[str, Any]) -> dict[str, str]:
    """The units of an application's jobs on this host, by name: services that run in the current release, each
    before its timer."""
    app = release.app
    unit = f"job-{app.name}"
    path = programs_of(release.current)
    found: dict[str, str] = {}
    for name, job in app.jobs.items():
        if here(c, app, job):
            given = {**values, "part": name, "job": job, "argv": argv_of(job.command), "path": path}
            found[f"{unit}@{name}.service"] = unit_text(c, "job", given)
            times = c.render("timer.j2", role="app", **given, calendars=calendars(job.schedule))
            found[f"{unit}@{name}.timer"] = times
    return found


def jobs(c: Host, app: App, units: Mapping[str, str]) -> None:
    """Set up the jobs of an application, and remove others. units: as from `job_units`."""
    for unit, text in units.items():
        with part_of(c, app, "unit"):
            written = systemd.unit(c, unit, text)
        if unit.endswith(".timer"):
            systemd.service(c, unit, restart_on=[written])
    names = list(dict.fromkeys(unit.partition("@")[2].rpartition(".")[0] for unit in units))
    for kind in ("timer", "service"):
        systemd.only_instances(c, f"job-{app.name}@.{kind}", names, own_files=True, timeout=600)
