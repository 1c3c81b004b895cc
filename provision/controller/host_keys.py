"""The keys by which a host is known: reads known_hosts files as ssh reads them.

Source: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"; OpenSSH's hostfile.c and match.c. Invalid lines are skipped,
as ssh does; they are shown only for the hosts that they name.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from pathlib import Path

from provision.values import dataclass

DEFAULT_PORT = 22
MARKERS = ("@cert-authority", "@revoked")
HASHED = "|1|"


@dataclass(frozen=True)
class KnownKey:
    """One line. names: as written there.  marker: "" or one of MARKERS.  where: FILE:LINE.
    wrong: why its key is invalid; blob is then empty."""

    names: str
    marker: str
    kind: str
    blob: bytes
    where: str
    wrong: str = ""

    def matches(self, name: str) -> bool:
        """Return whether the line names a host. name: "web1", or "[web1]:2222"."""
        if self.names.startswith(HASHED):
            return hash_matches(self.names, name)
        found = False
        for pattern in self.names.lower().split(","):
            negated = pattern.startswith("!")
            if wildcard(pattern[negated:]).fullmatch(name.lower()):
                if negated:
                    return False
                found = True
        return found


@dataclass(frozen=True)
class KnownHostKeys:
    """What known_hosts files say about one host.

    keys: its own.  revoked: keys that must not be accepted.  authorities: lines of certificate authorities.
    loose: its keys under the name without the port, which count if there are no others.  wrong: lines about
    it whose keys are invalid.
    """

    keys: Sequence[KnownKey] = ()
    revoked: Sequence[KnownKey] = ()
    authorities: Sequence[KnownKey] = ()
    loose: Sequence[KnownKey] = ()
    wrong: Sequence[KnownKey] = field(default_factory=tuple)

    def accepted(self) -> Sequence[KnownKey]:
        """Return the keys that verify the host."""
        return self.keys or self.loose


def known(paths: Iterable[Path], host: str, port: int, alias: str = "") -> KnownHostKeys:
    """Return what these files say about a host. alias: HostKeyAlias, which replaces name and port."""
    name = alias or (host if port == DEFAULT_PORT else f"[{host}]:{port}")
    lines = [line for path in paths for line in lines_of(path)]
    here = [line for line in lines if line.matches(name)]
    without_port = [] if alias or name == host else [line for line in lines if line.matches(host)]
    usable = [line for line in here if not line.wrong]
    return KnownHostKeys(
        keys=[line for line in usable if not line.marker],
        revoked=[line for line in [*here, *without_port] if line.marker == "@revoked" and not line.wrong],
        authorities=[line for line in usable if line.marker == "@cert-authority"],
        loose=[line for line in without_port if not line.marker and not line.wrong],
        wrong=[line for line in here if line.wrong],
    )


def lines_of(path: Path) -> Sequence[KnownKey]:
    """Return all lines of a file; none if it is missing or unreadable."""
    try:
        st = path.stat()
        return _lines_of(path, (st.st_mtime_ns, st.st_size))
    except OSError:
        return ()


@functools.cache
def _lines_of(path: Path, state: tuple[int, int]) -> Sequence[KnownKey]:  # noqa: ARG001 (part of the key)
    """Parse a file once for all hosts of a run. state: its time and size; a changed file is parsed again."""
    return tuple(parsed(path.read_bytes(), str(path))) if path.is_file() else ()


def parsed(data: bytes, name: str) -> Iterator[KnownKey]:
    """Return the lines of a file. Comments may be in any encoding."""
    for number, line in enumerate(data.split(b"\n"), 1):
        words = line.decode("utf-8", "replace").split(None, 5)
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        where = f"{name}:{number}"
        if marker and marker not in MARKERS:
            # OpenSSH skips lines with unknown markers
            continue
        if len(words) < 3:
            if words:
                yield KnownKey(words[0], marker, "", b"", where, "the line is not whole")
            continue
        names, kind, text = words[:3]
        blob, wrong = key_of(kind, text)
        yield KnownKey(names, marker, kind, blob, where, wrong)


def key_of(kind: str, text: str) -> tuple[bytes, str]:
    """Return (the key, ""), or (nothing, why it is invalid)."""
    if kind.isdigit():
        return b"", "it is a key of SSH version 1"
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b"", "the key is not base64"
    inner = kind.encode()
    if not blob.startswith(len(inner).to_bytes(4, "big") + inner):
        return b"", "the key is not of the kind that the line says"
    return blob, ""


def hash_matches(names: str, name: str) -> bool:
    """Return whether a hashed name (HashKnownHosts) is this one."""
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in names[len(HASHED) :].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.lower().encode(), "sha1"), digest)


@functools.lru_cache(4096)
def wildcard(pattern: str) -> re.Pattern[str]:
    """Return the expression for a pattern of ssh with * and ? (ssh_config(5), PATTERNS).

    Runs of * are merged: many of them would match very slowly.
    """
    parts = re.split(r"(\*+|\?)", pattern)
    words = (".*" if part[:1] == "*" else "." if part == "?" else re.escape(part) for part in parts)
    return re.compile("".join(words), re.DOTALL)
