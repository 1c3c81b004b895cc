"""Reads a Procfile: what is served, commands for a release, processes.

Source: Heroku's "The Procfile": `<process type>: <command>`, the process types web and release are special; a
shell runs each command.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import field

from provision.declared import serving_roles
from provision.declared.role_folders import BUILTIN
from provision.errors import ConfigError
from provision.values import dataclass

LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*)")
#: separators of commands, in a line that needs no shell to be understood
ONE_AFTER_ANOTHER = re.compile(r"\s*(?:&&|;)\s*")
#: characters that only a shell understands
SHELL = re.compile(r"[$`|<>*?~]|\\|&|;|\(")
TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(\))?")
#: servers that serve `application` if only a module is named
MODULE = re.compile(r"[A-Za-z_]\w*(\.\w+)+")


@dataclass(frozen=True)
class ProcfileParts:
    """served: (module:callable, interface), or None.  before: commands in web and release that run before it.

    processes: by name; each is a list of words.
    """

    served: tuple[str, str] | None = None
    before: Sequence[Sequence[str]] = ()
    processes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def read_procfile(text: str, name: str) -> ProcfileParts:
    """Read a Procfile. name: for errors. Raises ConfigError with the number of an invalid line."""
    served: tuple[str, str] | None = None
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
        if part in ("web", "release"):
            *first, last = ONE_AFTER_ANOTHER.split(command)
            serves = serving(last) if part == "web" else None
            served = served or serves
            before += [words_of(each, where) for each in (first if part == "web" else [*first, last])]
        else:
            processes[part.lower().replace("_", "-")] = words_of(command, where)
    return ProcfileParts(served, before, processes)


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


def serving(command: str) -> tuple[str, str] | None:
    """Return what a built-in server's command line serves, and its interface; None for other commands."""
    speaks = {server.name: server.serves for server in serving_roles.servers([BUILTIN])}
    words = command.replace('"', " ").replace("'", " ").split()
    program = next((word for word in words if word.rpartition("/")[2] in speaks), "")
    if not program:
        return None
    first, *others = speaks[program.rpartition("/")[2]]
    # a worker class of another server: -k NAME.workers.Worker
    asynchronous = "asgi" in words or any(
        f"{name}.workers" in command for name, serves in speaks.items() if "asgi" in serves
    )
    wanted = "asgi" if asynchronous else "wsgi" if "wsgi" in words else first
    rest = words[words.index(program) + 1 :]
    named = [word for word in rest if TARGET.fullmatch(word)]
    alone = [word for word in rest if MODULE.fullmatch(word) and "worker" not in word.lower()]
    place = named[0] if named else f"{alone[0]}:application" if alone else ""
    return (place, wanted if wanted in others else first) if place else None
