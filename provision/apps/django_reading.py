"""Reads a Django project's files: settings, target, folders. It never runs them."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping

from provision.apps.dockerfile_reading import variable_in_images
from provision.apps.environment_reading import default_of, reads_environment
from provision.apps.project_files import ProjectFiles
from provision.apps.project_reading import EntryPoint, name_of
from provision.values import dataclass

#: also of f"shop.settings.{environment}": the package, in which there may be some for production
SETTINGS = re.compile(r"""DJANGO_SETTINGS_MODULE["']\s*(?:,|\]\s*=)\s*f?["']([\w.]+?)(?:\.\{\w+\})?["']""")
#: settings modules for production, likeliest first
PRODUCTION = ("production", "prod", "deploy", "live")
DEVELOPMENT = ("local", "dev", "develop", "development", "debug", "test", "tests", "testing", "ci")
#: middleware of Django's, and the setting without which its check --deploy has a finding
COOKIES = {"SessionMiddleware": "SESSION_COOKIE_SECURE", "CsrfViewMiddleware": "CSRF_COOKIE_SECURE"}
#: the folder of manage.py in the values of settings; no real path has it
ROOT = "/\0"
#: settings to read
ASKED = ("STATIC_URL", "STATIC_ROOT", "MEDIA_URL", "MEDIA_ROOT", "BASE_DIR")


@dataclass(frozen=True)
class DjangoProject:
    """A Django project. root: folder of manage.py, below the source's; "" for the source itself.

    settings: module.  settings_path: its file.  settings_files: this and those that it imports all names from.
    target: what is served; None without wsgi.py and asgi.py.
    values: settings as texts, as far as they could be read: paths below `root` begin with ROOT.
    """

    root: str
    manage: str
    settings: str
    settings_path: str
    settings_files: tuple[str, ...]
    target: EntryPoint | None
    values: dict[str, str]


def django_project(files: ProjectFiles) -> DjangoProject | None:
    """Return the project whose manage.py is nearest to the top; None if there is none."""
    for manage in files.named("manage.py"):
        root = posixpath.dirname(manage)
        said = SETTINGS.search(files.text(manage))
        named = said[1] if said else likely_settings(files, root)
        if "django" not in files.text(manage) or not named:
            continue
        served = next(filter(None, (entry(files, root, kind) for kind in ("wsgi", "asgi"))), None)
        theirs = SETTINGS.search(files.text(served.said_in)) if served else None
        in_image, _ = variable_in_images(files, "DJANGO_SETTINGS_MODULE")
        if module_file(files, root, in_image) and not for_development(in_image):
            settings = in_image
        else:
            settings = best(files, root, theirs[1] if theirs else named)
        path = module_file(files, root, settings)
        values = values_of(files, root, settings, path)
        everything = tuple(dict.fromkeys(settings_files(files, root, settings, path)))
        return DjangoProject(root, manage, settings, path, everything, speaking(files, root, served), values)
    return None


def likely_settings(files: ProjectFiles, root: str) -> str:
    """Return likely settings if manage.py leaves them to the environment; "" if none are."""
    below = f"{root}/" if root else ""
    for path in files.modules:
        found = re.fullmatch(r"([\w/]+/)?settings(/base)?\.py", path.removeprefix(below))
        if path.startswith(below) and found:
            return path.removeprefix(below).removesuffix(".py").replace("/", ".")
    return ""


def entry(files: ProjectFiles, root: str, kind: str) -> EntryPoint | None:
    """Return what the project's wsgi.py or asgi.py serves."""
    below = f"{root}/" if root else ""
    for path in files.named(f"{kind}.py"):
        if path.startswith(below) and re.search(r"(?m)^(async def |def )?application\b", files.text(path)):
            module = path[len(below) :].removesuffix(".py").replace("/", ".")
            return EntryPoint(f"{module}:application", kind, path)
    return None


def speaking(files: ProjectFiles, root: str, served: EntryPoint | None) -> EntryPoint | None:
    """Return ASGI instead of WSGI if the project asks for it: with Channels, or without a wsgi.py."""
    if files.mentions(r"(?m)^\s*from channels\b|ProtocolTypeRouter"):
        return entry(files, root, "asgi") or served
    return served


def best(files: ProjectFiles, root: str, named: str) -> str:
    """Return the settings for production, beside those whose name says development."""
    package, _, last = named.rpartition(".")
    if last in PRODUCTION:
        return named
    for base in (package, named):
        for name in PRODUCTION if base else ():
            if module_file(files, root, f"{base}.{name}"):
                return f"{base}.{name}"
    return named


def for_development(settings: str) -> bool:
    """Return whether a settings module's name says that it is for work on the code, or for tests."""
    return settings.rpartition(".")[2] in DEVELOPMENT


def development_settings(files: ProjectFiles, project: DjangoProject) -> str:
    """Return what to tell of settings whose name says development: which others are beside them."""
    package = project.settings.rpartition(".")[0]
    folder = posixpath.dirname(project.settings_path)
    beside = [
        f"{package}.{posixpath.basename(path).removesuffix('.py')}"
        for path in files.paths
        if package and posixpath.dirname(path) == folder and path.endswith(".py")
    ]
    others = [each for each in beside if not for_development(each) and not each.endswith(".__init__")]
    said = f"; beside them are {', '.join(others)}" if others else ""
    not_for = f"the name of {project.settings} says that they are not for production"
    return f"{not_for}{said}: set `django: {{settings: ...}}`"


