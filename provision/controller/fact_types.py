"""Facts about a host, as roles read them (`c.facts.distribution`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provision.values import dataclass


@dataclass(frozen=True)
class Facts:
    """Facts about a host, from the agent's first message.

    distribution, version, codename: as in os-release(5), such as "debian", "12", "bookworm".  family:
    "debian" or "redhat".  cpus: usable by this process.  memory_mb: total, in MiB.  addresses: without
    loopback and link-local ones, IPv4 first.  python: version of the host's interpreter.  init: "systemd" or
    the name of process 1.  user: the one that the agent runs as.  login_user: who logged in.
    """

    distribution: str
    version: str
    codename: str
    family: str
    architecture: str
    kernel: str
    hostname: str
    cpus: int
    memory_mb: int
    addresses: tuple[str, ...]
    python: str
    python_path: str
    init: str
    user: str
    login_user: str

    @classmethod
    def from_message(cls, values: Mapping[str, Any]) -> Facts:
        """Return the facts in a hello message, which has been checked (agent/protocol.py)."""
        return cls(**values)

    def is_from(self, first: Mapping[str, float]) -> bool:
        """Return whether the distribution is one of these releases, or a newer one. Unknown distributions are new."""
        return float(self.version or 0) >= first.get(self.distribution, 0.0)
