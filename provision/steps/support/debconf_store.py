"""What debconf has stored: each question's value, and whether someone has answered it. Shipped (Python 3.8)."""

import re
from typing import TYPE_CHECKING, Dict, NamedTuple

if TYPE_CHECKING:
    from provision.system.host import System

STORES = ("/var/cache/debconf/config.dat", "/var/cache/debconf/passwords.dat")
#: what differences say of a value that is only the package's proposal, and of an answer that is empty
UNANSWERED, EMPTY = "(not answered)", "(empty)"


class Stored(NamedTuple):
    """A question's value, and whether it was given as an answer ("seen", debconf-devel(7))."""

    value: str
    seen: bool

    def shown(self) -> str:
        """Return it as differences have it; `read_back` understands it."""
        if self.seen:
            return self.value or EMPTY
        return ("%s %s" % (self.value, UNANSWERED)).strip()


def read_back(text: str) -> Stored:
    """Return what `shown` has described."""
    if text == UNANSWERED or text.endswith(" " + UNANSWERED):
        return Stored(text[: -len(UNANSWERED)].rstrip(" "), False)
    return Stored("" if text == EMPTY else text, True)


def stored(host: "System") -> Dict[str, Stored]:
    """Return what debconf has stored, by question."""
    found: Dict[str, Stored] = {}
    for path in STORES:
        text = host.files.read(path).decode(errors="replace") if host.files.exists(path) else ""
        for block in text.split("\n\n"):
            lines = dict(line.split(":", 1) for line in block.splitlines() if re.match(r"^\w+:", line))
            if "Name" in lines:
                seen = "seen" in lines.get("Flags", "").split()
                # one space stands after the colon; more are the value's
                found[lines["Name"].strip()] = Stored(re.sub("^ ", "", lines.get("Value", "")), seen)
    return found
