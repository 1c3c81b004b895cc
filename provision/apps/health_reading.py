"""Finds the path of an application's health check: routes in its code, under the prefixes they are included with."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from provision.apps.project_files import ProjectFiles
from provision.apps.project_reading import called, module_of, name_of
from provision.values import dataclass

#: the end of a path of a health check
HEALTH = re.compile(
    r"(?:^|/)(?:_?health(?:z|check|_check|-check)?|healthz?/(?:ready|live)|livez|readyz|__heartbeat__)$"
)
#: functions whose first argument is the path of a route
ROUTES = {
    *("route", "api_route", "path", "re_path", "url", "Route", "add_url_rule", "add_route", "add_api_route"),
    *("add_get", "get"),
}
#: functions that include another module's routes
INCLUDES = {"include_router": "prefix", "register_blueprint": "url_prefix"}
#: includes that are followed from a route to the application
DEEPEST = 4
#: an include whose prefix is a name in capitals
NAMED_PREFIX = r"prefix=(?:\w+\.)*[A-Z][A-Z0-9_]+\b"


@dataclass(frozen=True)
class Included:
    """Routes of a module that another one includes. prefix: None if the code computes it."""

    module: str
    prefix: str | None
    by: str


@dataclass(frozen=True)
class Routes:
    """The routes of a project. files: its files."""

    files: ProjectFiles

    @cached_property
    def included(self) -> list[Included]:
        """What modules include of others."""
        return [
            found
            for path in self.files.modules
            if re.search(r"\binclude(?:_router)?\(|register_blueprint\(", self.files.text(path))
            for found in includes_in(self.files.tree(path), path, self.constants)
        ]

    @cached_property
    def constants(self) -> dict[str, str]:
        """Return the texts of names in capitals that are set only once: API_PREFIX = "/api", in a module or a class."""
        found: dict[str, set[str | None]] = {}
        for path in self.files.modules if self.files.mentions(NAMED_PREFIX) else ():
            for node in ast.walk(self.files.tree(path)):
                if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
                    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                    if isinstance(target, ast.Name) and target.id.isupper():
                        found.setdefault(target.id, set()).add(text_of(node.value))
        only = {name: values.pop() for name, values in found.items() if len(values) == 1}
        return {name: value for name, value in only.items() if value is not None}

    def including(self, path: str) -> list[Included]:
        """Return where a module's routes are included."""
        module = module_of(path)[0]
        return [
            each
            for each in self.included
            if each.by != path and (module == each.module or module.endswith(f".{each.module}"))
        ]

    def prefixes(self, path: str, deepest: int = DEEPEST) -> Iterator[str | None]:
        """Yield the prefixes that a module's routes have in the application; None for one that is not known."""
        found = self.including(path)
        if not found:
            yield ""
        for each in found if deepest else ():
            for before in self.prefixes(each.by, deepest - 1):
                yield None if before is None or each.prefix is None else joined(before, each.prefix)


def health_of(files: ProjectFiles, package: str = "") -> tuple[str, str]:
    """Return the shortest path that looks like a health check, and the file that has it; empty if there is none.

    package: the folder of what is served, with a slash: modules beside it count if they are included, others are
    those of other services.
    """
    routes = Routes(files)
    found = [
        (path.count("/"), at, joined(prefix, route))
        for at, path in enumerate(files.modules)
        if re.search("health|livez|readyz|__heartbeat__", files.text(path))
        for route in health_routes_in(files.tree(path))
        for prefix in routes.prefixes(path)
        if prefix is not None and (path.startswith(package) or routes.including(path))
    ]
    if not found:
        return "", ""
    _, at, route = min(found, key=lambda each: (each[2].count("/"), *each))
    return route, files.modules[at]


def health_routes_in(tree: ast.Module) -> Iterator[str]:
    """Yield the routes of a module that look like health checks, with the prefix of the router that has them."""
    own = dict(own_prefixes(tree))
    decorators = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        for each in node.decorator_list
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and called(node) in ROUTES and node.args:
            # requests.get("/health") is not a route, and web.get("/health", answer) is
            if called(node) == "get" and id(node) not in decorators and len(node.args) < 2:
                continue
            router = name_of(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            yield from (joined(own.get(router, ""), route) for route in checked(node.args[0]))
        elif (
            isinstance(node, ast.Tuple)
            and len(node.elts) > 1
            and isinstance(node.elts[1], (ast.Name, ast.Attribute))
        ):
            # Tornado's and webapp2's way
            yield from (route for route in checked(node.elts[0]) if route.startswith("/"))


def checked(node: ast.expr) -> Iterator[str]:
    """Yield the path of a route, if it is one of a health check."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        route = node.value.removeprefix("^").removesuffix("$").removesuffix("/?")
        if HEALTH.search(route.rstrip("/")) and not re.search(r"[\s<{(\\*:]", route):
            yield route


def own_prefixes(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of a module's routers and blueprints, with the prefixes that they are made with."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Call)
        ):
            prefix = keyword(node.value, "prefix") or keyword(node.value, "url_prefix")
            if prefix:
                yield node.targets[0].id, prefix


def includes_in(tree: ast.Module, path: str, constants: Mapping[str, str]) -> Iterator[Included]:
    """Yield what a module includes of others. constants: texts of the names that prefixes may have."""
    imported = dict(imports_in(tree, path))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        if called(node) in INCLUDES:
            word = INCLUDES[called(node)]
            prefix = keyword(node, word, constants) if any(each.arg == word for each in node.keywords) else ""
            base = node.args[0].value if isinstance(node.args[0], ast.Attribute) else node.args[0]
            where = imported.get(name_of(base), "")
            yield from (
                Included(module, prefix, path) for module in (where, where.rpartition(".")[0]) if module
            )
        elif called(node) in ROUTES and len(node.args) > 1 and called(node.args[1]) == "include":
            prefix = text_of(node.args[0])
            # ("shop.urls", "shop") names its namespace as well
            texts = [each for each in ast.walk(node.args[1]) if isinstance(each, ast.Constant)]
            names = [each.value for each in texts if isinstance(each.value, str)]
            yield from (Included(name, prefix, path) for name in names[:1])


def imports_in(tree: ast.Module, path: str) -> Iterator[tuple[str, str]]:
    """Yield the names that a module imports, with their full names."""
    package = module_of(path)[0].split(".")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((each.asname, each.name) for each in node.names if each.asname)
        elif isinstance(node, ast.ImportFrom):
            levels = node.level - (path.endswith("__init__.py") and node.level > 0)
            start = package[: len(package) - levels] if node.level else []
            base = [*start, *(node.module or "").split(".")] if node.module else start
            yield from ((each.asname or each.name, ".".join([*base, each.name])) for each in node.names)


def keyword(call: ast.Call, name: str, constants: Mapping[str, str] = {}) -> str | None:
    """Return the text given under a name; None if the code computes it, or gives none.

    constants: texts of names that may stand for it.
    """
    value = next((each.value for each in call.keywords if each.arg == name), None)
    if isinstance(value, (ast.Name, ast.Attribute)):
        return constants.get(name_of(value) if isinstance(value, ast.Name) else value.attr)
    return None if value is None else text_of(value)


def text_of(node: ast.expr) -> str | None:
    """Return the string that is written there; None if the code computes it."""
    return (
        node.value.removeprefix("^")
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        else None
    )


def joined(prefix: str, route: str) -> str:
    """Return one path of two, with one slash between them."""
    return f"/{prefix.strip('/')}/{route.lstrip('/')}".replace("//", "/")
