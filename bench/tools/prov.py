"""prov."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.hosts import Endpoint, write_changed, write_ssh
from bench.measure import Command
from bench.tools.base import HERE, ROOT, Tool, home, values

PROJECT = HERE / "prov"
#: beside the python that runs the benchmark, as `make` installs it
PROV = Path(sys.executable).parent / "prov"


class Prov(Tool):
    """`prov deploy`, with the role bench/prov/roles/shop."""

    name = "prov"

    def prepare(self, points: Sequence[Endpoint], upload_mb: int, work: Path) -> Command:
        return deploy(points, work, {"roles": ["shop"], "shop": values(upload_mb)})

    def unchanged(self, output: str, hosts: int) -> bool:
        return not re.search(r"\b[1-9]\d* (changed|failed|unreachable)", output)

    def version(self) -> str:
        argv = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--tags"]
        return f"prov at {subprocess.run(argv, capture_output=True, text=True).stdout.strip() or 'unknown'}"


def deploy(points: Sequence[Endpoint], work: Path, variables: Mapping[str, object], *options: str) -> Command:
    """`prov deploy` of roles of bench/prov/roles to these hosts."""
    hosts = {
        p.name: {
            "ansible_host": p.address,
            "ansible_port": p.port,
            "ansible_user": p.user,
            "ansible_ssh_private_key_file": str(p.key),
        }
        for p in points
    }
    # ssh takes the home from the account, and not from the environment
    variables = {"ansible_ssh_common_args": f"-F {write_ssh(points, work)}", **variables}
    inventory = work / "inventory.yml"
    # JSON is YAML
    text = json.dumps({"all": {"vars": variables, "hosts": hosts}}, indent=1)
    write_changed(inventory, text)
    argv = [str(PROV), "deploy", "all", "-i", str(inventory), *options]
    return Command(argv, home(points, work), PROJECT)
