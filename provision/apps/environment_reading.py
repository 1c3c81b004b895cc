"""Finds the environment variables that an application cannot start without, by reading its Python files."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from provision.apps.project_files import ProjectFiles
from provision.apps.project_reading import FACTORIES, name_of

#: variables that every process has
USUAL_VARIABLES = {"HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TMPDIR", "USER"}
#: functions of django-environ, environs and python-decouple that fail without the variable, unless given a default
READERS = ("env", "config")
#: the class of pydantic-settings whose fields are variables
SETTINGS_CLASS = "BaseSettings"
#: a setting that may not be empty: without it, Django does not start, and Flask has no sessions
SECRET_KEY = "SECRET_KEY"
#: exceptions that catch a missing variable: those of os.environ, and django-environ's
MISSING = {"KeyError", "LookupError", "Exception", "ImproperlyConfigured"}


def required_variables(files: ProjectFiles, paths: Iterable[str]) -> dict[str, str]:
    """Return the variables that these files read without a default, and the first file that reads each.

    Only what a module does when it is imported counts, and factories: `create_app` runs at the start, too. What is
    done only if another variable is set does not count.
    """
    found: dict[str, str] = {}
    trees = {path: files.tree(path) for path in paths}
    classes = settings_classes(trees.values())
    for path, tree in trees.items():
        for name in Required(tree, classes).names:
            found.setdefault(name, path)
    return {name: path for name, path in found.items() if name not in USUAL_VARIABLES}


def settings_classes(modules: Iterable[ast.Module]) -> set[str]:
    """Return the classes of these modules whose fields are variables: pydantic's, and those that extend them."""
    bases = [
        (node.name, {name_of(base) for base in node.bases})
        for module in modules
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
    ]
    found = {SETTINGS_CLASS}
    while more := {name for name, of in bases if of & found} - found:
        found |= more
    return found


