"""Effects of packages' maintainer scripts (postinst) on units, as far as a plan needs them. Shipped.

Source: dh_installsystemd(1), deb-systemd-invoke(1p), invoke-rc.d(8).
"""

import re
from typing import List, NamedTuple

#: commands start units by name; services of System V may lack the suffix
STARTED = re.compile(
    r"(?m)^[^#\n]*\b(?:deb-systemd-invoke \S+|invoke-rc\.d(?: --\S+)*) +((?:'?[\w@.:-]+'? *)+)"
)


class Scripts(NamedTuple):
    """Maintainer scripts.

    text: those of all packages installed together, because one may start another's unit.
    """

    text: str

    def enable(self, unit: str) -> bool:
        """Return whether the scripts enable a unit."""
        found = re.search(r"deb-systemd-helper.*(enable|was-enabled) '?%s'?" % re.escape(unit), self.text)
        return found is not None

    def start(self) -> List[str]:
        """Return the units that the scripts start, if they are enabled."""
        names = [word.strip("'") for words in STARTED.findall(self.text) for word in words.split()]
        words = ("start", "restart", "reload", "upgrade", "status", "stop", "force-reload")
        full = [name if "." in name else name + ".service" for name in names if name not in words]
        return list(dict.fromkeys(full))
