"""Reads the command line of a web process: its server, what it serves, and from which folder."""

from __future__ import annotations

import configparser
import itertools
import re
from collections.abc import Callable, Mapping, Sequence

from provision.declared import serving_roles
from provision.declared.role_folders import BUILTIN
from provision.values import dataclass

TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(\))?")
#: servers that serve a name of their own choice if only a module is named
MODULE = re.compile(r"[A-Za-z_]\w*(\.\w+)+")
#: arguments that look like modules, and are files
FILE = re.compile(r".*\.(py|ini|toml|ya?ml|json|log|sock|pid|pem|key|crt)")
#: options that name a working folder, and a folder that modules are imported from
FOLDERS = ("--chdir",)
IMPORTED_FROM = ("--pythonpath", "--app-dir")
#: options that have another place in an inventory
SETTINGS = (
    *("--workers", "--processes", "--threads", "--timeout", "--max-requests", "--config", "--worker-class"),
    *("-k", "-c", "-t"),
)


@dataclass(frozen=True)
class ServedCommand:
    """What a web process serves. server: the built-in role.  place: module:callable, or "" if it is unknown.

    folder: its working folder in the source; "" for the source itself.  pythonpath: where its module is imported
    from, below that.  options: settings of the server, as they were written.
    """

    server: str
    place: str
    interface: str
    folder: str = ""
    pythonpath: str = ""
    options: Sequence[str] = ()


def served_by(command: str, text_of: Callable[[str], str], folder: str = "") -> ServedCommand | None:
    """Return what the command line of a built-in server serves; None for other commands.

    text_of: returns the contents of a file of the source, or "".  folder: where the command runs.
    """
    servers = {
        name: server for server in serving_roles.servers([BUILTIN]) for name in (server.name, *server.aliases)
    }
    words = [
        part
        for word in words_in(command)
        for part in (word.split("=", 1) if word.startswith("-") else [word])
    ]
    start = next((i for i, word in enumerate(words) if word.rpartition("/")[2] in servers), None)
    if start is None:
        return None
    program = servers[words[start].rpartition("/")[2]]
    rest = words[start + 1 :]
    if program.module_options:
        rest += options_in_files(program, rest, text_of)
    # a worker class of another server: -k NAME.workers.Worker, or NAME_worker.Worker
    worker = option(rest, ("-k", "--worker-class"))
    other = servers.get(re.split(r"[._]", worker)[0]) if re.match(r"\w+[._]worker", worker) else None
    server = other or program
    wanted = "asgi" if "asgi" in rest or worker == "asgi" else "wsgi" if "wsgi" in rest else ""
    place, mode = served_place(rest, program)
    wanted = mode or wanted
    interface = wanted if wanted in server.serves else server.serves[0]
    folder = option(rest, FOLDERS) or folder
    imported_from = relative(option(rest, IMPORTED_FROM))
    options = settings(rest, worker if other or worker == "asgi" else "")
    return ServedCommand(server.name, place, interface, relative(folder), imported_from, options)


def words_in(command: str) -> list[str]:
    """Return the words of a command line, whatever quotes they are in: also those of a line for `sh -c`."""
    return command.replace('"', " ").replace("'", " ").split()


def served_place(words: Sequence[str], server: serving_roles.Server) -> tuple[str, str]:
    """Return module:callable in the arguments of a server, and the interface that stands before it."""
    if server.module_options:
        return named_place(words, server), ""
    for word in words:
        # as in wsgi:module:callable
        mode, _, rest = word.partition(":")
        if mode in serving_roles.INTERFACES and TARGET.fullmatch(rest):
            return rest, mode
        if TARGET.fullmatch(word) and mode != "unix":
            return word, ""
    alone = [w for w in words if MODULE.fullmatch(w) and not FILE.fullmatch(w) and "worker" not in w.lower()]
    return (f"{alone[0]}:{server.object}" if alone else ""), ""


def options_in_files(
    server: serving_roles.Server, words: Sequence[str], text_of: Callable[[str], str]
) -> list[str]:
    """Return the options in the INI files that a server is started with, as arguments: those below its own name."""
    found: list[str] = []
    for path in (word for word in words if word.endswith(".ini")):
        reader = configparser.RawConfigParser(strict=False, allow_no_value=True)
        try:
            reader.read_string(text_of(path.removeprefix("./")))
        except configparser.Error:
            continue
        options: Mapping[str, str | None] = reader[server.name] if reader.has_section(server.name) else {}
        found += [part for name, value in options.items() for part in (f"--{name}", value or "")]
    return found


def named_place(words: Sequence[str], server: serving_roles.Server) -> str:
    """Return module:callable in the options of a server that names it by some."""
    module = option(words, server.module_options)
    if not module:
        module = option(words, server.file_options).removeprefix("./").removesuffix(".py").replace("/", ".")
    name = option(words, ("--callable",)) or server.object
    place = module if ":" in module else f"{module}:{name}"
    return place if TARGET.fullmatch(place) else ""


def settings(words: Sequence[str], understood: str) -> list[str]:
    """Return options that have another place in an inventory. understood: the worker class, if prov knows it."""
    pairs = itertools.pairwise(words)
    return [f"{name} {value}" for name, value in pairs if name in SETTINGS and value != understood]


def option(words: Sequence[str], names: Sequence[str]) -> str:
    """Return the value of an option; "" without it."""
    return next((value for name, value in itertools.pairwise(words) if name in names), "")


def relative(folder: str) -> str:
    """Return a folder of the source without "./"; "" for the source itself, or another place."""
    inside = folder.strip().removeprefix("./").rstrip("/")
    return "" if inside == "." or inside.startswith(("/", "~", "$", "%", "..")) else inside
