"""Import roles and a project's own steps, whatever else those names mean on this machine.

`roles.NAME` is the project's role of that name, else the built-in one; `provision.builtin.NAME` is always the
built-in one, so that a role can extend what it overrides; `steps.NAME` is a module of the project's own
steps.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path

from provision.controller import bootstrap
from provision.declared.constants import BUILTIN_PACKAGE
from provision.declared.role_folders import BUILTIN
from provision.errors import ConfigError


def load(name: str, folders: Sequence[Path]) -> types.ModuleType:
    """Import a role as `roles.NAME`. Raises ConfigError with file and line of what fails in it."""
    prepare(folders)
    try:
        module = importlib.import_module(f"roles.{name}")
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(
            f"role {name!r} can't be imported: {type(error).__name__}: {error}",
            where=failing_line(error, [f.parent for f in folders]),
        ) from error
    bootstrap.check_own_steps()
    return module


def prepare(folders: Sequence[Path]) -> None:
    """Let `roles` and `steps` mean those of the project whose folders these are."""
    own = [str(f) for f in folders if f != BUILTIN]
    present = sys.modules.get("roles")
    # pytest may have imported the folder under that name, for the tests in it
    if present is not None and list(present.__path__) == own and ALIAS in sys.meta_path:
        return
    for loaded in list(sys.modules):
        if loaded.split(".")[0] in ("roles", "steps") or loaded.startswith(BUILTIN_PACKAGE):
            del sys.modules[loaded]
    sys.modules["roles"] = package("roles", own)
    sys.modules["steps"] = package("steps", [str(Path(folder).parent / "steps") for folder in own])
    sys.modules[BUILTIN_PACKAGE] = package(BUILTIN_PACKAGE, [str(BUILTIN)])
    bootstrap.forget_own_steps()
    if ALIAS not in sys.meta_path:
        sys.meta_path.append(ALIAS)


def package(name: str, path: list[str]) -> types.ModuleType:
    """Return a namespace package whose modules are in these folders only."""
    found = types.ModuleType(name)
    found.__path__ = path
    return found


class BuiltinAlias(MetaPathFinder, Loader):
    """Makes `roles.nginx` the same module as `provision.builtin.nginx` if the project has no such role.

    So its class of parameters exists once. It is asked last, after the project's folder.
    """

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        words = name.split(".")
        if words[0] != "roles" or len(words) < 2 or path is None:
            return None
        builtin = ".".join([BUILTIN_PACKAGE, *words[1:]])
        if importlib.util.find_spec(builtin) is None:
            return None
        return ModuleSpec(name, self, is_package=len(words) == 2)

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = importlib.import_module(spec.name.replace("roles", BUILTIN_PACKAGE, 1))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        # the module has run under its own name; the import system has replaced its spec by the alias's
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


ALIAS = BuiltinAlias()


def failing_line(error: Exception, folders: Sequence[Path]) -> str:
    """file:line of the innermost frame of the project's own code, or a role's, in an exception."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    ours = [str(folder / part) for folder in folders for part in ("roles", "steps")] + [str(BUILTIN)]
    found, tb = "", error.__traceback__
    while tb is not None:
        name = tb.tb_frame.f_code.co_filename
        if any(name.startswith(folder) for folder in ours):
            found = f"{name}:{tb.tb_lineno}"
        tb = tb.tb_next
    return found
