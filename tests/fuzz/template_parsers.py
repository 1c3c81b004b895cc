"""Templates in variables, and what inventory scripts print."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from fuzzed import JsonParser, Parser
from local_parsers import LIKE_ANSIBLE

from provision.errors import ProvError


class Templates(Parser):
    name = "templates"
    words = (
        *(
            b"{{ ",
            b" }}",
            b"{% for x in ",
            b" %}",
            b"{% endfor %}",
            b"{% set x = ",
            b"{# ",
            b" | ",
            b" is ",
            b" ~ ",
        ),
        *(
            b"**",
            b"*",
            b"'",
            b"(",
            b")",
            b"[",
            b"]",
            b".",
            b"\\",
            b"none",
            b"nope",
            b"groups",
            b"hostvars",
            b"vars",
        ),
        *(
            b"lookup('file', 'x')",
            b"lookup('vars', 'l')",
            b"range(99999)",
            b"9999999",
            b"'{:999999999}'.format(1)",
        ),
        *(
            b".__class__",
            b"_around",
            b"| list",
            b"| map('upper')",
            b"| regex_search('(a+)+b')",
            b"| combine(m)",
        ),
        *(
            b"| to_nice_yaml",
            b"| from_yaml",
            b"| ipaddr('net')",
            b"| product(l)",
            b"| default(",
            b"loop1",
            b"text",
        ),
    )

    def seeds(self) -> list[bytes]:
        """Return inventories whose templates Ansible works out."""
        return [path.read_bytes() for path in sorted(LIKE_ANSIBLE.glob("3*/*.yml"))]

    def run(self, data: bytes, folder: Path) -> None:
        """Read every variable of two hosts."""
        from provision.inventory import load

        (folder / "hosts.yml").write_bytes(data)
        loaded = load([str(folder / "hosts.yml")], cwd=folder)
        for host in list(loaded.hosts.values())[:2]:
            for name in host.vars:
                with contextlib.suppress(ProvError):
                    json.dumps(host.vars[name], default=str)


class Scripts(JsonParser):
    name = "scripts"

    def seeds(self) -> list[bytes]:
        """Return what scripts print."""
        groups = {
            "all": {"vars": {"a": 1, "deep": [{"x": None}]}, "children": ["web"]},
            "web": {"hosts": ["web1", "web2"], "vars": {"tpl": "{{ a }}"}},
            "old": ["db1"],
            "alone": {"ansible_host": "192.0.2.1"},
            "_meta": {"hostvars": {"web1": {"ansible_port": 22, "roles": ["base"]}}},
        }
        return [json.dumps(groups).encode()]

    def run(self, data: bytes, folder: Path) -> None:
        """Run a script that prints it, and list its hosts."""
        from provision.commands.hosts import as_event, row
        from provision.inventory import load

        (folder / "printed").write_bytes(data)
        script = folder / "hosts.sh"
        script.write_text(f"#!/bin/sh\n[ $1 = --list ] && exec cat {folder}/printed\n")
        script.chmod(0o755)
        for host in list(load([str(script)], cwd=folder).hosts.values())[:20]:
            with contextlib.suppress(ProvError):
                row(host)
                json.dumps(as_event(host))
