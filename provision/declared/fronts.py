"""Fronts: roles that declare which settings of an application they implement.

OFFERS = ("static", "cache", "auth: basic", "balance")    settings of applications that it takes care of
UNIT = "caddy"                                            its unit: another front has it stopped
SITES = "/etc/caddy/sites/{}.conf"                        an application's file: another front removes it
DRAINING = "caddy: finishing"                             optional: title of processes that only finish requests
LOGS = ("/var/log/caddy/access.log",)                     optional: files that it logs to, besides the journal
MEMBER = ("to", "off")                                    optional: the word that begins a line with a host that it
                                                          balances to, and the word behind it that takes it out
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from provision.declared.constants import Constant, RoleModules, declared, refusal, source_of, words
from provision.errors import ConfigError
from provision.values import dataclass

#: what an application, or `balance`, may require of a front
OFFERS = (
    *("static", "media", "streams", "cache", "rate_limit", "error_pages", "maintenance"),
    *("redirects", "headers", "allow", "deny", "default", "health_by_any_name", "snippets"),
    *("auth: basic", "auth: django", "auth: certificate", "balance", "previews"),
)
UNIT_NAME = re.compile(r"[A-Za-z0-9:_.\\-]+")
DEFAULT_FRONT = "nginx"


@dataclass(frozen=True)
class Front:
    """What the role of a front declares. sites: path of an application's file, with {} for its name.

    logs: files that it logs to, besides the journal.  member: the word that begins a line with a host that it balances
    to, and the word behind that host that takes it out.
    """

    name: str
    file: str
    offers: tuple[str, ...]
    unit: str
    sites: str
    draining: str = ""
    logs: tuple[str, ...] = ()
    member: tuple[str, ...] = ()

    def site(self, app: str) -> str:
        """Path of the file of an application, by its name."""
        return self.sites.replace("{}", app)


def front(name: str, folders: Sequence[Path]) -> Front | None:
    """The front of that name; None if there is no such role, or it is not a front.

    Raises ConfigError, with file and line, if the role declares itself wrongly.
    """
    source = source_of(name, folders)
    offers = source.get("OFFERS") if source else None
    if source is None or offers is None:
        return None
    offered = words(offers, example=("static", "media"), known=OFFERS)
    unit, sites = text(source, "UNIT", offers), text(source, "SITES", offers)
    if not UNIT_NAME.fullmatch(unit.value):
        raise ConfigError(f"UNIT must be the name of a unit, not {unit.value!r}", where=unit.where)
    if not sites.value.startswith("/") or sites.value.count("{}") != 1:
        message = f"SITES must be an absolute path with {{}} for the application's name, not {sites.value!r}"
        raise ConfigError(message, where=sites.where)
    draining = text(source, "DRAINING", offers).value if source.get("DRAINING") else ""
    logs = source.get("LOGS")
    files = words(logs, example=("/var/log/caddy/access.log",)) if logs else ()
    if logs and not all(path.startswith("/") for path in files):
        raise ConfigError(f"LOGS must be absolute paths, not {logs.value!r}", where=logs.where)
    constant = source.get("MEMBER")
    member = tuple(words(constant, example=("to", "off"))) if constant else ()
    if constant and len(member) != 2:
        raise ConfigError(
            f"MEMBER must be two words, such as ('to', 'off'), not {constant.value!r}", where=constant.where
        )
    return Front(name, source.file, offered, unit.value, sites.value, draining, tuple(files), member)


def text(source: RoleModules, name: str, offers: Constant) -> Constant:
    """Return a constant that is text. Raises ConfigError."""
    constant = source.get(name)
    if constant is None:
        source.refuse_misspelling(name)
        raise ConfigError(f"role {source.role!r} has OFFERS, but no {name}", where=offers.where)
    if not isinstance(constant.value, str) or not constant.value:
        raise ConfigError(f"{name} must be literal text", where=constant.where)
    return constant


def named(name: str, folders: Sequence[Path]) -> Front:
    """The front that an application names. Raises ValueError if none has that name, and ConfigError as
    `front`."""
    found = front(name, folders)
    if found is not None:
        return found
    known = [each.name for each in fronts(folders)]
    raise refusal(name, folders, lacks="OFFERS", so="not a front", known=known)


def fronts(folders: Sequence[Path]) -> list[Front]:
    """Every front, by name; roles that declare themselves wrongly are left out."""
    return declared("OFFERS", folders, front)
