"""Reads the application in a folder: framework, target, settings, files, processes. It never runs any of it.

Each finding names the file that it is from; what was found but not understood is reported, too.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import field
from functools import cached_property
from pathlib import Path

from provision.values import dataclass

#: largest size of a file to look into, in bytes
MOST_TEXT = 1 << 20
#: folders of a source whose modules are not served
NOT_SERVED = {
    "tests",
    "test",
    "docs",
    "doc",
    "examples",
    "migrations",
    "versions",
    "scripts",
    "bin",
    "node_modules",
}
#: classes of frameworks, and functions that return an application, by the interface that this speaks
INSTANCES = {
    "Flask": "wsgi",
    "FastAPI": "asgi",
    "Starlette": "asgi",
    "Quart": "asgi",
    "Litestar": "asgi",
    "Sanic": "asgi",
    "Bottle": "wsgi",
    "Falcon": "wsgi",
    "APIFlask": "wsgi",
    "Eve": "wsgi",
    # what other libraries make an application with, or put around one
    "make_wsgi_app": "wsgi",
    "wsgifunc": "wsgi",
    "DispatcherMiddleware": "wsgi",
    "ASGIApp": "asgi",
    "WsgiToAsgi": "asgi",
    "mount_gradio_app": "asgi",
}
#: parameter names of plain WSGI and ASGI applications that are functions (PEP 3333, the ASGI specification)
CALLABLES = {("environ", "start_response"): "wsgi", ("scope", "receive", "send"): "asgi"}
FACTORIES = ("create_app", "make_app", "build_app", "get_app", "application_factory")
NAMES = ("app", "application", "api", "server")
#: names of modules that hold what is served, likeliest first
MODULES = ("wsgi", "asgi", "app", "main", "application", "server", "api", "run", "__init__")
#: a project that asks for a version: of a name, or of its own
VERSION = re.compile(r"""\bversion\(\s*(?:["']([\w.-]+)["']|__name__|__package__)\s*\)""")


@dataclass(frozen=True)
class EntryPoint:
    """What is served. place: module:callable.  interface: wsgi or asgi.  said_in: the file that says so.

    pythonpath: folder that its module is imported from, unless it is the application's own.
    """

    place: str
    interface: str
    said_in: str
    pythonpath: str = ""


@dataclass(frozen=True)
class ProjectFiles:
    """The files of a folder, by path below it. folder: its place.  paths: the files for a release."""

    folder: Path
    paths: Sequence[str]
    _texts: dict[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """Return the contents of a file; "" if it is not text, or too large."""
        if path not in self._texts:
            file = self.folder / path
            whole = file.is_file() and not file.is_symlink() and file.stat().st_size <= MOST_TEXT
            self._texts[path] = file.read_bytes().decode(errors="replace") if whole else ""
        return self._texts[path]

    def named(self, name: str) -> list[str]:
        """Return paths of all files of that name, nearest to the top first."""
        found = [path for path in self.paths if posixpath.basename(path) == name]
        return sorted(found, key=lambda path: (path.count("/"), path))

    @cached_property
    def modules(self) -> list[str]:
        """Return paths of Python files that may belong to the application, nearest to the top first."""
        found = [
            path
            for path in self.paths
            if path.endswith(".py")
            and not NOT_SERVED & set(path.split("/"))
            and not re.match(r"(test_.*|tests|conftest|setup)\.py$", posixpath.basename(path))
        ]
        return sorted(found, key=lambda path: (path.count("/"), path))

    def tree(self, path: str) -> ast.Module:
        """Return the syntax tree of a Python file; an empty one if this Python cannot parse it."""
        try:
            return ast.parse(self.text(path))
        except (SyntaxError, ValueError):
            return ast.Module([], [])

    def mentions(self, pattern: str) -> str:
        """Return the first Python file that matches a regular expression; "" if none does."""
        return next((path for path in self.modules if re.search(pattern, self.text(path))), "")


def module_of(path: str) -> tuple[str, str]:
    """Return a file's module name and the folder that it is imported from: "src" for src/shop/app.py."""
    folder = "src" if path.startswith("src/") else ""
    inside = path[len(folder) + 1 :] if folder else path
    return inside.removesuffix(".py").removesuffix("/__init__").replace("/", "."), folder


def target_of(files: ProjectFiles) -> EntryPoint | None:
    """Return what the Python files of a project without Django serve."""
    candidates = [
        (rank(path, place), path, place, kind)
        for path in files.modules
        for place, kind in served_in(files, path)
    ]
    if not candidates:
        return None
    _, path, place, interface = min(candidates)
    module, folder = module_of(path)
    return EntryPoint(f"{module}:{place}", interface or interface_of(files), path, folder)


def rank(path: str, place: str) -> tuple[int, int, int, int]:
    """Return the sort key, likeliest first: applications before factories, then by depth, module and name."""
    stem = posixpath.basename(path).removesuffix(".py")
    # wsgi.py is made for servers
    made_for_it = stem in MODULES[:2]
    known = MODULES.index(stem) if stem in MODULES else len(MODULES)
    name = NAMES.index(place) if place in NAMES else len(NAMES)
    return (0 if made_for_it else 1 + place.endswith("()"), path.count("/"), known, name)


def served_in(files: ProjectFiles, path: str) -> Iterator[tuple[str, str]]:
    """Return names in a module that a server could serve, with their interface, if it is known."""
    stem = posixpath.basename(path).removesuffix(".py")
    tree = files.tree(path)
    makers = {**dict.fromkeys(FACTORIES, ""), **INSTANCES, **dict(makers_in(tree))}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, made_by = node.targets[0].id, called(node.value)
            if made_by in makers and (made_by in INSTANCES or name in NAMES or stem in MODULES[:2]):
                yield name, makers[made_by]
            elif stem in MODULES and (
                name in NAMES if stem in MODULES[:2] else name == "application" and made_by
            ):
                yield name, ""
            elif isinstance(node.value, ast.Attribute) and node.value.attr == "server" and name in NAMES:
                # Dash has the application of Flask that it makes there
                yield name, "wsgi"
        elif isinstance(node, ast.FunctionDef) and node.name in FACTORIES and not required(node.args):
            yield f"{node.name}()", ""
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in NAMES:
            words = tuple(each.arg for each in node.args.args)
            yield from ((node.name, kind) for each, kind in CALLABLES.items() if words == each)
        elif isinstance(node, ast.ImportFrom) and stem in MODULES[:2]:
            yield from ((each.asname or each.name, "") for each in node.names if each.name in NAMES)


def makers_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield functions of a module that say that they return an application, with its interface."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.returns is not None:
            kind = name_of(node.returns)
            if kind in INSTANCES:
                yield node.name, INSTANCES[kind]


def celery_of(files: ProjectFiles) -> tuple[str, str]:
    """Return a file with an application of Celery, and how `celery -A` names it, as a module below the source.

    Where Flask makes an application for it, that is in a module for workers: celery_worker.py. ("", "") without one.
    """
    made_in = files.mentions(r"(?m)^\s*\w+\s*(:\s*\w+\s*)?=\s*(celery\.)?Celery\(")
    for path in files.modules if made_in else ():
        if path != made_in and re.fullmatch(r"(.*/)?(celery_?(worker|app)|worker)\.py", path):
            for node in files.tree(path).body:
                names = node.names if isinstance(node, ast.ImportFrom) else []
                found = next(
                    (each.asname or each.name for each in names if each.name.startswith("celery")), ""
                )
                if found:
                    return path, f"{module_of(path)[0]}:{found}"
    return made_in, module_of(made_in)[0].removesuffix(".celery") if made_in else ""


def required(arguments: ast.arguments) -> bool:
    """Return whether a function has required arguments."""
    return (
        len(arguments.posonlyargs + arguments.args) > len(arguments.defaults) or None in arguments.kw_defaults
    )


def called(value: ast.expr) -> str:
    """Return the last name in the function of a call: "Flask" of flask.Flask(__name__)."""
    return name_of(value.func) if isinstance(value, ast.Call) else ""


def name_of(node: ast.expr) -> str:
    """Return the last name of an expression: "environ" of os.environ."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def interface_of(files: ProjectFiles) -> str:
    """Return the interface of the framework that a project imports."""
    return (
        "asgi"
        if files.mentions(r"(?m)^\s*(from|import) (fastapi|starlette|quart|litestar|sanic)\b")
        else "wsgi"
    )


def asks_own_version(files: ProjectFiles) -> str:
    """Return the file in which a project asks for its own version, which only an installed one has; "" if none does."""
    packages = {path.removeprefix("src/").split("/")[0] for path in files.modules if "/" in path}
    for path in files.modules:
        text = files.text(path)
        asked = VERSION.findall(text) if "importlib" in text else []
        if any(not named or named.replace("-", "_").lower() in packages for named in asked):
            return path
    return ""
