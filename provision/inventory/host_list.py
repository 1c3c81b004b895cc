"""A list of hosts instead of an inventory: `-i web1,web2:2222,`, as Ansible takes it."""

from __future__ import annotations

from provision.inventory.graph import UNGROUPED
from provision.inventory.located import Origin
from provision.inventory.unresolved import Draft


def load(text: str, draft: Draft) -> None:
    """Add the hosts of a list to the draft. Errors go to draft.problems."""
    origin = Origin(f"-i {text}", 1)
    draft.add_group(UNGROUPED, origin)
    for word in filter(None, map(str.strip, text.split(","))):
        draft.add_hosts(word, UNGROUPED, {}, origin, ())
