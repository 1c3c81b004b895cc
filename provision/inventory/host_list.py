"""A list of hosts instead of an inventory: `-i web1,web2:2222,`, as Ansible takes it."""

from __future__ import annotations

from provision.inventory import ranges
from provision.inventory.located import Located, Origin
from provision.inventory.unresolved import Draft


def load(text: str, draft: Draft) -> None:
    """Add the hosts of a list to the draft. Errors go to draft.problems."""
    origin = Origin(f"-i {text}", 1)
    draft.add_group("ungrouped", origin)
    for word in filter(None, map(str.strip, text.split(","))):
        try:
            pattern, port = ranges.split_port(word)
            names = ranges.expand(pattern)
        except ValueError as error:
            draft.wrong(origin, (), str(error))
            continue
        draft.check_room(len(names), origin, ())
        for name in names:
            draft.add_host(name, "ungrouped", origin)
            if port is not None:
                draft.set_host_var(name, "ansible_port", Located(port, origin))