class Required(ast.NodeVisitor):
    """The variables that a module reads without a default. names: in the order of the module."""

    def __init__(self, module: ast.Module, classes: set[str]) -> None:
        """classes: those whose fields are variables."""
        self.names: list[str] = []
        nodes = list(ast.walk(module))
        #: whether `environ` alone is that of the process; in WSGI it is a request's
        self._imported = any(
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and any(each.name == "environ" for each in node.names)
            for node in nodes
        )
        self._settings_classes = classes
        #: names that are only true if someone has set a variable
        self._flags = {name for node in nodes for name in flags_in(node)}
        #: whether the module makes a secret key of its own where none is set
        self._makes_key = any(isinstance(node, ast.If) and assigns(node.body, SECRET_KEY) for node in nodes)
        self._declared = {name for node in nodes for name in declared_by(node)}
        self.visit(module)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        if not self._if_set(node.test):
            self._all(node.body)
        self._all(node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.visit(node.test)
        if not self._if_set(node.test):
            self.visit(node.body)
        self.visit(node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for value in node.values:
            self.visit(value)
            if isinstance(node.op, ast.And) and self._if_set(value):
                # the others are only read then
                return

    def visit_Try(self, node: ast.Try) -> None:
        if not any(map(gives_another, node.handlers)):
            self._all(node.body)
        self._all([each for handler in node.handlers for each in handler.body])
        self._all([*node.orelse, *node.finalbody])

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name in FACTORIES:
            self._all(node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """It runs for requests."""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if any(name_of(base) in self._settings_classes for base in node.bases):
            for name in fields_without_default(node):
                self._add(name)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(name_of(target) == SECRET_KEY for target in node.targets) and not self._makes_key:
            self._add_if_empty(node.value)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.ctx, ast.Load) and self._is_environment(node.value):
            self._found(node.slice)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if reader_of(node) and default_of(node) is None:
            self._found(node.args[0])
        self.generic_visit(node)

    def _all(self, nodes: Iterable[ast.stmt]) -> None:
        for each in nodes:
            self.visit(each)

    def _if_set(self, test: ast.expr) -> bool:
        """Return whether a condition only holds if someone has set a variable: `if env.bool("MAIL", False)`."""
        if isinstance(test, ast.BoolOp):
            which = any if isinstance(test.op, ast.And) else all
            return which(map(self._if_set, test.values))
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.In):
            return name_of(test.comparators[0]) == "environ"
        return is_flag(test) or (isinstance(test, ast.Name) and test.id in self._flags)

    def _is_environment(self, node: ast.expr) -> bool:
        """Return whether this is os.environ."""
        if isinstance(node, ast.Attribute):
            return node.attr == "environ" and name_of(node.value) == "os"
        return self._imported and name_of(node) == "environ"

    def _found(self, key: ast.expr) -> None:
        name = text_of(key)
        if name.isupper() and name not in self._declared:
            self._add(name)

    def _add_if_empty(self, value: ast.expr) -> None:
        """Add the variable that a value is read from, if the value is empty without it."""
        read, *others = (
            value.values if isinstance(value, ast.BoolOp) and isinstance(value.op, ast.Or) else [value]
        )
        if isinstance(read, ast.Call) and reads_environment(read):
            others += filter(None, [default_of(read)])
            if all(isinstance(each, ast.Constant) and not each.value for each in others):
                self._found(read.args[0])

    def _add(self, name: str) -> None:
        if name not in self.names:
            self.names.append(name)


def fields_without_default(node: ast.ClassDef) -> Iterator[str]:
    """Yield the variables that a settings class of pydantic needs: those of its fields that have no default.

    Source: pydantic-settings, "Environment variable names": `env_prefix`, the field's name, `validation_alias`.
    """
    prefix = env_prefix(node)
    for each in node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            kind, name, value = each.annotation, each.target.id, each.value
            private = name == "model_config" or name.startswith("_")
            if private or name_of(kind.value if isinstance(kind, ast.Subscript) else kind) == "ClassVar":
                continue
            if value is None:
                yield f"{prefix}{name}".upper()
            elif isinstance(value, ast.Call) and name_of(value.func) == "Field" and not has_default(value):
                options = {option.arg: text_of(option.value) for option in value.keywords}
                alias = options.get("validation_alias") or options.get("alias") or options.get("env")
                yield (alias or f"{prefix}{name}").upper()


def has_default(field: ast.Call) -> bool:
    """Return whether a pydantic Field has a default: `...` is none."""
    given = [*field.args[:1], *(each.value for each in field.keywords if each.arg == "default")]
    made = any(each.arg in (None, "default_factory") for each in field.keywords)
    return made or any(not (isinstance(each, ast.Constant) and each.value is ...) for each in given)


def env_prefix(node: ast.ClassDef) -> str:
    """Return what variables of a settings class begin with: in its `model_config`, or in its class Config."""
    for each in ast.walk(node):
        if isinstance(each, ast.keyword) and each.arg == "env_prefix":
            return text_of(each.value)
        if isinstance(each, ast.Assign) and any(name_of(target) == "env_prefix" for target in each.targets):
            return text_of(each.value)
    return ""


def declared_by(node: ast.AST) -> Iterator[str]:
    """Yield the variables to which django-environ's `Env(DEBUG=(bool, False))` gives defaults."""
    if isinstance(node, ast.Call) and name_of(node.func) == "Env":
        for each in node.keywords:
            if each.arg and isinstance(each.value, ast.Tuple) and len(each.value.elts) == 2:
                yield each.arg


def gives_another(handler: ast.ExceptHandler) -> bool:
    """Return whether a handler goes on without a variable that is not set."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    caught = any(kind is None or name_of(kind) in MISSING for kind in kinds)
    return caught and not any(isinstance(each, ast.Raise) for each in ast.walk(handler))


def is_flag(value: ast.expr) -> bool:
    """Return whether a value is a variable's, and false unless someone has set it."""
    if not (isinstance(value, ast.Call) and reads_environment(value)):
        return False
    default = default_of(value)
    return default is None or (isinstance(default, ast.Constant) and not default.value)


def flags_in(node: ast.AST) -> Iterator[str]:
    """Yield the names that are assigned such a value."""
    if isinstance(node, ast.Assign) and is_flag(node.value):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def assigns(nodes: Iterable[ast.stmt], name: str) -> bool:
    """Return whether one of these statements gives a name a value."""
    return any(
        isinstance(node, ast.Assign) and any(name_of(each) == name for each in node.targets) for node in nodes
    )


def reader_of(node: ast.Call) -> bool:
    """Return whether a call fails without the variable, unless it has a default: env("X"), env.list("X"), config("X").

    env.get and app.config are others, and so are the methods of a ConfigParser that is called config.
    """
    reader = node.func
    if isinstance(reader, ast.Attribute) and reader.attr != "get" and name_of(reader.value) != "config":
        reader = reader.value
    return isinstance(reader, ast.Name) and reader.id in READERS and bool(node.args)


def reads_environment(node: ast.Call) -> bool:
    """Return whether a call returns a variable: one of reader_of, os.environ.get, os.getenv."""
    reader = node.func
    getter = isinstance(reader, ast.Attribute) and reader.attr == "get" and name_of(reader.value) == "environ"
    return reader_of(node) or (bool(node.args) and (getter or name_of(reader) == "getenv"))


def default_of(node: ast.Call) -> ast.expr | None:
    """Return the default of a call that reads a variable; None without one. `**options` count as one."""
    given = (each.value for each in node.keywords if each.arg in (None, "default"))
    return node.args[1] if len(node.args) > 1 else next(given, None)


def text_of(node: ast.expr) -> str:
    """Return a text that is written out; "" for other expressions."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
