"""Writes the inventory of `prov init`, with a comment on each setting."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import yaml

from provision.apps.application_draft import ApplicationDraft

#: text that needs no quotes in YAML, unless YAML reads it as another type
PLAIN = re.compile(r"[A-Za-z/.][\w./:-]*")
#: column of the comments
WIDE = 60
#: what editors read; a relative path begins at the file
SCHEMA_COMMENT = (
    "# yaml-language-server: $schema=../prov.schema.json  (made by: prov schema > prov.schema.json)"
)


def inventory_text(draft: ApplicationDraft, host: str) -> str:
    """Return the text of the inventory. host: its name in the inventory, or its address."""
    lab = re.fullmatch(r"[a-z0-9-]+", host) is not None
    lines = [
        SCHEMA_COMMENT,
        "# Written by prov init. All settings: docs/inventory.md. Try it:  prov check",
        "all:",
        "  hosts:",
    ]
    lines.append(f"    {host}:")
    if lab:
        lines.append(
            commented(
                "      ansible_connection: lab", f"a throwaway host of this machine: prov lab up {host}"
            )
        )
    else:
        lines.append(commented("      ansible_user: root", "who logs in; another one becomes root with sudo"))
    roles = ", ".join(["base", "python", *draft.roles, "app"])
    lines += [
        "  vars:",
        commented(f"    roles: [{roles}]", "server and front of an application are added automatically"),
    ]
    lines += ["    apps:", f"      {draft.name}:"]
    for name, value, comment in draft.settings:
        lines += entry_lines(name, value, comment)
    return "\n".join(lines) + "\n"


def entry_lines(name: str, value: object, comment: str) -> list[str]:
    """Return a setting of an application as a line; a list of commands gets a line each."""
    whole = f"        {name}: {flow(value)}"
    if name not in ("processes", "release"):
        return [commented(whole, comment)]
    head = commented(f"        {name}:", comment)
    if isinstance(value, Mapping):
        return [head, *(f"          {key}: {flow(each)}" for key, each in value.items())]
    return [head, *(f"          - {flow(each)}" for each in (value if isinstance(value, list) else [value]))]


def commented(line: str, comment: str) -> str:
    """Return a line with its comment."""
    return f"{line:<{WIDE}} # {comment}"


def flow(value: object) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    text = str(value)
    if PLAIN.fullmatch(text) and yaml.safe_load(text) == text:
        return text
    # the library's own flow style breaks lines in text that has some
    quoted: str = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)
    return quoted.rstrip()
