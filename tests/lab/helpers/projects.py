"""Projects in temporary folders: an inventory, applications, roles of their own."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from provision import lab

#: found before any test puts another one before it
SSH = shutil.which("ssh")
EXAMPLES = Path(__file__).parents[3] / "examples"

HELLO: dict[str, Any] = {
    "source": "../flask_hello",
    "target": "hello:app",
    "domains": ["hello.test"],
    "static": {"/static/": "static"},
    "health": "/healthz",
}
POLLS: dict[str, Any] = {
    "source": "../django_polls",
    "target": "polls_site.wsgi:application",
    "django": {"settings": "polls_site.settings"},
    "domains": ["polls.test"],
    "static": {"/static/": "static"},
    "health": "/healthz",
}
STACK = ["base", "python", "app", "gunicorn", "nginx", "tls"]


class Project:
    """folder: where prov is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / ".prov/ca/ca.crt"
        (folder / "inventory").mkdir(parents=True)

    def inventory(self, hosts: Mapping[str, Mapping[str, Any] | None], **group_vars: Any) -> Project:
        """Write the inventory: one group `tests` of these hosts and their variables."""
        content = {"tests": {"vars": group_vars, "hosts": {n: dict(v or {}) for n, v in hosts.items()}}}
        # a copy first: YAML's own anchors for what is mentioned twice are not what people write
        text = yaml.dump(content, Dumper=Plain, sort_keys=False)
        (self.folder / "inventory/hosts.yml").write_text(text)
        return self

    def examples(self) -> Project:
        """Copy the example applications to the project's folder, to be changed there."""
        for name in ("flask_hello", "django_polls"):
            ignored = shutil.ignore_patterns("__pycache__", "db.sqlite3", "static_root")
            shutil.copytree(EXAMPLES / name, self.folder / name, ignore=ignored)
        return self

    def role(self, name: str, body: str, *, head: str = "", **templates: str) -> Project:
        """Write a role with one task, whose body this is; c is the host. templates: name, with _ for the dot."""
        folder = self.folder / "roles" / name
        (folder / "templates").mkdir(parents=True, exist_ok=True)
        (folder / "__init__.py").write_text(
            f"from provision.role import Host, Params, task\n"
            f"from provision.steps import apt, command, files, systemd, users, wait\n\n"
            f"{textwrap.dedent(head)}\n\n"
            f"@task\ndef install(c: Host) -> None:\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"
        )
        for template, text in templates.items():
            (folder / "templates" / f"{template}.j2").write_text(text)
        return self

    def home(self, *trusted: lab.LabHost, config: str = "") -> dict[str, str]:
        """Give people who run prov a home of their own, that knows these hosts' keys; returns the environment."""
        ssh = self.folder / "home/.ssh"
        ssh.mkdir(parents=True, exist_ok=True, mode=0o700)
        known = []
        for host in trusted:
            lines = host.known_hosts.read_text().splitlines()
            known += [line for line in lines if host.address in line.split()[0].split(",")]
        assert len(known) >= len(trusted)
        (ssh / "known_hosts").write_text("".join(f"{line}\n" for line in known))
        # where nothing above says otherwise
        files = f"\nHost *\n    UserKnownHostsFile {ssh}/known_hosts\n"
        (ssh / "config").write_text(textwrap.dedent(config) + files)
        # ssh takes the home from the account, and not from the environment
        program = ssh.parent / "bin/ssh"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {SSH} -F {ssh}/config "$@"\n')
        program.chmod(0o755)
        path = f"{program.parent}:{os.environ['PATH']}"
        return {"HOME": str(ssh.parent), "SSH_AUTH_SOCK": "", "PATH": path}


def by_address(host: lab.LabHost) -> dict[str, Any]:
    """Variables that reach a lab host as any other host is reached."""
    return {
        "ansible_host": host.address,
        "ansible_user": host.user,
        "ansible_port": host.port,
        "ansible_ssh_private_key_file": str(host.key),
    }


class Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True
