"""Files and templates that a role takes along."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from jinja2 import TemplateError, meta

from provision.errors import ProvError
from provision.playbooks.jinja_python import PythonExpressions
from provision.playbooks.not_carried import NotCarried
from provision.playbooks.playbook_facts import CASED, FACTS
from provision.playbooks.python_layout import quoted
from provision.roles.templates import environment

#: options of steps, which cannot be names for a template
OPTIONS = {"to", "mode", "owner", "group", "validate_with", "backup", "timeout", "when", "ignore_errors"}
OPTIONS |= {"retries", "delay", "as_user", "c"}
#: files of a folder that is taken along
MOST = 2_000


class CopiedFiles:
    """Contents for the role's files/ and templates/, by their paths in the role."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def file(self, name: str, folder: Path) -> str:
        """Take a file or folder along; return its name below files/. Raises NotCarried."""
        found = self._found("files", name, folder)
        target = short(name)
        if found.is_file():
            self._add(f"files/{target}", found.read_bytes())
            return target
        inside = sorted(path for path in found.rglob("*") if path.is_file())
        if len(inside) > MOST:
            raise NotCarried(f"a folder with {len(inside)} files")
        for path in inside:
            self._add(f"files/{target}/{path.relative_to(found).as_posix()}", path.read_bytes())
        return f"{target}/"

    def template(self, name: str, folder: Path, values: PythonExpressions) -> tuple[str, dict[str, str]]:
        """Take a template along; return its name, and the names that it uses with their sources.

        Raises NotCarried for one that only Ansible can render.
        """
        found = self._found("templates", name, folder)
        try:
            text = found.read_text("utf-8")
        except UnicodeDecodeError:
            raise NotCarried(f"{name} is not UTF-8 text") from None
        if text.startswith("#jinja2:"):
            raise NotCarried(f"{name} sets a syntax of its own")
        # Ansible keeps the blanks before a block, prov's templates drop them unless told
        text = re.sub(r"(?m)^([ \t]+)\{([%#])(?![+-])", r"\1{\2+", text)
        jinja = environment(Path(tempfile.gettempdir()))
        try:
            jinja.from_string(text)
            names = sorted(meta.find_undeclared_variables(jinja.parse(text)) - set(jinja.globals))
        except (TemplateError, ProvError) as error:
            raise NotCarried(f"the template {name}: {error}") from None
        options = template_values(names, values)
        target = short(name)
        self._add(f"templates/{target}", text.encode())
        return target, options

    def _add(self, path: str, data: bytes) -> None:
        if self.contents.setdefault(path, data) != data:
            raise NotCarried(f"two different files {path}")

    def _found(self, kind: str, name: str, folder: Path) -> Path:
        places = [folder / kind / name, folder / name, folder / "files" / name]
        found = next((path for path in places if path.exists()), None)
        if found is None or Path(name).is_absolute():
            raise NotCarried(f"the local file {name}, which was not found in the project")
        return found


def short(name: str) -> str:
    """Return a path below files/ or templates/ for one that a playbook names."""
    return "/".join(part for part in name.split("/") if part not in ("", ".", "..", "files", "templates"))


def template_values(names: list[str], values: PythonExpressions) -> dict[str, str]:
    """Return the sources of the names in a template. Raises NotCarried."""
    options, of_inventory = {}, []
    for name in names:
        if name in OPTIONS:
            raise NotCarried(f"the template uses the name {name}, which is an option of steps")
        if name == "ansible_managed":
            options[name] = '"Managed by prov."'
        elif name == "ansible_default_ipv4":
            options[name] = '{"address": c.facts.addresses[0]}'
        elif FACTS.get(name) in CASED:
            raise NotCarried(f"the template uses {name}, which prov spells in lower case")
        elif name in values.scope.registered:
            raise NotCarried(f"the template uses {name}, a whole result")
        else:
            source = values.scope.variable(name, values)
            if source.startswith("c.vars["):
                of_inventory.append(name)
            else:
                options[name] = source
    if of_inventory:
        listed = ", ".join(map(quoted, of_inventory)) + ("," if len(of_inventory) == 1 else "")
        # a template may ask whether one is defined
        options["**"] = "{name: c.vars[name] for name in (" + listed + ") if name in c.vars}"
    return options
