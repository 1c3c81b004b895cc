"""Choose the program that starts a host's agent, and send only its hash if the host has kept it.

A deploy as root sends the agent, then the modules of its steps, then what plans need; the host keeps all of
it. Later runs name the program by its SHA-256, which the host checks before it runs the program. A host that
has lost the program says so, and gets the whole again. The notes kept here only save time.
"""

from __future__ import annotations

import functools
import hashlib
import zlib
from collections.abc import Iterable
from typing import Any

from provision.controller.bootstrap import AGENT, PLAN, file_of, needed, program_text
from provision.controller.openssh.answer_cache import recall, remember, state_of

#: kind under which the answer cache stores what hosts have: one note for each installation of prov, because a
#: note lists the modules of that installation
KIND = f"program of {__file__}"


class AgentProgram:
    """The program that starts one agent. modules: prov's modules in it.  ledger: see Login.
    digest: the hash by which the host knows it; "" if it must be sent.
    """

    def __init__(self, modules: Iterable[str], ledger: str = "", digest: str = "") -> None:
        self.modules = tuple(modules)
        self.ledger = ledger
        self.digest = digest

    def first_input(self) -> bytes:
        """Return what the bootstrap reads: length or hash, the ledger, and the program, compressed."""
        packed = b"" if self.digest else packed_program(self.modules)
        return f"{len(packed)} {self.digest}\n{self.ledger}\n".encode() + packed

    def whole(self) -> AgentProgram:
        """Return the same for a host that does not have the program."""
        return AgentProgram(self.modules, self.ledger)


@functools.cache
def packed_program(modules: tuple[str, ...]) -> bytes:
    """Return a program, compressed."""
    return zlib.compress(program_text(modules), 9)


def program_for(host: str, *, plan: bool, ledger: str = "") -> AgentProgram:
    """Return the program for a host. host: its identity; "" for a host without notes."""
    noted: Any = recall(KIND, host) if host and not ledger else None
    if noted is not None:
        return AgentProgram(noted["modules"], ledger, noted["digest"])
    return AgentProgram(dict.fromkeys([*needed(AGENT), *(needed(PLAN) if plan else ())]), ledger)


def remember_program(host: str, program: AgentProgram, sent: Iterable[str]) -> None:
    """Note after a deploy what the host has kept.

    program: the initial one.  sent: all modules sent to the host.
    """
    modules = sorted(name for name in sent if not name.startswith("steps."))
    if not host or (program.digest and len(modules) == len(program.modules)):
        return
    files = {path: state_of(path) for path in map(file_of, modules)}
    digest = hashlib.sha256(program_text(modules)).hexdigest()
    remember(KIND, host, files, {"modules": modules, "digest": digest})
