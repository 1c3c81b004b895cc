"""Unit files, judged by systemd before they are put in place. Shipped to hosts (Python 3.8)."""

import io
import re
from typing import TYPE_CHECKING, Callable, Sequence

from provision.errors import StepError
from provision.steps.base import Change, Diff, check_text, listed
from provision.steps.files import File
from provision.steps.support.file_changes import DIFF_LIMIT, text_change
from provision.system.source import Source

if TYPE_CHECKING:
    from provision.system.host import System
    from provision.system.units import Units

#: systemd.unit(5): name, optional instance, type
UNIT = re.compile(
    r"^[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]*)?"
    r"\.(service|socket|timer|target|mount|automount|path|slice|device|swap|scope)\Z"
)
NAME = re.compile(r"^[A-Za-z0-9][\w.@:-]*\Z")
#: systemd.time(7), "parsing time spans"
SPAN = re.compile(r"^[0-9]+(\.[0-9]+)? ?[a-z]*( ?[0-9]+ ?[a-z]+)*\Z")
UNIT_FOLDER = "/etc/systemd/system"
RUNTIME_FOLDER = "/run/systemd/system"
#: where unit files are that a mask can hide
FRAGMENTS = (UNIT_FOLDER, "/lib/systemd/system", "/usr/lib/systemd/system")
#: where a candidate is judged; on a tmpfs, and removed before the step ends
STAGE = "/run/prov-verify"
#: the same in a plan's picture, which shows programs what is below /etc
PLANNED_STAGE = "/etc/.prov-verify"
#: systemd does not start a unit for which systemd-analyze(1) says this; all its other messages are warnings
REFUSED = re.compile(r"^Unit (\S+) has a bad unit file setting", re.MULTILINE)


# -- names


def full_name(unit: str) -> str:
    """Return a unit's name with its type; ".service" if it has none."""
    return unit if "." in unit.split("@")[-1] else unit + ".service"


def some_instance(name: str) -> str:
    """Return a unit that systemd can report on; for a template, an instance."""
    return name.replace("@.", "@prov.")


def check_unit_name(name: str) -> None:
    """Raise ValueError unless it is a valid unit name."""
    if not isinstance(name, str) or not UNIT.match(name):
        raise ValueError("%r is not the name of a unit" % (name,))


def check_drop_in_name(name: str) -> None:
    """Raise ValueError unless it can name a file of settings, without its ending."""
    check_text(name, "name")
    if not NAME.match(name) or name.endswith(".conf"):
        raise ValueError("%r is not a name such as limits (without .conf)" % (name,))


def check_lines(lines: Sequence[str], parse: Callable[[str], object]) -> None:
    """Raise ValueError unless lines is a list of single lines, each of which can be parsed."""
    if isinstance(lines, str):
        raise ValueError("lines must be a list of lines, not one text")
    for each in lines:
        check_text(each, "a line")
        parse(each)


# -- files


def check_file(host: "System", file: File, unit: str) -> Diff:
    """Return the changes until systemd has read this unit file."""
    diff = file.check(host)
    if diff.changes and diff.changes[0].what == "new file":
        diff = diff._replace(changes=[beside(host, file, unit, diff.changes[0]), *diff.changes[1:]])
    if not diff and host.units.state(some_instance(unit)).stale:
        return Diff([Change("daemon-reload", "", "systemd has not read the file as it is now")])
    return diff


def beside(host: "System", file: File, unit: str, new: Change) -> Change:
    """Return the new file of an instance as it differs from that of an instance that runs; without one, as it is."""
    name, _, ending = unit.partition("@")
    if not ending or ending.startswith(".") or file.source.secret:
        return new
    template = "%s@.%s" % (name, ending.rpartition(".")[2])
    for other, state in sorted(host.units.instances(template).items()):
        path = "%s/%s" % (UNIT_FOLDER, other)
        now = host.files.stat(path)
        if other == unit or not state.running or now is None or now.kind != "file" or now.size > DIFF_LIMIT:
            continue
        if host.files.sha256(path) == file.source.sha256:
            return Change("new file", "", "as %s" % other)
        return text_change("new file", host.files.read(path), host.fetch(file.source), path)
    return new


