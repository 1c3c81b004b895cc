"""Reads the application in a folder: framework, target, settings, files, processes. It never runs any of it.

Each finding names the file that it is from; what was found but not understood is reported, too.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator

from provision.apps.import_roots import import_root, is_project
from provision.apps.project_files import ProjectFiles
from provision.values import dataclass

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

    pythonpath: folder that its module is imported from, unless it is the application's own.  folder: of the source,
    which is a project of its own; "" for the source itself.
    """

    place: str
    interface: str
    said_in: str
    pythonpath: str = ""
    folder: str = ""


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
    root = import_root(files, path)
    module = module_of(posixpath.relpath(path, root or "."))[0]
    own = root if root and is_project(files, root) else ""
    return EntryPoint(f"{module}:{place}", interface or interface_of(files), path, "" if own else root, own)


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
