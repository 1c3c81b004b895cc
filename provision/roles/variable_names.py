"""Names of the inventory's variables: misspelt ones are refused, those that nothing reads are named.

Projects have variables of their own, for their roles and for Ansible; so only a name that is one typing error away
from one that prov reads is refused, unless `[tool.prov] strict = true` in pyproject.toml allows no other names.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from provision.declared.role_folders import BUILTIN, names
from provision.errors import ConfigError
from provision.inventory import InventoryHost
from provision.inventory.connection_settings import NAMES
from provision.inventory.own_names import prefixes
from provision.inventory.platform_names import PLATFORM, platform_names
from provision.inventory.sealed_variables import PARTS_OF_APPS
from provision.names import is_misspelt

#: variables that prov reads, besides those of the connection and of roles
OF_HOSTS = ("apps", *PARTS_OF_APPS, "balance", "ec2", "internal_address", PLATFORM, "roles")
#: bytes of a role's file that are searched for names
MOST = 1_000_000


class VariableNames:
    """What reads variables. folders: where roles are looked for.  prefix: of the variables that are prov's own."""

    def __init__(self, folders: Sequence[Path], prefix: str) -> None:
        self._folders = folders
        own = (*OF_HOSTS, *platform_names(), *names(folders))
        self._read = frozenset((*(before + name for before in prefixes(prefix) for name in own), *NAMES))
        # hosts have the same names again and again
        self._meant = functools.cache(self._nearest)

    def wrong(self, host: InventoryHost, *, strict: bool) -> Iterator[ConfigError]:
        """Yield an error for each name that is misspelt. strict: also for those that nothing reads."""
        for name in host.located:
            if near := self._meant(name):
                hint = f"If you mean a variable of your own, give it a name that is less like {near!r}."
                yield host.error_as_written(
                    (name,), f"there is no variable {name!r}. Did you mean {near!r}?", hint
                )
            elif strict and self._is_unread(name):
                hint = "`strict = true` in pyproject.toml allows no other names."
                yield host.error_as_written((name,), f"nothing reads the variable {name!r}", hint)

    def unread(self, given: Iterable[str]) -> list[str]:
        """Return those of these variables that neither prov nor a role of the project reads.

        Ansible's own are left out.
        """
        return list(filter(self._is_unread, given))

    def _is_unread(self, name: str) -> bool:
        return not (name.startswith("ansible_") or name in self._read or name in self._words)

    def _nearest(self, name: str) -> str:
        """Return the name that is meant by a misspelt one; "" if it is not one."""
        if name in self._read:
            return ""
        near = next((known for known in sorted(self._read) if is_misspelt(name, known)), "")
        return near if near and name not in self._words else ""

    @functools.cached_property
    def _words(self) -> frozenset[str]:
        """Every word in the files of the project's own roles, which read variables by their names."""
        return frozenset(
            word for folder in self._folders if folder != BUILTIN for word in words_below(folder)
        )


def words_below(folder: Path) -> Iterator[str]:
    """Yield the words in the text files below a folder."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".j2"):
            with path.open(encoding="utf-8", errors="replace") as f:
                yield from re.findall(r"\w+", f.read(MOST))