def put_file(host: "System", file: File, unit: str, diff: Diff) -> str:
    """Put a judged unit file in place; return the judge's warnings. Raises StepError."""
    said = ""
    if any(c.what != "daemon-reload" for c in diff.changes):
        if not host.planned:
            file = fetched(host, file)
        said = verify(host, file, unit)
        folder = file.path.rsplit("/", 1)[0]
        if not host.files.exists(folder):
            host.files.mkdir(folder, 0o755, 0, 0)
        file.apply(host, diff)
    host.units.file_changed()
    return said


def fetched(host: "System", file: File) -> File:
    """Return the file with its contents at hand: they are needed twice."""
    data = host.fetch(file.source)
    source = Source(file.source.sha256, len(data), file.source.secret)
    source.open = lambda request: io.BytesIO(data)
    return File(file.path, source, mode=file.mode, owner=file.owner, group=file.group)


def verify(host: "System", file: File, unit: str, *options: str) -> str:
    """Have systemd judge a unit as it would be with this file; return the warnings. Raises StepError.

    The file's folder comes before all others, so the unit is judged together with its drop-ins and related
    units.
    options: "--user" for units of a user.
    """
    folder = file.path.rsplit("/", 2 if file.path.endswith(".conf") else 1)[0]
    stage = PLANNED_STAGE if host.planned else STAGE
    staged = stage + file.path[len(folder) :]
    name = unit
    if host.files.stat(stage) is not None:
        host.files.remove(stage)
    host.files.mkdir(stage, 0o700, 0, 0)
    try:
        if file.path.endswith(".conf"):
            fragment = fragment_of(host, unit)
            if not fragment:
                # the unit does not exist yet, and will be judged together with this file
                return ""
            name = fragment.rsplit("/", 1)[-1]
            host.files.copy(fragment, "%s/%s" % (stage, name), 0o644, 0, 0)
            host.files.mkdir(staged.rsplit("/", 1)[0], 0o755, 0, 0)
        host.files.write(staged, file.source, 0o644, 0, 0)
        argv = ("systemd-analyze", *options, "--man=no", "verify", "%s/%s" % (stage, name))
        # for "--user", which fails without it
        result = host.judged(argv, timeout=60, environment={"XDG_RUNTIME_DIR": stage})
    finally:
        host.files.remove(stage)
    if result is None:
        return ""
    words = result.stderr.replace(stage + "/", folder + "/")
    stem = name.split("@.")[0] + "@" if "@." in name else name
    ours = [line for line in words.splitlines() if stem in line]
    if any(found.startswith(stem) for found in REFUSED.findall(words)):
        shown = ["(withheld: the file holds a secret)"] if file.source.secret else ours
        raise StepError(
            "systemd would not take %s" % file.path,
            hint="What was there before is still in place.",
            argv=argv,
            status=result.status,
            stderr="\n".join(shown),
        )
    if not ours or result.status == 127:
        return ""
    return "systemd-analyze verify: " + ("something" if file.source.secret else listed(ours))


def fragment_of(host: "System", unit: str) -> str:
    """Return the path of a unit's own file, even if a mask hides it; "" if it does not exist yet."""
    state = host.units.state(some_instance(unit))
    if state.load != "masked":
        return state.fragment if state.fragment and host.files.exists(state.fragment) else ""
    template = re.sub(r"@[^.]*", "@", unit)
    paths = ["%s/%s" % (folder, name) for folder in FRAGMENTS for name in dict.fromkeys((unit, template))]
    found = [(path, host.files.end(path)) for path in paths]
    return next((path for path, now in found if now is not None and now.kind == "file" and now.size), "")


def unmask(host: "System", units: "Units", name: str) -> None:
    """Run `systemctl unmask`, also for a mask until the next boot (mask --runtime)."""
    units.do("unmask", name)
    path = "%s/%s" % (RUNTIME_FOLDER, name)
    found = host.files.stat(path)
    if units is host.units and found is not None and found.target == "/dev/null":
        host.files.remove(path)
        units.file_changed()
