"""A failure for people: what, where in the role, the command and its last output, what to do next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from provision.controller.events import StepDone
from provision.controller.visible import uncoloured, visible
from provision.errors import ConfigErrors, ProvError, StepError
from provision.report.shown_lines import ShownLine, flat, last_line, lines
from provision.report.tracebacks import cause_in, shown
from provision.steps.support.installers import UNTOUCHED

#: lines of each stream; the host sends only the last ones
STREAM_LINES = 30
#: the answer that a health check got, in the words of steps/waiting.py
STATUS = re.compile(r"status (\d{3})\b")


#: a command of prov's in a hint, for the host that has failed
COMMAND = re.compile(r"(\bprov \w+ )HOST\b")

#: the list of versions of an error of pip's, and its end
VERSIONS = re.compile(r"\(from versions: (?:[^,()]+, ){4,}((?:[^,()]+, ){2}[^,()]+)\)")
#: what pip says after the line that names the versions
NO_MATCH = re.compile(r"ERROR: No matching distribution found for (\S+)")
#: what a step of an application that fails was about, by the part of it
PARTS = {
    "source": "could not get its files in place",
    "packages": "could not get its packages installed",
    "environment": "could not get its environment written",
    "import": "cannot be imported",
    "command": "failed in a command of its own",
    "unit": "has a unit that systemd does not take",
    "start": "does not start",
    "health": "does not answer as it should",
    "release": "could not have its release recorded",
}
#: what the agent says of a command that ends with another status than 0
FAILED = "the command failed"
#: the target is not found, rather than what a file of the application's imports
NOT_FOUND = re.compile(
    r"cannot be imported: (?:ModuleNotFoundError: |[\w.]+:\S+: module .* has no attribute )"
)
#: how packages fail that do not fit the Python, or each other
UNFIT = re.compile(
    r"cannot be imported: (?:\S+:\d+: )?(?:Attribute|Import|ModuleNotFound|Name|Syntax)Error\b"
)
#: the package that was running, of the last line of a traceback that names a file
IN_PACKAGE = re.compile(r'File "[^"]*/site-packages/([\w-]+)[^"]*", line \d+(?![\s\S]*^ *File ")', re.M)
#: a health path that has not answered in time
TIMED_OUT = re.compile(r" within ([\d.]+) s: ")
#: a project that asks for its own version; only an installed project has one
NO_METADATA = re.compile(
    r"No package metadata was found for (\S+)|The '([\w.-]+)\S*' distribution was not found"
)
#: the package whose build failed, in the output of pip and uv
NOT_BUILT = re.compile(
    r"Collecting (\S+)\n(?:(?! *Collecting ).*\n)*.*finished with status 'error'"
    r"|Failed building wheel for (\S+)|Failed to build `([^`]+)`|while trying to install package\.\s+╰─> (\S+)"
)
#: a table that a database lacks, in the words of SQLite, PostgreSQL and MySQL
NO_TABLE = re.compile(
    r"""no such table: ([\w.]+)|relation "([\w.]+)" does not exist|Table '([\w.]+)' doesn't exist"""
)
#: an application that writes beside its code, where nothing can be written: a file or folder of its release
IN_RELEASE = re.compile(
    r"(?:Permission denied|Read-only file system): '/srv/[\w-]+/releases/[0-9a-f]+/([^/'\s]+)"
)
#: parts after which the front may have turned to the new release
SWITCHED = ("", "release")


def failed_app(event: StepDone) -> str:
    """Return `shop cannot be imported: shop.py:35: SyntaxError: ...`; "" for a step that is about no application."""
    said = PARTS.get(event.about.part, "")
    if not said or event.error is None:
        return ""
    error = event.error
    streams = f"{error.stderr}\n{error.stdout}" if isinstance(error, StepError) else ""
    cause = cause_in(streams)
    answer = STATUS.search(error.message)
    unbuilt = NOT_BUILT.search(streams) if event.about.part == "packages" else None
    if unbuilt:
        said = f"{said}: {next(filter(None, unbuilt.groups()))} is not built"
    if answer:
        said = f"answers {answer[1]}"
    if not cause:
        ends = event.about.part in ("import", "command") and last_line(streams)
        cause = "" if answer else ends or error.message
    return in_brief(flat(": ".join(filter(None, [f"{event.about.app} {said}", cause]))))


def in_brief(text: str) -> str:
    """Return what pip says without all but the newest of the versions that it knows."""
    return VERSIONS.sub(r"(from versions: ..., \1)", text)


def step_failure(event: StepDone, *, verbose: bool = False, builtin: bool = False) -> Iterator[ShownLine]:
    """Return the lines about what went wrong in a step.

    verbose: show what programs said unabridged.  builtin: it is of a built-in role, whose code is prov's matter.
    """
    if failed_app(event) and not verbose:
        yield from app_failure(event)
        return
    if event.error is not None:
        yield from lines("message", event.error.message)
    brief = builtin and not verbose
    if event.where and not brief:
        yield ShownLine("place", event.where)
        if event.line:
            yield from (line.indented("    ") for line in lines("code", event.line))
    if isinstance(event.error, StepError):
        yield from command(event.error, named=not brief or event.error.message == FAILED)
    if event.ignored:
        yield from lines("dim", f"continues: {event.ignored}")
    if event.error is not None:
        yield from hint(event.error, event.host)