def insecure_cookies(settings: str) -> list[str]:
    """Return the settings that the text of settings lacks, without which cookies go over plain HTTP, too.

    Source: Django's system check framework, security.W012 and W016.
    """
    return [name for part, name in COOKIES.items() if part in settings and name not in settings]


def module_file(files: ProjectFiles, root: str, module: str) -> str:
    """Return the file of a module; "" if it is not in the source."""
    path = posixpath.join(root, module.replace(".", "/"))
    return next((each for each in (f"{path}.py", f"{path}/__init__.py") if each in files.paths), "")


def whole_module(files: ProjectFiles, root: str, settings: str, node: ast.ImportFrom) -> tuple[str, str]:
    """Return the module that settings import all names from, and its file; "" if it is not in the source."""
    if not any(each.name == "*" for each in node.names):
        return "", ""
    # a package's own level is that of the modules in it
    parts = settings.split(".")
    is_package = module_file(files, root, settings).endswith("/__init__.py")
    base = parts[: len(parts) - node.level + is_package] if node.level else []
    name = ".".join([*base, *filter(None, [node.module])])
    return name, module_file(files, root, name)


def settings_files(files: ProjectFiles, root: str, settings: str, path: str) -> Iterator[str]:
    """Yield the file of the settings, and those of modules that they import all names from."""
    if path:
        yield path
    for node in files.tree(path).body if path else ():
        if isinstance(node, ast.ImportFrom):
            name, other = whole_module(files, root, settings, node)
            if other and other != path:
                yield from settings_files(files, root, name, other)


def values_of(files: ProjectFiles, root: str, settings: str, path: str) -> dict[str, str]:
    """Return file settings, including those imported from other modules (`from .base import *`)."""
    known: dict[str, str] = {}
    functions = dict(own_functions(files.tree(path))) if path else {}
    for node in files.tree(path).body if path else ():
        if isinstance(node, ast.ImportFrom):
            name, other = whole_module(files, root, settings, node)
            if other and other != path:
                known.update(values_of(files, root, name, other))
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            here = f"{ROOT}/{path[len(root) + 1 if root else 0 :]}"
            value = Values(known, here, functions).of(node.value)
            if isinstance(target, ast.Name):
                if value is None:
                    known.pop(target.id, None)
                else:
                    known[target.id] = value
    return known


def own_functions(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield names that settings give to functions, with the calls that they stand for.

    `from os.path import dirname as up` is dirname(*it), and `def path(*parts): return join(ROOT, *parts)` the join.
    """
    rest: list[ast.expr] = [ast.Starred(ast.Name("it"))]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            yield from (
                (each.asname, ast.Call(ast.Name(each.name), rest, [])) for each in node.names if each.asname
            )
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute):
            # _dirname = os.path.dirname
            names = [each.id for each in node.targets if isinstance(each, ast.Name)]
            yield from ((name, ast.Call(node.value, rest, [])) for name in names)
        elif isinstance(node, ast.FunctionDef) and node.args.vararg and isinstance(node.body[-1], ast.Return):
            value = node.body[-1].value
            if isinstance(value, ast.Call) and value.args and isinstance(value.args[-1], ast.Starred):
                yield node.name, value


class Values:
    """Evaluates paths and texts in settings.

    known: names and their texts.  here: the file's path.  functions: the calls that its own functions stand for.
    """

    def __init__(self, known: dict[str, str], here: str, functions: Mapping[str, ast.Call]) -> None:
        self._known = known | {"__file__": here}
        self._functions = functions

    def of(self, node: ast.expr | None) -> str | None:
        """Return the text of an expression; None if it is not understood."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            return self._known.get(node.id)
        if isinstance(node, ast.Attribute):
            inner = self.of(node.value)
            return posixpath.dirname(inner) or "/" if inner is not None and node.attr == "parent" else None
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.Add)):
            left, right = self.of(node.left), self.of(node.right)
            if left is None or right is None:
                return None
            return posixpath.join(left, right) if isinstance(node.op, ast.Div) else left + right
        if isinstance(node, ast.Subscript):
            return self._of_parents(node)
        return self._of_call(node) if isinstance(node, ast.Call) else None

    def _of_parents(self, node: ast.Subscript) -> str | None:
        """Return the text of an expression such as Path(__file__).parents[1]."""
        value, index = node.value, node.slice
        if not (
            isinstance(value, ast.Attribute) and value.attr == "parents" and isinstance(index, ast.Constant)
        ):
            return None
        inner = self.of(value.value)
        for _ in range(int(index.value) + 1) if inner is not None and isinstance(index.value, int) else ():
            inner = posixpath.dirname(inner or "/") or "/"
        return inner

    def _of_call(self, node: ast.Call) -> str | None:
        name = name_of(node.func)
        if isinstance(node.func, ast.Name) and name in self._functions:
            meant = self._functions[name]
            node = ast.Call(meant.func, [*meant.args[:-1], *node.args], [])
            name = name_of(node.func)
        if reads_environment(node):
            return self.of(default_of(node))
        fallback = next((each.value for each in node.keywords if each.arg == "fallback"), None)
        if fallback is not None:
            # of a file that the source does not have (configparser)
            return self.of(fallback)
        arguments = [self.of(each) for each in node.args]
        if name in ("resolve", "absolute") and isinstance(node.func, ast.Attribute):
            return self.of(node.func.value)
        if not arguments or None in arguments:
            return None
        texts = [text for text in arguments if text is not None]
        if name in ("Path", "str", "abspath", "realpath", "normpath"):
            return texts[0]
        if name == "dirname":
            return posixpath.dirname(texts[0]) or "/"
        return posixpath.join(*texts) if name in ("join", "joinpath") else None
