"""What a run does for applications: a block for each, in the user's terms, in place of a line for each step."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

from provision.controller.events import StepDone
from provision.report import diffs
from provision.report.causes import causes
from provision.report.changed_processes import processes
from provision.report.diffs import folded, unified
from provision.report.moved_names import is_turning, remaining, turns_too
from provision.report.reporting import Style, counted
from provision.report.shared_steps import whom
from provision.report.shown_lines import ShownLine, flat
from provision.steps.base import Change
from provision.values import dataclass

#: names of new and of removed files that are shown; the rest are counted
MOST_NAMES = 5
#: columns of a block's longest lines, but for diffs
WIDTH = 92
#: parts of an application that change without a new release
SETTINGS = {"environment", "packages", "unit"}
#: changes of files in a release that the host has
FILES = ("new", "changed", "removed", "and")
#: what stands before a list
LEAD = 13
#: a requirement of one version
PINNED = re.compile(r"([A-Za-z0-9][\w.-]*(?:\[[^\]]*\])?)==(\S+)")
#: folders of prov's in the words of a command
OURS = re.compile(r"/srv/[^ ]*?/(?:\.venv/bin|\.prov)/")


@dataclass(frozen=True)
class AppBlock:
    """What a host gets for one application. Equal ones are shown once for several hosts."""

    app: str
    title: str
    lines: tuple[ShownLine, ...]


class AppBlocks:
    """Gathers the steps of applications, and of fronts that only turn to other instances."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._steps: dict[str, dict[str, list[StepDone]]] = {}
        self._turned: dict[str, list[str]] = {}

    def takes(self, step: StepDone) -> bool:
        """Take a step that is shown in a block; return whether it is one."""
        if not self._style.by_application or step.state not in ("changed", "maybe"):
            return False
        known = self._steps.setdefault(step.host, {})
        if step.about.app:
            known.setdefault(step.about.app, []).append(step)
            return True
        turned = self._turned.setdefault(step.host, [])
        if known and is_turning(step, turned):
            turned += [step.role] if step.role not in turned else []
            return True
        if known and turns_too(step) and step.role not in turned:
            # the block is as on hosts where it only turns; what else it changes is shown beside
            turned.append(step.role)
        return False

    def of(self, hosts: Sequence[str]) -> Iterator[tuple[AppBlock, str]]:
        """Yield the blocks of these hosts, each with its hosts in words, and forget them."""
        found: dict[AppBlock, list[str]] = {}
        for host in hosts:
            turned = self._turned.pop(host, [])
            for app, steps in self._steps.pop(host, {}).items():
                block = AppBlock(app, title(steps), tuple(lines(steps, turned, self._style)))
                found.setdefault(block, []).append(host)
        for block, names in sorted(found.items(), key=lambda item: item[0].app):
            yield block, whom(names, hosts)


def title(steps: Sequence[StepDone]) -> str:
    """Return `c5fe8e1 -> da15adf, 1 file changed (commit a2b791c -> 9c01f3e)`."""
    released = [step for step in steps if step.about.part == "release"]
    source = [change for step in steps if step.about.part == "source" for change in step.diff]
    words = [release(released[0].diff[0])] if released and released[0].diff else [without_release(steps)]
    if number := files_changed(source):
        words.append(f"{counted(number, 'file')} changed")
    elif released and source and not is_new(source):
        words.append("the same files")
    elif released and not source and released[0].diff[0].before:
        words.append("a release that the host has kept")
    why = f" ({flat(released[0].why)})" if released and released[0].why else ""
    return ", ".join(words) + why


def without_release(steps: Sequence[StepDone]) -> str:
    """Return what changes, in words, where another release does not come into service."""
    parts = {step.about.part for step in steps}
    if is_repair(steps):
        return f"its release was changed on the host, {counted(files_of(changes_of(steps, *FILES)), 'file')}"
    if "source" in parts:
        return "a new release, not in service"
    if parts & SETTINGS:
        return "its settings"
    if "start" in parts:
        started = any(change.what == "restart" for change in changes_of(steps))
        return "the same release, to be restarted" if started else "the same release, not running"
    return "no new release"


def is_repair(steps: Sequence[StepDone]) -> bool:
    """Return whether files of a release that the host has are put right, rather than those of a new one."""
    parts = {step.about.part for step in steps}
    new = any(change.what in ("new folder", "new directory") for step in steps for change in step.diff)
    return "source" in parts and "release" not in parts and not new


