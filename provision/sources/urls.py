"""URLs of repositories: separates logins from them, and judges those of submodules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from posixpath import normpath
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from provision.errors import ProvError
from provision.secrets import without_logins
from provision.sources.git_login import without_login

#: git's own transports; `ext::` and other helpers run commands (git-remote-ext(1))
TRANSPORTS = ("file", "git", "http", "https", "ssh")
SCP = re.compile(r"(?P<host>[\w.-]+@[\w.-]+|[\w.-]+):(?P<path>(?!:)\S+)")


class Remote(NamedTuple):
    """A repository. url: for git.  options, login: git's options and environment for a login by http."""

    url: str
    options: tuple[str, ...] = ()
    login: Mapping[str, str] = MappingProxyType({})

    @property
    def local(self) -> bool:
        """Return whether it is on this machine."""
        return self.url.startswith("file:")

    @property
    def origin(self) -> str:
        """Return scheme and host, which the login is for."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


def remote_of(url: str) -> Remote:
    """Take the login out of a URL. Raises ProvError."""
    plain, options, login = without_login(url)
    # ssh takes a user name there; other schemes take nothing, and git would show the login
    return Remote(plain if plain.startswith("ssh:") else without_logins(plain), tuple(options), login)


def submodule_of(parent: Remote, url: str, path: str) -> Remote:
    """Return a submodule's repository. url: from .gitmodules, maybe relative to the parent's (gitmodules(5)).

    Raises ProvError for a URL of another transport than git's own, or that leads to files of this machine.
    """
    full = joined(parent.url, url) if url.startswith(("./", "../")) else url
    if full.startswith("/"):
        full = f"file://{full}"
    scheme = full.split("://")[0] if "://" in full else "ssh" if SCP.fullmatch(full) else ""
    rest = full.rpartition("://")[2]
    # ssh and others would take it for an option
    option = rest.startswith("-") or "@-" in rest or ":-" in rest
    if (
        scheme not in TRANSPORTS
        or option
        or not full.isprintable()
        or (scheme == "file" and not parent.local)
    ):
        raise ProvError(
            f"the submodule {path!r} is at {full!r}, which is refused",
            where=parent.url,
            hint="Use https, ssh or git for submodules; files only from a repository on this machine.",
        )
    found = remote_of(full)
    if not found.login and scheme in ("http", "https") and found.origin == parent.origin:
        return found._replace(options=parent.options, login=parent.login)
    return found


def joined(parent: str, relative: str) -> str:
    """Return a URL relative to another one, as in git-submodule(1): `..` goes up from the repository."""
    if "://" in parent:
        scheme, _, rest = parent.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}://{host}{slash}{up(path, relative)}"
    host, _, path = parent.partition(":")
    return f"{host}:{up(path, relative)}"


def up(path: str, relative: str) -> str:
    """Return a path relative to another one, never above its root."""
    absolute = path.startswith("/")
    return normpath(f"/{path}/{relative}").lstrip("/") if not absolute else normpath(f"{path}/{relative}")
