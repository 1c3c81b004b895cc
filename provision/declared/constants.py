"""Read the constants of a role's module from its source, with their lines.

Nothing is imported: what an application may name is known before any role runs, and a broken role does not
hide the others.
"""

from __future__ import annotations

import ast
import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from provision.declared.role_folders import BUILTIN, names
from provision.errors import ConfigError
from provision.names import suggestion
from provision.values import dataclass

#: packages from which a role imports another role for EXTENDS (provision.roles.importing)
BUILTIN_PACKAGE, OWN_PACKAGE = "provision.builtin", "roles"

Declared = TypeVar("Declared")


@dataclass(frozen=True)
class Constant:
    """A constant at the top of a module. value: None unless is_literal.  where: file:line."""

    name: str
    value: Any
    is_literal: bool
    where: str


@dataclass(frozen=True)
class RoleModule:
    """The declarations at the top of a role's module.

    names: of functions, classes and imports, with their file:line.  extends: (package, role) of its EXTENDS,
    if the module imports that.
    """

    file: str
    constants: Mapping[str, Constant]
    names: Mapping[str, str]
    extends: tuple[str, str] | None = None


@dataclass(frozen=True)
class RoleModules:
    """The modules of a role: its own, then those of the roles that it extends."""

    role: str
    modules: tuple[RoleModule, ...]

    @property
    def file(self) -> str:
        """The file of the role's own module."""
        return self.modules[0].file

    def get(self, name: str) -> Constant | None:
        """Return the constant of that name: the role's own, else that of the nearest role that it extends."""
        return next((m.constants[name] for m in self.modules if name in m.constants), None)

    def where(self, name: str) -> str | None:
        """file:line of a function, a class or an import of that name."""
        return next((m.names[name] for m in self.modules if name in m.names), None)

    def misspelling(self, name: str) -> ConfigError | None:
        """The error for a constant of the role's own whose name is close to one that it lacks."""
        for constant in self.modules[0].constants.values():
            if suggestion(constant.name, [name]):
                message = f"{constant.name} declares nothing. Did you mean {name}?"
                return ConfigError(message, where=constant.where)
        return None

    def refuse_misspelling(self, name: str) -> None:
        """Raise that error, if there is such a constant."""
        error = self.misspelling(name)
        if error is not None:
            raise error


def source_of(role: str, folders: Sequence[Path]) -> RoleModules | None:
    """Return the source of a role; None if no folder has a role of that name. Raises ConfigError: not
    Python."""
    modules: list[RoleModule] = []
    places: Sequence[Path] = folders
    name = role
    while (file := module_file(name, places)) is not None:
        module = read(file)
        if module in modules:
            break
        modules.append(module)
        if module.extends is None:
            break
        package, name = module.extends
        places = [BUILTIN] if package == BUILTIN_PACKAGE else folders
    return RoleModules(role, tuple(modules)) if modules else None


def mentioning(word: str, folders: Sequence[Path]) -> Iterator[str]:
    """Names of the roles whose source has a word in it, or extends another role.

    Most roles declare neither a server nor a front; finding a word takes a tenth of the time of parsing.
    """
    for name in names(folders):
        file = module_file(name, folders)
        text = ""
        if file is not None:
            with contextlib.suppress(OSError):
                text = file.read_text(encoding="utf-8", errors="replace")
        if word in text or "EXTENDS" in text:
            yield name


def declared(
    word: str, folders: Sequence[Path], find: Callable[[str, Sequence[Path]], Declared | None]
) -> list[Declared]:
    """What every role that has a word in its source declares, by name; roles that declare wrongly are left out.

    find: what the role of that name declares, or None; may raise ConfigError.
    """
    found = []
    for name in mentioning(word, folders):
        with contextlib.suppress(ConfigError):
            found.append(find(name, folders))
    return [each for each in found if each is not None]


def refusal(
    name: str, folders: Sequence[Path], *, lacks: str, so: str, known: Sequence[str]
) -> ValueError | ConfigError:
    """The error for a name that stands for no role of a kind: ConfigError if a role misspells what it declares.

    lacks: the constant by which the kind is known.  so: what the role is not, for lack of it.  known: of the kind.
    """
    source = source_of(name, folders)
    if source is None:
        return ValueError(f"{name!r} is not one of {', '.join(known)}.{suggestion(name, known)}")
    misspelling = source.misspelling(lacks)
    return misspelling or ValueError(
        f"{name!r} is a role without {lacks}, so {so}; these are: {', '.join(known)}"
    )