def release(change: Change) -> str:
    """Return the releases that the link to the one in service led and will lead to."""
    before, after = (value.rpartition("/")[2][:7] for value in (change.before, change.after))
    return f"{before} -> {after}" if before else f"new, release {after}"


def is_new(source: Iterable[Change]) -> bool:
    """Return whether there was no release before."""
    return all(change.what != "new folder" for change in source)


def files_changed(source: Sequence[Change]) -> int:
    """Return how many files differ from those of the release before; 0 without one."""
    if is_new(source):
        return 0
    return files_of(change for change in source if change.what != "new folder")


def files_of(changes: Iterable[Change]) -> int:
    """Return how many files these changes are of."""
    return sum(map(number_of, changes))


def number_of(change: Change) -> int:
    """Return how many files a change is of: `and 12 more` of those that are counted."""
    more = re.fullmatch(r"and (\d+) more", change.after)
    return int(more[1]) if more else 1


def lines(steps: Sequence[StepDone], turned: Sequence[str], style: Style) -> Iterator[ShownLine]:
    """Yield what changes: first the user's files, last what prov itself does."""
    parts: dict[str, list[StepDone]] = {}
    for step in steps:
        parts.setdefault(step.about.part, []).append(step)
    repair = is_repair(steps)
    yield from source_lines(changes_of(parts.get("source", ())), style, repair=repair)
    yield from listed(
        "packages", map(requirement, changes_of(parts.get("packages", ()), "requirement", "index"))
    )
    yield from listed("environment", variables(parts.get("environment", ())))
    yield from listed("runs", (command(step, style) for step in parts.get("command", ()) if is_command(step)))
    yield from listed("processes", processes(steps[0].about.app, steps))
    for step in parts.get("unit", ()):
        yield from unit_lines(step, style)
    yield from listed("switch", switch(parts, turned, repair=repair))
    rest = [*parts.get("", ()), *parts.get("import", ()), *parts.get("health", ())]
    rest += [step for step in parts.get("command", ()) if not is_command(step)]
    if rest and (repair or not parts.keys() & {"source", "release", "start", "command"}):
        # nothing new comes into service, so these are why the host differs
        for step in rest[:MOST_NAMES]:
            yield ShownLine("hunk", f"~ {flat(step.step)}: {causes(step)}")
        rest = rest[MOST_NAMES:]
    if rest:
        yield ShownLine("dim", f"{'and':<{LEAD}}{counted(len(rest), 'step')} that prov needs (-v shows them)")


def changes_of(steps: Iterable[StepDone], *kinds: str) -> list[Change]:
    """Return the changes of steps. kinds: the first words of those that are meant; all by default."""
    found = [change for step in steps for change in step.diff]
    return [change for change in found if not kinds or change.what.split(" ")[0] in kinds]


def source_lines(source: Sequence[Change], style: Style, *, repair: bool) -> Iterator[ShownLine]:
    """Yield the differences of the application's own files, those with lines first. repair: of a release that
    the host has, whose files are known by name only."""
    if not source or style.diff_lines == 0:
        return
    if repair:
        for kind, sign in (("changed file", "~"), ("new file", "+"), ("removed", "-")):
            named = [flat(c.before or c.after) for c in source if c.what == kind]
            yield from names(kind, sign, named, files_of(c for c in source if c.what == kind), style=style)
        return
    for change in sorted(source, key=lambda change: not change.text):
        name = flat(change.what.removeprefix("changed file "))
        if change.text:
            yield ShownLine("place", f"~ {name}")
            yield from hunks(change, style.diff_lines)
        elif change.what.startswith("changed file "):
            yield ShownLine("hunk", f"~ {name}  {flat(change.before)} -> {flat(change.after)}")
    for kind, sign in (("new file", "+"), ("removed", "-")):
        named = [flat(c.before or c.after) for c in source if c.what == kind]
        count = sum(number_of(c) for c in source if c.what == kind)
        if is_new(source):
            yield from listed("files", named if style.diff_lines is None else briefly(named, count))
        else:
            yield from names(kind, sign, named, count, style=style)


def briefly(named: Sequence[str], count: int) -> list[str]:
    """Return the first of some names, and how many more there are. count: of the files that they stand for."""
    if count <= MOST_NAMES + 1:
        return list(named)
    return [*named[:MOST_NAMES], f"and {count - MOST_NAMES} more"]


