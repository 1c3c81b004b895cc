"""Predict the ids that the host will give to new users and groups. Shipped with plans.

Source: shadow 4.13, find_new_uid.c and find_new_gid.c.
"""

import re
from typing import Set


def free_id(used: Set[int], word: str, system: bool, settings: str) -> int:
    """Return the id for a new account. word: UID or GID.  settings: the text of /etc/login.defs."""
    said = {name: int(number) for name, number in re.findall(r"(?m)^(\w+)\s+(\d+)", settings)}
    lowest, highest = said.get(word + "_MIN", 1000), said.get(word + "_MAX", 60000)
    if system:
        highest = said.get("SYS_%s_MAX" % word, lowest - 1)
        lowest = said.get("SYS_%s_MIN" % word, 101)
    taken = {number for number in used if lowest <= number <= highest}
    if system:
        # below all used ids; if those are exhausted, the highest free one
        below = min(taken, default=highest + 1) - 1
        order = [*range(below, lowest - 1, -1), *range(highest, lowest - 1, -1)]
    else:
        above = max(taken, default=lowest - 1) + 1
        order = [*range(above, highest + 1), *range(lowest, highest + 1)]
    return next((number for number in order if number not in taken), highest + 1)
