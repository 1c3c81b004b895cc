"""What maintainers' scripts of packages (postinst) do to units, as far as a plan has to know. Shipped.

Source: dh_installsystemd(1), deb-systemd-invoke(1p), invoke-rc.d(8).
"""

import re
from typing import List, NamedTuple

#: units are started by name, services of System V also without their type
STARTED = re.compile(
    r"(?m)^[^#\n]*\b(?:deb-systemd-invoke \S+|invoke-rc\.d(?: --\S+)*) +((?:'?[\w@.:-]+'? *)+)"
)


class Scripts(NamedTuple):
    """text: of the scripts of all packages that come together, as one may start what another brings."""

    text: str

    def enable(self, unit: str) -> bool:
        """Whether they enable a unit."""
        found = re.search(r"deb-systemd-helper.*(enable|was-enabled) '?%s'?" % re.escape(unit), self.text)
        return found is not None

    def start(self) -> List[str]:
        """The units that they start, if these are enabled."""
        names = [word.strip("'") for words in STARTED.findall(self.text) for word in words.split()]
        words = ("start", "restart", "reload", "upgrade", "status", "stop", "force-reload")
        full = [name if "." in name else name + ".service" for name in names if name not in words]
        return list(dict.fromkeys(full))
