"""Reads what the image of a project starts: its Dockerfile, and the shell scripts that this or a Procfile starts.

Source: Docker's "Dockerfile reference": the last CMD and ENTRYPOINT count, CMD is added to ENTRYPOINT, both are a list
in JSON or a line for a shell; an instruction goes on after a backslash.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Iterator

from provision.apps.project_files import ProjectFiles
from provision.apps.served_command import ServedCommand, served_by, words_in

NAMES = ("Dockerfile", "Containerfile")
#: an instruction with its text, which may go on over lines
INSTRUCTION = re.compile(r"(?im)^[ \t]*(CMD|ENTRYPOINT|ENV)[ \t]+((?:[^\n\\]|\\.|\\\n)*)")
CONTINUED = re.compile(r"\\\r?\n\s*")
#: how a server is started while people work on the code
FOR_DEVELOPMENT = re.compile(r"(^|\s)--reload\b")


def image_files(files: ProjectFiles) -> list[str]:
    """Return the paths of Dockerfiles, nearest to the top first."""
    return [path for name in NAMES for path in files.named(name)]


def started_by_image(files: ProjectFiles) -> tuple[str, ServedCommand] | None:
    """Return the file that starts a server that prov knows, and what it serves; None if there is none.

    Of several Dockerfiles, the one nearest to the top counts.
    """
    for path in image_files(files):
        found = started_by(files, started(files.text(path)), path)
        if found:
            return found
    return None


def started_by(files: ProjectFiles, command: str, said_in: str) -> tuple[str, ServedCommand] | None:
    """Return what a command serves, itself or in the shell scripts of the source that it starts.

    said_in: the file that has the command.
    """
    served = served_in_source(files, command)
    if served:
        return said_in, served
    for path in scripts_in(files, command):
        lines = CONTINUED.sub(" ", files.text(path)).splitlines()
        for line in filter(runs_something, reversed(lines)):
            served = served_in_source(files, line)
            if served:
                return path, served
    return None


def served_in_source(files: ProjectFiles, command: str) -> ServedCommand | None:
    """Return what a command line serves, if it names that."""
    served = served_by(command, lambda path: files.text(place_of(files, path)))
    return served if served and served.place else None


def started(text: str) -> str:
    """Return the command line that a Dockerfile starts; "" without one."""
    last = {kind.upper(): line_of(rest) for kind, rest in INSTRUCTION.findall(text) if kind.upper() != "ENV"}
    return " ".join(filter(None, (last.get("ENTRYPOINT", ""), last.get("CMD", ""))))


def line_of(text: str) -> str:
    """Return a command line, which was written as a list in JSON or as a line."""
    line = CONTINUED.sub(" ", text).strip()
    try:
        found = json.loads(line)
    except ValueError:
        return line
    # `sh -c` with a whole line: served_by takes words, not quotes
    return " ".join(map(str, found)) if isinstance(found, list) else line


def runs_something(line: str) -> bool:
    """Return whether a line of a script starts a program, and not one for people who work on the code."""
    return not re.match(r"\s*(#|echo\b|printf\b)", line) and not FOR_DEVELOPMENT.search(line)


def scripts_in(files: ProjectFiles, command: str) -> Iterator[str]:
    """Yield the shell scripts of the source that a command line names."""
    for word in words_in(command):
        path = place_of(files, word)
        first = files.text(path).partition("\n")[0] if path else ""
        if path and (path.endswith(".sh") or re.match(r"#!.*\b(ba|da|k|z)?sh\b", first)):
            yield path


def place_of(files: ProjectFiles, path: str) -> str:
    """Return the file of the source that an image has under a path: the only one of its name; "" if none is.

    Where an image has the source is said by its COPY lines, in more ways than are worth reading.
    """
    inside = path.removeprefix("./")
    if inside in files.paths:
        return inside
    found = files.named(posixpath.basename(path))
    return found[0] if len(found) == 1 else ""


def variable_in_images(files: ProjectFiles, name: str) -> tuple[str, str]:
    """Return the value that a Dockerfile gives a variable, and the file's path; ("", "") if none does."""
    for path in image_files(files):
        for kind, rest in INSTRUCTION.findall(files.text(path)):
            if kind.upper() == "ENV":
                found = values_of(CONTINUED.sub(" ", rest)).get(name)
                if found:
                    return found, path
    return "", ""


def values_of(text: str) -> dict[str, str]:
    """Return the variables of an ENV instruction: `NAME=value ...`, or the old `NAME value`."""
    try:
        words = shlex.split(text)
    except ValueError:
        return {}
    if words and "=" not in words[0]:
        return {words[0]: " ".join(words[1:])}
    return {name: value for name, _, value in (word.partition("=") for word in words)}
