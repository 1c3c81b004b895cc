"""pyinfra."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.hosts import Endpoint
from bench.measure import Command
from bench.tools.ansible import installed
from bench.tools.base import HERE, PEERS, Tool, home, values

PAGE = "Page over HTTPS"
DEPLOY = HERE / "pyinfra" / "deploy.py"


class Pyinfra(Tool):
    """`pyinfra inventory.py deploy.py -y`."""

    name = "pyinfra"

    def prepare(self, points: Sequence[Endpoint], upload_mb: int, work: Path) -> Command:
        variables = values(upload_mb)
        data = {
            p.name: {
                **variables,
                "variables": list(variables),
                "ssh_hostname": p.address,
                "ssh_port": p.port,
                "ssh_user": p.user,
                "ssh_key": str(p.key),
                "ssh_known_hosts_file": str(work / "known_hosts"),
                "ssh_strict_host_key_checking": "yes",
                "ssh_look_for_keys": False,
                "ssh_allow_agent": False,
            }
            for p in points
        }
        inventory = work / "inventory.py"
        inventory.write_text(f"hosts = {list(data.items())!r}\n")
        return Command([str(PEERS / "pyinfra"), "-y", str(inventory), str(DEPLOY)], home(points, work))

    def unchanged(self, output: str, hosts: int) -> bool:
        # what it always runs is the shell operation that asks for the page
        parts = output.split("--> Starting operation: ")[1:]
        changed = [part for part in parts if "Success" in part and not part.startswith(PAGE)]
        return len(parts) > 30 and not changed

    def version(self) -> str:
        return f"pyinfra {installed('pyinfra')}"
