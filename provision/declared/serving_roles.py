"""Servers: roles that declare what they serve.

SERVES = ("wsgi", "asgi")         the interfaces that it speaks
PACKAGE = "waitress>=3,<4"        what an application's environment needs; None if the role installs it
ALIASES = ("waitress-ng",)        optional: other packages that an application may list for this server
DEFAULT_FOR = ("wsgi",)           built-in roles only: the server of applications that name none
MODULE_OPTIONS = ("--module",)    optional: options of its command line that name the module it serves
FILE_OPTIONS = ("--file",)        optional: options that name its file
OBJECTS = ("app",)                optional: what it serves of a module that is named alone; default: application

A module with SERVES also has a function `program(c, release, p) -> Program` (provision.serving.instances).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from provision.declared.constants import Constant, RoleModules, declared, refusal, source_of, words
from provision.declared.role_folders import BUILTIN
from provision.errors import ConfigError
from provision.names import suggestion
from provision.values import dataclass

Interface = Literal["wsgi", "asgi"]
INTERFACES: tuple[Interface, ...] = get_args(Interface)
#: a requirement as in PEP 508: name, extras, versions; no URL and no marker
REQUIREMENT = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9, ._-]+\])?"
    r"( *(===|~=|==|!=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+( *, *(===|~=|==|!=|<=|>=|<|>) *[A-Za-z0-9.*+!_-]+)*)?"
)
PROGRAM = "program"


@dataclass(frozen=True)
class Server:
    """What the role of a server declares. file: of its module.  package: a requirement, or None.

    aliases: other packages that install the server.  module_options, file_options: of its command line, for what it
    serves.  object: what it serves of a module that is named alone.
    """

    name: str
    file: str
    serves: tuple[Interface, ...]
    package: str | None
    default_for: tuple[Interface, ...] = ()
    aliases: tuple[str, ...] = ()
    module_options: tuple[str, ...] = ()
    file_options: tuple[str, ...] = ()
    object: str = "application"


def server(name: str, folders: Sequence[Path]) -> Server | None:
    """The server of that name; None if there is no such role, or it is not a server.

    Raises ConfigError, with file and line, if the role declares itself wrongly.
    """
    source = source_of(name, folders)
    if source is None:
        return None
    serves = source.get("SERVES")
    if serves is None:
        return None
    if source.where(PROGRAM) is None:
        raise ConfigError(
            f"role {name!r} has SERVES, but no function `{PROGRAM}`",
            where=serves.where,
            hint=f"Write:  def {PROGRAM}(c: Host, release: Release, p: ServerParams) -> Program",
        )
    spoken = interfaces(serves)
    if not spoken:
        raise ConfigError("SERVES must name at least one interface", where=serves.where)
    # not of a role that it extends
    default = source.modules[0].constants.get("DEFAULT_FOR")
    chosen = interfaces(default) if default else ()
    if default and not (Path(source.file).is_relative_to(BUILTIN) and set(chosen) <= set(spoken)):
        raise ConfigError(
            "DEFAULT_FOR is for built-in servers, and for interfaces in SERVES",
            where=default.where,
            hint=f"Remove it; applications name this server by `server: {name}`.",
        )
    aliases, modules, files, objects = (
        words(found, example=("other",)) if (found := source.get(each)) else ()
        for each in ("ALIASES", "MODULE_OPTIONS", "FILE_OPTIONS", "OBJECTS")
    )
    needs = package(source, serves)
    return Server(
        name, source.file, spoken, needs, chosen, aliases, modules, files, (*objects, "application")[0]
    )


def named(name: str, folders: Sequence[Path]) -> Server:
    """The server that an application names.

    Raises ValueError if no server has that name, and ConfigError as `server` does, also for a role that lacks
    only SERVES.
    """
    found = server(name, folders)
    if found is not None:
        return found
    source = source_of(name, folders)
    if source is not None and (source.misspelling("SERVES") or source.where(PROGRAM)):
        raise undeclared(name, folders)
    known = [each.name for each in servers(folders)]
    raise refusal(name, folders, lacks="SERVES", so="not a server", known=known)


def undeclared(name: str, folders: Sequence[Path]) -> ConfigError:
    """Return the error for a role that lacks only SERVES to be a server."""
    source = source_of(name, folders)
    assert source is not None
    misspelling = source.misspelling("SERVES")
    if misspelling is not None:
        return misspelling
    program, extends = source.where(PROGRAM), source.get("EXTENDS")
    if program is None and extends is not None:
        message = f"role {name!r} extends a server, but prov cannot read which"
        hint = "Write:  from provision.builtin import NAME  and  EXTENDS = NAME"
        return ConfigError(message, where=extends.where, hint=hint)
    hint = 'Declare what it serves:  SERVES = ("wsgi",)'
    return ConfigError(f"role {name!r} has no SERVES", where=program or source.file, hint=hint)


def interfaces(constant: Constant) -> tuple[Interface, ...]:
    """The interfaces that a constant names. Raises ConfigError."""
    value = words(constant, example=("wsgi",))
    for word in value:
        if word not in INTERFACES:
            known = ", ".join(INTERFACES)
            message = (
                f"{constant.name}: {word!r} is not an interface ({known}).{suggestion(word, INTERFACES)}"
            )
            raise ConfigError(message, where=constant.where)
    return tuple(cast("Interface", word) for word in value)


def package(source: RoleModules, serves: Constant) -> str | None:
    """The package of a server. Raises ConfigError."""
    constant = source.get("PACKAGE")
    example = (
        f'Write  PACKAGE = "{source.role}>=1,<2"  or, if the role\'s own steps install it,  PACKAGE = None'
    )
    if constant is None:
        source.refuse_misspelling("PACKAGE")
        message = f"role {source.role!r} has SERVES, but no PACKAGE"
        raise ConfigError(message, where=serves.where, hint=example)
    value: Any = constant.value
    if not constant.is_literal:
        message = "PACKAGE must be literal text: prov reads it without running the role"
        raise ConfigError(message, where=constant.where, hint=example)
    if value is None or (isinstance(value, str) and REQUIREMENT.fullmatch(value)):
        return value
    message = f"PACKAGE must be a requirement such as 'name>=1,<2', or None, not {value!r}"
    raise ConfigError(message, where=constant.where, hint=example)


def servers(folders: Sequence[Path], declaring: str = "SERVES") -> list[Server]:
    """Every server, by name; roles that declare themselves wrongly are left out.

    declaring: a word of the declaration, by which to look for some of them only.
    """
    return declared(declaring, folders, server)


def serving(interface: Interface, folders: Sequence[Path]) -> list[str]:
    """Names of the servers that speak an interface; the default one is the first."""
    able = [each for each in servers(folders) if interface in each.serves]
    default = default_server(interface)
    return [each.name for each in sorted(able, key=lambda each: each.name != default)]


@functools.cache
def default_server(interface: Interface) -> str:
    """The server of applications that name none: a built-in one."""
    chosen = servers([BUILTIN], "DEFAULT_FOR")
    return next(each.name for each in chosen if interface in each.default_for)