def names(kind: str, sign: str, named: Sequence[str], count: int, *, style: Style) -> Iterator[ShownLine]:
    """Yield names of files: a line for each if they are few. count: of the files that they stand for."""
    colour = {"+": "add", "-": "remove", "~": "hunk"}[sign]
    shown = named if style.diff_lines is None or len(named) <= MOST_NAMES + 1 else named[:MOST_NAMES]
    yield from (ShownLine(colour, f"{sign} {name}") for name in shown)
    if len(shown) < len(named):
        yield ShownLine("dim", f"{sign} {count - len(shown)} more: {kind} (--diff shows all)")


def hunks(change: Change, most: int | None) -> Iterator[ShownLine]:
    """Yield a diff without the two lines that name its file."""
    yield from folded([line for line in unified(change, None) if line.kind != "dim"], most)


def requirement(change: Change) -> str:
    """Return `flask 3.0.3 -> 3.1.0`, `+ redis==5.0` or `- redis==5.0`."""
    before, after = flat(change.before), flat(change.after)
    was, now = PINNED.fullmatch(before), PINNED.fullmatch(after)
    if was and now:
        return f"{now[1]} {was[2]} -> {now[2]}"
    if before and after:
        return f"{before} -> {after}"
    return f"+ {after}" if after else f"- {before}" if before else flat(change.what)


def variable(change: Change) -> str:
    """Return a variable with the sign of its change."""
    sign = "~" if change.before and change.after else "+" if change.after else "-"
    return f"{sign} {flat(change.what.partition(' ')[2])}"


def variables(steps: Sequence[StepDone]) -> list[str]:
    """Return the variables that change; without one, what else differs of their file."""
    named = [variable(change) for change in changes_of(steps, "variable")]
    return named or [f"{flat(step.step)}: {causes(step)}" for step in steps]


def is_command(step: StepDone) -> bool:
    """Return whether a step runs a command of the application's."""
    return any(change.what == "command" for change in step.diff)


def command(step: StepDone, style: Style) -> str:
    """Return a command in the user's words."""
    words = flat(next(change.after for change in step.diff if change.what == "command"))
    words = OURS.sub("", words).removeprefix("/usr/bin/env ")
    words = re.sub(r"^python django_chores\.py ", "", words)
    return f"{words} ({style.word(step.state)})" if step.state == "maybe" else words


def unit_lines(step: StepDone, style: Style) -> Iterator[ShownLine]:
    """Yield how a unit differs from that of the instance before. One that is new is prov's own matter."""
    changed = [c for c in remaining(step.diff) if c.text and not diffs.is_new(c)]
    if not changed or style.diff_lines == 0:
        return
    name = re.sub(r"@[0-9a-f]{12}", "@", flat(step.step).removeprefix("unit file "))
    yield ShownLine("place", f"~ unit {name}")
    for change in changed:
        yield from hunks(change, style.diff_lines)


def switch(parts: dict[str, list[StepDone]], turned: Sequence[str], *, repair: bool) -> Iterator[str]:
    """Yield how the new instance comes into service. repair: the release is the one in service."""
    started = parts.get("start", [])
    if not started:
        return
    if not (turned or repair) and parts.get("source") and not parts.get("release"):
        yield f"{started[0].role} started it, and it did not come into service"
        return
    server = started[0].role
    if any(change.what == "restart" for change in started[0].diff):
        yield f"{server} starts again; its socket keeps connections waiting"
        return
    again = any(step.diff and step.diff[0].before for step in parts.get("release", ()))
    yield f"{server} starts it{' beside the release before' if again else ''}"
    if turned:
        yield f"then {' and '.join(turned)} {'turns' if len(turned) == 1 else 'turn'} to it"


def listed(what: str, words: Iterable[str]) -> Iterator[ShownLine]:
    """Yield `packages     flask 3.0.3 -> 3.1.0, + redis==5.0`, broken between the items."""
    found = [word.replace(" ", "\xa0") for word in words]
    if not found:
        return
    text = textwrap.wrap(", ".join(found), WIDTH - LEAD, break_long_words=False, break_on_hyphens=False)
    for index, line in enumerate(text):
        yield ShownLine("hunk", f"{'' if index else what:<{LEAD}}" + line.replace("\xa0", " "))
