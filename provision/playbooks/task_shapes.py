"""What tasks look like: loops that can be written out, handlers that restart a unit."""

from __future__ import annotations

import re
from typing import Any

from provision.playbooks.playbook_reading import Task, mapping

#: (indentation, statement or comment in one line)
Lines = list[tuple[int, str]]


def unrolled(task: Task, args: dict[str, Any]) -> list[Task]:
    """Return a task for each item of its loop, with the item's texts in place; none if only a run knows the items."""
    key = next((each for each in ("loop", "with_items") if each in task.keywords), "")
    items = task.keywords.get(key)
    if not isinstance(items, list) or "register" in task.keywords or "item" in str(task.keywords.get("when")):
        return []
    if not all(isinstance(item, (str, dict)) for item in items):
        return []
    keywords = {name: each for name, each in task.keywords.items() if name != key}
    return [
        Task(task.name, task.module, with_item(args, item), keywords, task.where, task.source, task.folder)
        for item in items
    ]


def with_item(args: dict[str, Any], item: Any) -> dict[str, Any]:
    """Return arguments with the texts of an item in place of its name."""
    parts = {"item": item} if isinstance(item, str) else {f"item.{key}": each for key, each in item.items()}
    found = dict(args)
    for name, value in parts.items():
        pattern = re.compile(rf"\{{\{{\s*{re.escape(name)}\s*\}}\}}")
        for key, each in found.items():
            if isinstance(each, str):
                found[key] = str(value).join(pattern.split(each))
    return found


def restarted(handler: Task) -> str | None:
    """Return the unit that a handler restarts or reloads; None for any other handler."""
    args = mapping(handler.args)
    if handler.module not in ("service", "systemd", "systemd_service"):
        return None
    if set(handler.keywords) & {"when", "loop", "with_items", "delegate_to"}:
        return None
    name = args.get("name", args.get("service", args.get("unit")))
    return str(name) if name and args.get("state") in ("restarted", "reloaded") else None


def handler_word(handler: Task) -> str:
    """Return "restart" or "reload"."""
    return str(mapping(handler.args)["state"]).removesuffix("ed")


def one_line(text: str) -> str:
    """Return a text for a comment."""
    return " ".join(text.split())


def solid(lines: Lines, indent: int) -> Lines:
    """Return statements, with `pass` if there are only comments."""
    if any(not text.startswith("#") for _, text in lines):
        return lines
    return [*lines, (indent, "pass")]
