"""Writes docs/steps.md, docs/builtin-roles.md, and the tables in docs/servers.md and docs/platforms.md.

Run it as `python docs/generate.py`.

They say what docstrings and declarations say; a test compares them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import provision.steps
from provision.declared import role_folders
from provision.declared.serving_roles import Server, servers
from provision.inventory.platform_names import platform_names
from provision.platforms.platform_model import PARTS
from provision.platforms.platform_model import find as find_platform
from provision.roles import docs as roledocs
from provision.roles.role_model import find
from provision.steps.base import Step

PAGE = Path(__file__).parent / "steps.md"
SERVERS_PAGE = Path(__file__).parent / "servers.md"
PLATFORMS_PAGE = Path(__file__).parent / "platforms.md"
ROLES_PAGE = Path(__file__).parent / "builtin-roles.md"
COMMON = {f.name for f in fields(Step)}
HEAD = """# Steps

Every step is a function: its first argument is the host, the others are the wanted state. It returns an outcome at
once; reading `.changed`, `.stdout` or `.diff` of that waits for it. All steps also take

- `timeout`: seconds after which the step is stopped and fails; the default depends on the kind,
- `when`: earlier outcomes, one of which must have changed something, or the step does nothing,
- `ignore_errors`: a reason; a failure is then shown, and the host's run continues,
- `retries` and `delay`: how often a step that fails is tried again, and the seconds before each time; each try has
  all of the `timeout`,
- `as_user`: a user to act as in all that the step does, instead of root: what they may not read or write is refused,
  what is made is theirs, and commands are run as them.

A step that is made of several, such as `timers.timer`, gives each of them these options.

This page is made from the docstrings by `python docs/generate.py`.
"""


ROLES_HEAD = """# The built-in roles

What `prov roles NAME` tells, on one page. Parameters go into the variable of the role's name:
`nginx: {worker_connections: 4096}`. They are typed, and a misspelt one is refused with the nearest match.

This page is made from the roles' docstrings by `python docs/generate.py`.
"""


def roles_page() -> str:
    """The text of the page about the built-in roles."""
    parts = [ROLES_HEAD]
    for name in role_folders.names([role_folders.BUILTIN]):
        role = find(name, [role_folders.BUILTIN])
        assert role is not None
        parts.append(f"\n## {name}\n\n{role.doc}\n")
        if role.server:
            parts.append(f"\nServes {spoken(role.server)}. Package: {package(role.server)}.\n")
        if role.front:
            parts.append(f"\nOffers {', '.join(f'`{word}`' for word in role.front.offers)}.\n")
        if role.backing:
            parts.append(f"\nApplications reach it by: {', '.join(role.backing.reached_by)}.\n")
        notes = {"Requires": role.requires, "Runs after": role.after}
        order = [f"{what}: {', '.join(f'`{n}`' for n in names)}." for what, names in notes.items() if names]
        if role.front:
            order[-1] = order[-1].replace(".", ", and every server.")
        parts += ["\n" + line + "\n" for line in order]
        rows = [row(parameter) for parameter in roledocs.parameters(role.params)]
        if rows:
            parts.append("\n| parameter | type | default | |\n|---|---|---|---|\n" + "".join(rows))
        tasks = [f"- `{name}.{task.name}`: {task.doc}\n" for task in roledocs.task_docs(role)]
        parts.append("\nTasks:\n\n" + "".join(tasks))
    return "".join(parts)


def spoken(server: Server) -> str:
    """The interfaces that a server speaks, as people write them."""
    return ", ".join(word.upper() for word in server.serves)


def package(server: Server) -> str:
    """What a server brings into an application's environment."""
    return f"`{server.package}`" if server.package else "the distribution's"


def servers_table() -> str:
    """The built-in servers, for docs/servers.md."""
    lines = ["| server | speaks | package | what it is |", "|---|---|---|---|"]
    for server in servers([role_folders.BUILTIN]):
        role = find(server.name, [role_folders.BUILTIN])
        assert role is not None
        what = role.doc.split("\n", 1)[0].partition(": ")[2]
        default = "".join(f" Default for {word.upper()}." for word in server.default_for)
        link = f"[{server.name}](builtin-roles.md#{server.name})"
        lines.append(f"| {link} | {spoken(server)} | {package(server)} | {what}{default} |")
    return "\n".join(lines)


def servers_page(text: str) -> str:
    """docs/servers.md with its table as the roles declare it."""
    return with_table(text, "servers", servers_table())