def words(
    constant: Constant, *, example: tuple[str, ...], known: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The words in a constant. known: those that it may have.

    Raises ConfigError unless it is a tuple or list of text, written out, and for an unknown word.
    """
    value = constant.value
    if isinstance(value, (tuple, list)) and all(isinstance(word, str) for word in value):
        for word in value:
            if known is not None and word not in known:
                message = (
                    f"{constant.name}: {word!r} is not one of {', '.join(known)}.{suggestion(word, known)}"
                )
                raise ConfigError(message, where=constant.where)
        return tuple(dict.fromkeys(value))
    shown = f", not {value!r}" if constant.is_literal else ": prov reads it without running the role"
    raise ConfigError(
        f"{constant.name} must be a literal tuple of words{shown}",
        where=constant.where,
        hint=f"Write it with its comma:  {constant.name} = {example!r}",
    )


def module_file(role: str, folders: Sequence[Path]) -> Path | None:
    """The file of the first role of that name."""
    if not (role.isascii() and role.isidentifier()):
        return None
    return next((file for f in folders if (file := f / role / "__init__.py").is_file()), None)


def read(file: Path) -> RoleModule:
    """Return the declarations in a module's file; read again only if the file has changed. Raises
    ConfigError."""
    try:
        status = file.stat()
        return parsed(str(file), status.st_mtime_ns, status.st_size)
    except OSError as error:
        message = f"role {file.parent.name!r} can't be read: {error.strerror}"
        raise ConfigError(message, where=str(file)) from None


@functools.lru_cache(maxsize=256)
def parsed(file: str, _mtime: int, _size: int) -> RoleModule:
    """Return the declarations in a module's source. Raises ConfigError."""
    try:
        tree = ast.parse(Path(file).read_bytes(), file)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason, line = (error.msg, error.lineno) if isinstance(error, SyntaxError) else (error, 1)
        message = f"role {Path(file).parent.name!r} can't be imported: {type(error).__name__}: {reason}"
        raise ConfigError(message, where=f"{file}:{line}") from None
    names = {name: f"{file}:{line}" for name, line in defined(tree)}
    # what `*` imports is known only after running the module
    constants = {name: Constant(name, None, False, where) for name, where in names.items() if name.isupper()}
    extends = None
    for name, node, line in assigned(tree.body):
        constants[name] = constant(name, node, f"{file}:{line}")
        if name == "EXTENDS":
            extends = role_named(node, dict(imports(tree)))
    return RoleModule(file, constants, names, extends)


def assigned(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr, int]]:
    """(name, value, line) of what is assigned in capital letters at the top of a module.

    A value that depends on a condition (`if`, `try`, `+=`) is an expression, not a literal.
    """
    for node in body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((t.id, node.value, node.lineno) for t in targets if is_constant(t))
        elif isinstance(node, ast.AugAssign) and is_constant(node.target):
            yield node.target.id, node.target, node.lineno
        elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store) and is_constant(inner):
                    yield inner.id, inner, inner.lineno


def is_constant(target: ast.expr) -> TypeGuard[ast.Name]:
    """Whether a name in capital letters is assigned."""
    return isinstance(target, ast.Name) and target.id.isupper()


def constant(name: str, node: ast.expr, where: str) -> Constant:
    """Return one constant; without a value if only running the module would give it."""
    try:
        return Constant(name, ast.literal_eval(node), is_literal=True, where=where)
    except (ValueError, TypeError, RecursionError):
        return Constant(name, None, is_literal=False, where=where)


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (name, dotted path) for everything that a module imports."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                yield (alias.asname, alias.name) if alias.asname else (first, first)


def role_named(node: ast.expr, imported: Mapping[str, str]) -> tuple[str, str] | None:
    """(package, role) of an expression such as `nginx` or `builtin.nginx`; None if it is not an imported
    role."""
    first, dot, rest = ast.unparse(node).partition(".")
    package, _, role = (imported.get(first, "") + dot + rest).rpartition(".")
    return (package, role) if package in (BUILTIN_PACKAGE, OWN_PACKAGE) else None


def defined(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(name, line) of each function, class and import at the top of a module."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name, node.lineno) for alias in node.names)
