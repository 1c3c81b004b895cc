"""The environment variables that tell an application about its host."""

from __future__ import annotations

import posixpath
import re

from provision.apps.app_model import App
from provision.apps.requirement_files import FileTree

#: names that Django projects' settings commonly read; prov's own variables add the prefix PROV_
ASKED_FOR = ("ALLOWED_HOSTS", "BEHIND_PROXY", "DATA_DIR")


def asked_for(app: App, tree: FileTree) -> tuple[str, ...]:
    """Return the names that a Django project's settings have in quotes: `os.environ["ALLOWED_HOSTS"]`.

    Other applications get none: their own settings may have these names, and libraries (pydantic) would read
    the variables.
    """
    if app.django is None:
        return ()
    texts = [tree.read(path).decode(errors="replace") for path in settings_files(app, tree)]
    return tuple(name for name in ASKED_FOR if any(re.search(f"[\"']{name}[\"']", text) for text in texts))


def settings_files(app: App, tree: FileTree) -> list[str]:
    """Yield the source files of its settings: the module, and its neighbours if settings are a package."""
    assert app.django is not None
    path = app.django.settings.replace(".", "/")
    for folder in (*app.pythonpath, *own_pythonpath(app), posixpath.dirname(app.django.manage), ""):
        module = app.in_source(posixpath.join(folder, path))
        if tree.has(f"{module}.py"):
            package = posixpath.dirname(module)
            if posixpath.basename(package) != "settings":
                return [f"{module}.py"]
            return [each for each in tree.below(package) if each.endswith(".py")]
        if tree.has(f"{module}/__init__.py"):
            return [each for each in tree.below(module) if each.endswith(".py")]
    return []


def own_pythonpath(app: App) -> list[str]:
    """Return the folders of the source in the PYTHONPATH of its environment."""
    folders = str(app.environment.get("PYTHONPATH", "")).split(":")
    return [each for each in folders if each and not each.startswith(("/", ".."))]


def surroundings(app: App, data: str, asked: tuple[str, ...]) -> dict[str, str]:
    """Return the variables. data: folder that outlives releases.  asked: names that the settings read."""
    names = ["." + d[2:] if d.startswith("*.") else d for d in app.domains]
    found = {"DATA_DIR": data, "ALLOWED_HOSTS": ",".join([*names, *(["*"] if app.default else [])])}
    if app.tls != "none":
        found["BEHIND_PROXY"] = "1"
    own = {f"PROV_{name}": value for name, value in found.items()}
    return {**own, **{name: value for name, value in found.items() if name in asked}}