def platforms_table() -> str:
    """What each platform has for each part of an application, for docs/platforms.md."""
    names = platform_names()
    lines = [f"| part | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for part in PARTS:
        cells = [find_platform(name).counterparts[part] for name in names]
        lines.append(f"| {part} | {' | '.join(cells)} |")
    return "\n".join(lines)


def platforms_page(text: str) -> str:
    """docs/platforms.md with its table as the platforms declare it."""
    return with_table(text, "platforms", platforms_table())


def with_table(text: str, name: str, table: str) -> str:
    """A page with a table between the marks of its name."""
    before, _, rest = text.partition(f"<!-- {name} -->\n")
    return f"{before}<!-- {name} -->\n{table}\n{rest[rest.index(f'<!-- end of {name} -->') :]}"


def row(parameter: roledocs.Parameter) -> str:
    """A parameter as a line of a table."""
    default = "required" if parameter.default is None else f"`{parameter.default}`"
    cells = (f"`{parameter.name}`", f"`{parameter.type}`", default, parameter.doc)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def page() -> str:
    """The text of the reference."""
    parts = [HEAD]
    for module in modules():
        entries = list(steps_of(module))
        if entries:
            name = module.__name__.rsplit(".", 1)[-1]
            first = (module.__doc__ or "").split("\n", 1)[0]
            parts.append(f"\n## {name}\n\n{shipped_removed(first)}\n")
            parts += [entry(name, function, target) for function, target in entries]
    return "".join(parts)


def modules() -> Iterator[ModuleType]:
    """The modules of steps, by name."""
    for found in pkgutil.iter_modules(provision.steps.__path__):
        if not found.ispkg:
            yield importlib.import_module(f"provision.steps.{found.name}")


def steps_of(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """(name, step class or function) of everything in a module that a role calls."""
    for name, value in vars(module).items():
        step_class = getattr(value, "step_class", None)
        if step_class is not None:
            # not those that a module only imports from another one, where roles call them
            if value.__module__ == module.__name__:
                yield name, step_class
        elif inspect.isfunction(value) and value.__module__ == module.__name__ and takes_host(value):
            yield name, value


def takes_host(function: Callable[..., Any]) -> bool:
    """Whether a function is called with a host and returns an outcome."""
    return list(inspect.signature(function).parameters)[:1] == ["c"] and not function.__name__.startswith("_")


def entry(module: str, name: str, target: Any) -> str:
    """One step: how it is called, and its docstring."""
    parameters = inspect.signature(target).parameters.values()
    # what is made of several steps hands the options of all steps on to each
    arguments = [a for a in parameters if a.name not in COMMON and a.name != "c" and "Options" not in str(a)]
    shown = ", ".join(["c", *(argument(a) for a in arguments)])
    doc = "\n".join(inspect.cleandoc(c.__doc__ or "") for c in (target, *sharing(target)))
    # "name: what it is.  other: ..." of our docstrings, one to a line; "Source:" is not an argument
    lines = re.sub(r"\.  (?=[a-z_]+(, [a-z_]+)*: )", ".\n", doc)
    text = re.sub(r"(?m)^([a-z]\w*(?:, \w+)*):", r"- `\1`:", lines)
    return f"\n### {module}.{name}\n\n```python\n{module}.{name}({shown})\n```\n\n{spaced(text)}\n"


def sharing(target: Any) -> list[type]:
    """The classes whose parameters a step has as well as its own."""
    above = target.__mro__[1:] if inspect.isclass(target) else ()
    return [c for c in above if issubclass(c, Step) and c is not Step and c.__annotations__]


def argument(parameter: inspect.Parameter) -> str:
    """A parameter with its default."""
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return f"**{parameter.name}"
    if parameter.default is inspect.Parameter.empty:
        return parameter.name
    return f"{parameter.name}={parameter.default!r}"


def spaced(text: str) -> str:
    """A list needs an empty line before it, and one after."""
    lines: list[str] = []
    for line in text.splitlines():
        previous = lines[-1] if lines else ""
        if line.startswith("- ") and previous and not previous.startswith(("- ", "  ")):
            lines.append("")
        elif previous.startswith(("- ", "  ")) and line and not line.startswith(("- ", "    ")):
            # the rest of an entry
            line = "  " + line.strip()
        lines.append(line)
    return "\n".join(lines)


def shipped_removed(text: str) -> str:
    """A module's first line without the remark for those who read its code."""
    return re.sub(r"\s*Shipped( to hosts)?( \(.*\))?\.", "", text).strip()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    ROLES_PAGE.write_text(roles_page(), encoding="utf-8")
    for place, made in ((SERVERS_PAGE, servers_page), (PLATFORMS_PAGE, platforms_page)):
        place.write_text(made(place.read_text(encoding="utf-8")), encoding="utf-8")
