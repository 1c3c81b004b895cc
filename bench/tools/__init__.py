"""What is compared: how each tool is started on the stack, and how its output tells that nothing changed."""

from __future__ import annotations

from bench.tools.ansible import Ansible, Mitogen
from bench.tools.base import Floor, Tool
from bench.tools.prov import Prov
from bench.tools.pyinfra import Pyinfra
from bench.tools.shell import Shell

__all__ = ["TOOLS", "Floor", "Tool"]

#: in the order in which they take turns
TOOLS: dict[str, Tool] = {tool.name: tool for tool in (Ansible(), Mitogen(), Pyinfra(), Shell(), Prov())}