def app_failure(event: StepDone) -> Iterator[ShownLine]:
    """Return the lines about a failed step of an application: the state of things, and what its program said."""
    error = event.error
    assert error is not None  # it has failed
    if event.about.part not in SWITCHED:
        yield ShownLine(
            "message",
            f"The new release is not in service. If one served {event.about.app} before, it still does.",
        )
    title = failed_app(event)
    streams = f"{error.stderr}\n{error.stdout}" if isinstance(error, StepError) else ""
    by_cause = event.about.part in ("import", "command") and (cause_in(streams) or error.message == FAILED)
    if not by_cause and not title.endswith(f": {in_brief(flat(error.message))}"):
        yield from lines("", in_brief(error.message))
    if isinstance(error, StepError):
        for name, text in (("stdout", error.stdout), ("stderr", error.stderr)):
            said = list(shown(visible(uncoloured(text))))[-STREAM_LINES:]
            # pip's own line is the message already
            said = [line for line in said if not line or not is_said(line, error.message)]
            if any(said) and not (len(said) == 1 and title.endswith(f": {flat(said[0])}")):
                yield ShownLine("", f"{name}:")
                yield from (ShownLine("dim", f"    {line}" if line else "") for line in said)
    if event.ignored:
        yield from lines("dim", f"continues: {event.ignored}")
    # that the release before still runs has been said
    yield from hint(error, event.host, error.hint.replace(UNTOUCHED, ""))
    yield from (ShownLine("hint", text) for text in advice(event, title, streams))
    yield ShownLine("dim", f"Step: {flat(event.step)} (-v shows all of it)")


def advice(event: StepDone, title: str, streams: str) -> Iterator[str]:
    """Return what the inventory may lack, as sentences. title: of the failure.  streams: what its program said."""
    app, error = event.about.app, event.error
    package = IN_PACKAGE.search(streams) if event.about.part == "import" and UNFIT.search(title) else None
    if package:
        yield f"{package[1]}, one of its packages, fails: does that version fit this Python, and the other packages?"
    elif event.about.part == "import" and NOT_FOUND.search(title):
        where = flat(event.about.said_in) or "in the inventory"
        yield f"Correct `target` of {app}, {where}: module:name."
    missing = NO_METADATA.search(title) if event.about.part == "import" else None
    if missing:
        name = missing[1] or missing[2]
        yield f"If {name} is the project itself, set `install: true`: that installs it, too."
    beside = IN_RELEASE.search(streams)
    if beside:
        yield (
            f"{app} can't write in its release. `writable: [{beside[1]}]` keeps {beside[1]} in its data folder, over"
            " releases; PROV_DATA_DIR names that folder."
        )
    table = NO_TABLE.search(streams)
    if table:
        yield (
            f"The database of {app} lacks the table {next(filter(None, table.groups()))}: have a command in `release`"
            " make its tables, as the application's own docs say."
        )
    silent = TIMED_OUT.search(error.message) if event.about.part == "health" and error else None
    if silent and error and not STATUS.search(error.message) and not cause_in(streams):
        yield f"If {app} needs more than {silent[1]} s to start, set `start_timeout`."


def host_failure(host: str, error: ProvError) -> Iterator[ShownLine]:
    """Return the lines about what ended a host's run early."""
    for single in error.errors if isinstance(error, ConfigErrors) else [error]:
        yield from lines("message", single.message)
        if single.where not in ("", host):
            yield ShownLine("place", single.where)
        if isinstance(single, StepError):
            yield from command(single)
        yield from hint(single, host)


def command(error: StepError, *, named: bool = True) -> Iterator[ShownLine]:
    """Return the lines about a failed command: its exit status and the last lines of both streams.

    named: with its words and its status.
    """
    if error.argv and named:
        yield from lines("", f"command: {shlex.join(error.argv)}")
    if error.status is not None and named:
        yield ShownLine(
            "", f"ended by signal {-error.status}" if error.status < 0 else f"exit status: {error.status}"
        )
    for name, text in (("stdout", error.stdout), ("stderr", error.stderr)):
        if text.strip():
            yield ShownLine("", f"{name}:")
            tail = list(lines("dim", uncoloured(text)))[-STREAM_LINES:]
            yield from (line.indented("    ") for line in tail)


def is_said(line: str, message: str) -> bool:
    """Return whether a line of pip's only says again what a message does."""
    found = NO_MATCH.fullmatch(line)
    return line.removeprefix("ERROR: ") in message or bool(
        found and f"the requirement {found[1]} (" in message
    )


def hint(error: ProvError, host: str, text: str | None = None) -> Iterator[ShownLine]:
    """Return the hint after a blank line, all lines with the same indent. host: takes the place of HOST in commands,
    as a host does not know its name in the inventory.  text: in place of the error's own."""
    text = error.hint if text is None else text
    if text.strip():
        yield ShownLine("", "")
        yield from lines("hint", COMMAND.sub(lambda found: found[1] + host, text.rstrip()))
