"""Effects of packages' maintainer scripts (postinst) on units and accounts, as far as a plan needs them. Shipped.

Source: dh_installsystemd(1), deb-systemd-invoke(1p), invoke-rc.d(8), adduser(8), sysusers.d(5).
"""

import re
from typing import List, NamedTuple

#: commands start units by name; services of System V may lack the suffix
STARTED = re.compile(
    r"(?m)^[^#\n]*\b(?:deb-systemd-invoke \S+|invoke-rc\.d(?: --\S+)*) +((?:'?[\w@.:-]+'? *)+)"
)
#: NAME=value, in a line of its own
ASSIGNED = re.compile(r"""(?m)^\s*([A-Za-z_]\w*)=['"]?([\w.-]+)['"]?\s*$""")
#: a server of PostgreSQL, which makes and starts a cluster of its version
POSTGRESQL = re.compile(r"postgresql-(\d+)")


def cluster_of(package: str) -> str:
    """Return the version of PostgreSQL whose cluster `main` a package makes at first; "" for other packages.

    Source: postgresql-common, maintscripts-functions, configure_version.
    """
    found = POSTGRESQL.fullmatch(package)
    return found.group(1) if found else ""


class Scripts(NamedTuple):
    """Maintainer scripts.

    text: those of all packages installed together, because one may start another's unit.
    """

    text: str

    def enable(self, unit: str) -> bool:
        """Return whether the scripts enable a unit.

        Those of packages that leave it to the administrator (dh_installsystemd --no-enable) only do so if an earlier
        version of the package was installed.
        """
        name = "'?%s'?" % re.escape(unit)
        if re.search("deb-systemd-helper debian-installed " + name, self.text):
            return False
        return re.search("deb-systemd-helper.*(enable|was-enabled) " + name, self.text) is not None

    def start(self) -> List[str]:
        """Return the units that the scripts start, if they are enabled."""
        names = [word.strip("'") for words in STARTED.findall(self.text) for word in words.split()]
        words = ("start", "restart", "reload", "upgrade", "status", "stop", "force-reload")
        full = [name if "." in name else name + ".service" for name in names if name not in words]
        return list(dict.fromkeys(full))

    def adds(self, kind: str, name: str) -> bool:
        """Return whether the scripts add a "user" or "group"; sysusers.d's lines may be among them."""
        # a line that goes on, and variables that are set once
        text = self.text.replace("\\\n", " ")
        for variable, value in ASSIGNED.findall(text):
            text = re.sub(r"\$(?:%s\b|\{%s\})" % (variable, variable), value, text)
        own = r"""(?<![\w/=.-])['"]?%s['"]?(?![\w/=.-])""" % re.escape(name)
        wanted = r"(?m)^[^#\n]*\b(?:adduser|useradd)\b[^\n]*%s|^u!?\s+%s" % (own, own)
        if kind == "group":
            # the group of the user's own name is made with the user, or before
            wanted += r"|^[^#\n]*\b(?:addgroup|groupadd)\b[^\n]*%s|^g\s+%s" % (own, own)
        return re.search(wanted, text) is not None
