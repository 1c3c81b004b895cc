"""The user's ssh configuration for paramiko, which understands less of it than ssh (ssh_config(5)).

Files named by Include are read in place. Words that paramiko does not know or misunderstands are translated:
`none`, quotes, comments after a value, ssh:// in ProxyJump.
"""

from __future__ import annotations

import glob
import io
import itertools
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from provision.controller.without_mock import without_mock
from provision.errors import ConfigError

with without_mock():
    import paramiko

#: maximum nesting of files, and maximum number of files: files that include each other would never end
DEPTH, FILES = 16, 1000
SETTING = re.compile(r"(\w+)(?:\s*=\s*|\s+)(.+)")
#: one-line settings on which paramiko would fail, and which ssh does not need by default
LEFT_OUT = ("canonicalizehostname",)
QUOTED = ("identityfile", "certificatefile", "hostname", "user", "port", "hostkeyalias", "proxyjump")
JUMP = re.compile(r"^ssh://")
#: prov's own key in lookup results: IdentityFile files that hold the public half of a key in an agent
PUBLIC = "prov-public-keys"


class SshConfig(paramiko.SSHConfig):  # type: ignore[misc, unused-ignore]
    """What ssh would read from its configuration, as far as paramiko can follow it."""

    _config: list[Any]  # paramiko's own

    def lookup(self, hostname: str) -> Any:
        found: Any = super().lookup(hostname)
        jump = found.get("proxyjump", "none")
        hops = [JUMP.sub("", hop.strip()).rstrip("/") for hop in jump.split(",")]
        # ssh passes through hops in their order; fabric starts with the last one
        found["proxyjump"] = ",".join(reversed(hops))
        if jump.lower() == "none":
            del found["proxyjump"]
        names = found.get("identityfile", [])
        found["identityfile"] = [name for name in names if usable(name)]
        found[PUBLIC] = [name for name in names if name.endswith(".pub")]
        # fabric would fail on other values
        if found.get("forwardagent") not in ("yes", "no"):
            found.pop("forwardagent", None)
        if not found.get("connecttimeout", "").isdecimal():
            found.pop("connecttimeout", None)
        if not found.get("port", "22").isdecimal():
            raise ConfigError(
                f"ssh's configuration has no number for the port of {hostname}: {found['port']!r}"
            )
        return found


def usable(name: str) -> bool:
    """Return whether an IdentityFile can be tried. As in ssh, missing files are skipped.

    A public half names a key of an agent, which is tried anyway.
    """
    # not Path.is_file, which raises for a name that is too long
    there = os.path.isfile(os.path.expanduser(name))  # noqa: PTH111, PTH113
    return name.lower() != "none" and not name.endswith(".pub") and there


def user_config() -> SshConfig:
    """Return the user's configuration, then the system's. Raises ConfigError, with file and line."""
    found = SshConfig()
    for path in (Path("~/.ssh/config").expanduser(), Path("/etc/ssh/ssh_config")):
        text = "\n".join(lines_of(path, 0, itertools.count())) + "\n"
        try:
            found.parse(io.StringIO(text))
        except (paramiko.ssh_exception.ConfigParseError, ValueError) as error:
            raise ConfigError(
                f"prov can't follow this ssh configuration: {error}",
                where=str(path),
                hint="Write it with Host in place of Match, or take the line out.",
            ) from None
    return found


def lines_of(path: Path, depth: int, files: Iterator[int]) -> Iterator[str]:
    """Yield the lines of a file and of the files that it includes, in paramiko's words. Raises ConfigError.

    depth: nesting of this file.  files: counts all of them.
    """
    if next(files) >= FILES:
        raise ConfigError(
            f"more than {FILES} files by Include", where=str(path), hint="Do they include each other?"
        )
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except OSError:
        return
    block = "Host *"
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        match = SETTING.fullmatch(line)
        if match is None:
            raise ConfigError(
                f"{line.split()[0]!r} has no value", where=f"{path}:{number}", hint="ssh refuses it, too."
            )
        key, value = match[1].lower(), match[2]
        if key in ("host", "match"):
            block = line
        if key == "include":
            if depth < DEPTH:
                for included in included_by(value, path):
                    yield from lines_of(included, depth + 1, files)
            # included files may have started other blocks; what follows belongs to the Include's own block
            yield block
        elif key not in LEFT_OUT:
            yield f"{key} {unquoted(value) if key in QUOTED else value}"


def included_by(value: str, path: Path) -> list[Path]:
    """Return the files that an Include names.

    Relative ones are beside the user's or the system's configuration.
    """
    base = Path("/etc/ssh") if path.is_relative_to("/etc/ssh") else Path("~/.ssh").expanduser()
    found: list[Path] = []
    for word in words_of(value.replace("\0", "")):
        pattern = os.path.expanduser(word)  # noqa: PTH111 (a pattern)
        found += [Path(name) for name in sorted(glob.glob(str(base / pattern)))]  # noqa: PTH207
    return found


def unquoted(value: str) -> str:
    """Return the single word of a setting, without quotes and the comment after it."""
    words = words_of(value)
    return words[0] if words else value


def words_of(value: str) -> list[str]:
    """Return words as ssh splits them: double quotes, and a comment after a #.

    What shlex rejects stays as it is.
    """
    try:
        return shlex.split(value, comments=True)
    except ValueError:
        return value.split()
