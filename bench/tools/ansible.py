"""Ansible with pipelining, and the same with Mitogen's strategy."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path

from bench.hosts import Endpoint
from bench.measure import Command
from bench.tools.base import HERE, PEERS, Tool, home, values

PLAYBOOK = HERE / "ansible" / "playbook.yml"
RECAP = re.compile(r"ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")


class Ansible(Tool):
    """ansible-playbook. Its ssh connections (ControlPersist) last for one run."""

    name = "Ansible"

    def prepare(self, points: Sequence[Endpoint], upload_mb: int, work: Path) -> Command:
        env = home(points, work)
        inventory = work / "inventory.json"
        common = (
            f"-o UserKnownHostsFile={work / 'known_hosts'} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
        )
        variables = {
            **values(upload_mb),
            "ansible_ssh_common_args": common,
            "ansible_python_interpreter": "/usr/bin/python3",
        }
        hosts = {
            p.name: {
                "ansible_host": p.address,
                "ansible_port": p.port,
                "ansible_user": p.user,
                "ansible_ssh_private_key_file": str(p.key),
            }
            for p in points
        }
        inventory.write_text(json.dumps({"all": {"vars": variables, "hosts": hosts}}, indent=1))
        sockets = work / "cp"
        sockets.mkdir(exist_ok=True)
        settings = work / "ansible.cfg"
        settings.write_text("[connection]\npipelining = True\n")
        env |= {
            "ANSIBLE_CONFIG": str(settings),
            "ANSIBLE_FORKS": str(max(5, len(points))),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
            "ANSIBLE_NOCOLOR": "1",
            **self.extra(),
        }
        return Command([str(PEERS / "ansible-playbook"), "-i", str(inventory), str(PLAYBOOK)], env)

    def extra(self) -> dict[str, str]:
        """Further settings, as environment variables."""
        return {}

    def unchanged(self, output: str, hosts: int) -> bool:
        found = RECAP.findall(output)
        return len(found) == hosts and all(recap[1:] == ("0", "0", "0") for recap in found)

    def finish(self, points: Sequence[Endpoint], work: Path) -> None:
        for control in (work / "cp").glob("*"):
            argv = ["ssh", "-o", f"ControlPath={control}", "-O", "exit", "any"]
            subprocess.run(argv, capture_output=True, timeout=10)

    def version(self) -> str:
        return f"ansible-core {installed('ansible-core')}"


class Mitogen(Ansible):
    """Ansible with Mitogen."""

    name = "Ansible + Mitogen"

    def extra(self) -> dict[str, str]:
        return {
            "ANSIBLE_STRATEGY": "mitogen_linear",
            "ANSIBLE_STRATEGY_PLUGINS": str(packages() / "ansible_mitogen" / "plugins" / "strategy"),
        }

    def version(self) -> str:
        return f"mitogen {installed('mitogen')}, {super().version()}"


def packages() -> Path:
    """site-packages of the peers' environment."""
    return next((HERE / ".venv" / "lib").glob("python3*/site-packages"))


def installed(name: str) -> str:
    """The version of a package there."""
    return next(iter(distributions(name=name, path=[str(packages())]))).version
