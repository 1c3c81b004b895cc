"""Lookups of templates: `lookup('env', 'HOME')`, files, templates in files, variables by name.

Source: ansible-core, "Lookups", and the pages of the plugins. What a lookup yields is never a template. `pipe` runs
commands on this machine, so a project has to ask for it: `[tool.prov] lookups = ["pipe"]`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from provision.expressions.bounds import LARGEST, ExpressionError
from provision.inventory.template_text import ON_REQUEST

#: seconds that a command of `pipe` may take
PIPE_SECONDS = 30
#: bytes of files
LARGEST_FILE = LARGEST


class Names(Protocol):
    """The variables of the host that a lookup is for, and how templates in files are worked out."""

    def __contains__(self, name: object) -> bool: ...
    def __getitem__(self, name: str) -> Any: ...
    def render(self, text: str) -> Any: ...


class Lookups:
    """The lookups of a project. project: its folder.  allowed: those of ON_REQUEST that it asks for."""

    def __init__(self, project: Path, allowed: Sequence[str] = ()) -> None:
        self._project = project
        self._known: dict[str, Callable[..., Iterator[Any]]] = {
            "dict": self._dict,
            "env": self._env,
            "file": self._file,
            "fileglob": self._fileglob,
            "first_found": self._first_found,
            "items": self._items,
            "list": self._list,
            "template": self._template,
            "vars": self._vars,
        }
        if "pipe" in allowed:
            self._known["pipe"] = self._pipe

    def found(
        self, name: str, terms: list[Any], options: Mapping[str, Any], names: Names, folder: Path
    ) -> list[Any]:
        """Return what a lookup finds.

        terms, options: its arguments.  names: variables of the host.  folder: of the file that asks.
        Raises ExpressionError: an unknown lookup, or nothing found.
        """
        short = name.removeprefix("ansible.builtin.")
        if short in ON_REQUEST and short not in self._known:
            raise ExpressionError(
                f"the lookup {short!r} runs commands on this machine; to allow it, write "
                f'lookups = ["{short}"] under [tool.prov] in pyproject.toml'
            )
        if short not in self._known:
            raise ExpressionError(f"there is no lookup {name!r}: prov has {', '.join(self._known)}")
        try:
            return list(self._known[short](terms, options, names, folder))
        except ExpressionError:
            if options.get("errors") in ("ignore", "warn"):
                return []
            raise

    def _env(self, terms: list[Any], options: Mapping[str, Any], *_: Any) -> Iterator[Any]:
        for term in terms:
            yield os.environ.get(str(term), options.get("default", ""))

    def _vars(self, terms: list[Any], options: Mapping[str, Any], names: Names, _: Path) -> Iterator[Any]:
        for term in terms:
            if term in names:
                yield names[term]
            elif "default" in options:
                yield options["default"]
            else:
                raise ExpressionError(f"{term!r} is undefined", undefined=True)

    def _file(self, terms: list[Any], options: Mapping[str, Any], _: Names, folder: Path) -> Iterator[Any]:
        for term in terms:
            text = self._read(term, "files", folder)
            text = text.rstrip() if options.get("rstrip", True) else text
            yield text.lstrip() if options.get("lstrip", False) else text

    def _template(self, terms: list[Any], _: Any, names: Names, folder: Path) -> Iterator[Any]:
        for term in terms:
            text = self._read(term, "templates", folder)
            found = names.render(text)
            yield "" if found is None else str(found)

    def _fileglob(self, terms: list[Any], _: Any, __: Names, folder: Path) -> Iterator[Any]:
        for term in terms:
            for place in self._places("files", folder):
                found = sorted(str(path) for path in place.glob(str(term)) if path.is_file())
                if found:
                    yield from found
                    break

    def _first_found(
        self, terms: list[Any], options: Mapping[str, Any], _: Names, folder: Path
    ) -> Iterator[Any]:
        flat = [each for term in terms for each in (term if isinstance(term, list) else [term])]
        for term in flat:
            path = self._find(term, "files", folder)
            if path is not None:
                yield str(path)
                return
        if not options.get("skip"):
            raise ExpressionError(f"none of these files exists: {', '.join(map(str, flat))}")

    def _dict(self, terms: list[Any], *_: Any) -> Iterator[Any]:
        for term in terms:
            if not isinstance(term, Mapping):
                raise ExpressionError("the lookup 'dict' takes a mapping")
            yield from ({"key": key, "value": value} for key, value in term.items())

    def _items(self, terms: list[Any], *_: Any) -> Iterator[Any]:
        for term in terms:
            yield from term if isinstance(term, list) else [term]

    def _list(self, terms: list[Any], *_: Any) -> Iterator[Any]:
        yield from terms

    def _pipe(self, terms: list[Any], *_: Any) -> Iterator[Any]:
        for term in terms:
            try:
                done = subprocess.run(
                    ["/bin/sh", "-c", str(term)],
                    cwd=self._project,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=PIPE_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise ExpressionError(f"the command took longer than {PIPE_SECONDS} seconds") from None
            if done.returncode != 0 or len(done.stdout) > LARGEST_FILE:
                why = done.stderr.decode(errors="replace").strip()[:200]
                raise ExpressionError(f"the command failed with {done.returncode}: {why}")
            yield done.stdout.decode(errors="replace").rstrip()

    def _places(self, kind: str, folder: Path) -> list[Path]:
        """Where files are looked for: beside the project's playbooks, as Ansible does, then beside the inventory."""
        return [self._project / kind, self._project, folder / kind, folder]

    def _find(self, name: Any, kind: str, folder: Path) -> Path | None:
        path = Path(str(name)).expanduser()
        return next((at / path for at in self._places(kind, folder) if (at / path).is_file()), None)

    def _read(self, name: Any, kind: str, folder: Path) -> str:
        """The text of a file. Raises ExpressionError."""
        path = self._find(name, kind, folder)
        if path is None:
            raise ExpressionError(
                f"there is no file {str(name)!r} in {kind}/, the project or beside the inventory"
            )
        try:
            with path.open("rb") as f:
                data = f.read(LARGEST_FILE + 1)
        except OSError as error:
            raise ExpressionError(f"{str(name)!r} could not be read: {error.strerror}") from None
        if len(data) > LARGEST_FILE:
            raise ExpressionError(f"{str(name)!r} is larger than {LARGEST_FILE:,} bytes")
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise ExpressionError(f"{str(name)!r} is not UTF-8 text") from None
