"""What commands will have made true, for the later steps of a plan. Shipped to hosts (Python 3.8).

A plan's `host.run` only pretends. Where a command changes what files do not show, the step says here what it
will have done, and asks here before it asks the host.
"""

from typing import TYPE_CHECKING, Dict, Optional

if TYPE_CHECKING:
    from provision.system.host import System


def foresee(host: "System", what: str, state: str) -> None:
    """In a plan: what ("postgres role shop") will be in this state. In a deploy the host itself can tell."""
    if host.planned:
        known: Dict[str, str] = vars(host).setdefault("foreseen", {})
        known[what] = state


def foreseen(host: "System", what: str) -> Optional[str]:
    """The state that an earlier step of this plan has brought about, or None."""
    known: Dict[str, str] = vars(host).get("foreseen", {})
    return known.get(what)
