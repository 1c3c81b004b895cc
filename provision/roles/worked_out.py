"""Variables with their templates worked out, and the secrets that are read when they are used left closed."""

from __future__ import annotations

from typing import Any

from provision.inventory import InventoryHost, Problems
from provision.inventory.template_text import is_template

YamlPath = tuple[str | int, ...]


def worked_out(host: InventoryHost, name: str) -> Any:
    """Return a variable without templates; secrets in it that are read when they are used are not read.

    Raises ConfigErrors.
    """
    problems = Problems()

    def walk(value: Any, path: YamlPath) -> Any:
        if isinstance(value, dict):
            return {key: walk(part, (*path, key)) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [walk(part, (*path, index)) for index, part in enumerate(value)]
        if is_template(value):
            with problems.gathered():
                return host.inventory.templates.scope(host.name).final(path, value)
        return value

    found = walk(host.located[name].value, (name,))
    problems.raise_any()
    return found
