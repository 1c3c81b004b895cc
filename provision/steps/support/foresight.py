"""Records the expected effects of commands, for the later steps of a plan. Shipped to hosts (Python 3.8).

A plan's `host.run` only pretends. If a command changes something that is not a file, the step records the
expected state here, and looks here before it asks the host.
"""

from typing import TYPE_CHECKING, Dict, Optional

if TYPE_CHECKING:
    from provision.system.host import System

#: the last command of a plan, and the last service or extension: no plan knows what those make
COMMANDS, MAKERS = "commands", "makers"


def foresee(host: "System", what: str, state: str) -> None:
    """In a plan, record the state that a thing ("postgres role shop") will have. A deploy asks the host."""
    if host.planned:
        known: Dict[str, str] = vars(host).setdefault("foreseen", {})
        known[what] = state


def foreseen(host: "System", what: str) -> Optional[str]:
    """Return the state that an earlier step of this plan brings about, or None."""
    known: Dict[str, str] = vars(host).get("foreseen", {})
    return known.get(what)


def commands_run(host: "System") -> bool:
    """Return whether this plan has commands before this step: they may make what it looks for."""
    return foreseen(host, COMMANDS) is not None


def may_be_made(host: "System") -> bool:
    """Return whether what a plan does not find may be made by its commands, services or extensions."""
    return commands_run(host) or foreseen(host, MAKERS) is not None
