"""Reads a Procfile: what is served, commands for a release, processes.

Source: Heroku's "The Procfile": `<process type>: <command>`, the process types web and release are special; a
shell runs each command.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

from provision.apps.served_command import ServedCommand, served_by
from provision.errors import ConfigError
from provision.values import dataclass

LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")
#: separators of commands, in a line that needs no shell to be understood
ONE_AFTER_ANOTHER = re.compile(r"\s*(?:&&|;)\s*")
#: characters that only a shell understands
SHELL = re.compile(r"[$`|<>*?~]|\\|&|;|\(")


@dataclass(frozen=True)
class ProcfileParts:
    """served: what its web process serves; None without one.  web: that command, unless prov knows its server.

    before: commands in web and release that run before it.  processes: by name; each is a list of words.
    """

    served: ServedCommand | None = None
    web: str = ""
    before: Sequence[Sequence[str]] = ()
    processes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_procfile(text: str, name: str, text_of: Callable[[str], str]) -> ProcfileParts:
    """Read a Procfile. name: for errors.  text_of: returns the contents of a file of the source, or "".

    Raises ConfigError with the number of an invalid line.
    """
    served: ServedCommand | None = None
    web = ""
    before: list[Sequence[str]] = []
    processes: dict[str, Sequence[str]] = {}
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.fullmatch(line.strip())
        where = f"{name}:{number}"
        if found is None:
            hint = "Write `NAME: COMMAND`, such as `worker: celery -A shop worker`."
            raise ConfigError(f"{line.strip()!r} is not a line of a Procfile", where=where, hint=hint)
        part, command = found[1], found[2]
        if part in seen:
            raise ConfigError(f"{part!r} is in the Procfile twice", where=where)
        seen.add(part)
        commands = ONE_AFTER_ANOTHER.split(command)
        if part == "web":
            *first, last = commands
            folder = next((each[3:] for each in first if each.startswith("cd ")), "")
            served = served_by(last, text_of, folder)
            web = "" if served else last
            before += [words_of(each, where) for each in first if not each.startswith("cd ")]
        elif part == "release":
            before += [words_of(each, where) for each in commands]
        else:
            processes[part.lower().replace("_", "-")] = words_of(command, where)
    return ProcfileParts(served, web, before, processes)


def words_of(command: str, where: str) -> list[str]:
    """Return the words of a command; the words of a shell that runs it, if it needs one."""
    if SHELL.search(command):
        return ["sh", "-c", command]
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(f"{command!r} is not a command: {str(error).lower()}", where=where) from None
    # `NAME=value command` needs a shell, too
    return ["env", *words] if "=" in words[0] else words
