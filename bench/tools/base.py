"""What a tool is to the benchmark."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from bench.hosts import Endpoint, write_ssh
from bench.measure import Command
from bench.stack import VARIABLES

HERE = Path(__file__).parent.parent
ROOT = HERE.parent
PEERS = HERE / ".venv" / "bin"


class Tool(ABC):
    """One of those that are compared. name: in tables."""

    name = ""
    #: whether it can tell that it changed nothing
    idempotent = True

    @abstractmethod
    def prepare(self, points: Sequence[Endpoint], upload_mb: int, work: Path) -> Command:
        """Write the inventory and settings into work, a folder of this run; the command that deploys the stack."""

    @abstractmethod
    def unchanged(self, output: str, hosts: int) -> bool:
        """Whether the output of a run says that nothing has changed on any host."""

    def finish(self, points: Sequence[Endpoint], work: Path) -> None:
        """Stop what the run has left running on this machine."""
        return

    def version(self) -> str:
        """As the tool tells it."""
        return ""


class Floor(Tool):
    """`ssh host true`, to all hosts at once."""

    name = "ssh host true"

    def prepare(self, points: Sequence[Endpoint], upload_mb: int, work: Path) -> Command:
        config = write_ssh(points, work)
        if len(points) == 1:
            return Command(["ssh", "-F", str(config), points[0].name, "true"])
        all_at_once = " ".join(f"ssh -F {config} {p.name} true &" for p in points)
        return Command(["sh", "-c", f"{all_at_once} wait"])

    def unchanged(self, output: str, hosts: int) -> bool:
        return True


def values(upload_mb: int) -> dict[str, str | int]:
    """The templates' variables for one run."""
    return {**VARIABLES, "upload_mb": upload_mb}


def home(points: Sequence[Endpoint], work: Path) -> dict[str, str]:
    """An environment in which ~ is a folder of this run that knows the hosts' keys and nothing else."""
    folder = work / "home" / ".ssh"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_ssh(points, work)
    (folder / "known_hosts").write_bytes((work / "known_hosts").read_bytes())
    return {"HOME": str(work / "home"), "PATH": f"{PEERS}:{os.environ['PATH']}", "LC_ALL": "C.UTF-8"}
