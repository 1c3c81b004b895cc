"""The log of one ssh process (`-E`, LogLevel DEBUG1): its progress, what it offered, and why it ended."""

from __future__ import annotations

import re
from pathlib import Path

#: bytes of a log that are read: some configurations make ssh log a lot
MOST = 1 << 20

DEBUG = re.compile(r"^debug\d: ")
LOGGED_IN = re.compile(
    r"^Authenticated to |^debug1: mux_client_request_session: master session id:", re.MULTILINE
)
#: a kept connection was tried, and no other login follows
OVER_MASTER = re.compile(
    r"^debug1: auto-mux: Trying existing master"
    r"(?!.*^(debug1: (Control socket|Stale control socket|Connecting to|Executing proxy|identity file)|ssh: ))",
    re.MULTILINE | re.DOTALL,
)
OFFERED = re.compile(r"^debug1: (?:Offering public key|Trying private key): (.+?)\r?$", re.MULTILINE)
HOST_KEY = re.compile(
    r"^debug1: Server host (?:key|certificate): (\S+?)(?:-cert-v01@openssh\.com)? (SHA256:[^\s,]+)",
    re.MULTILINE,
)
MISSING = re.compile(r"^no such identity: (.+?): ", re.MULTILINE)
#: lines that occur at every connection, or help no one
NOISE = re.compile(
    r"^(Warning: Permanently added |Authenticated to |Transferred: |Bytes per second: |OpenSSH_|no such identity: "
    r"|\*\* |Warning: Identity file .* not accessible)"
)


class Log:
    """The log of one process. path: of its file.  text: what has been read so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.text = ""

    def read(self) -> str:
        """Read what is new in the log, and return all of it."""
        try:
            with self.path.open("rb") as f:
                self.text = f.read(MOST).decode(errors="replace").replace("\r", "")
        except FileNotFoundError:
            self.text = ""
        return self.text

    def logged_in(self) -> bool:
        """Return whether the login has worked, or a kept connection has accepted the command."""
        return LOGGED_IN.search(self.read()) is not None

    def used_master(self) -> bool:
        """Return whether only a kept connection has been tried."""
        return OVER_MASTER.search(self.text) is not None

    def words(self) -> list[str]:
        """Return the lines that are meant for users."""
        lines = (line.strip() for line in self.text.splitlines())
        return [line for line in lines if line and not DEBUG.match(line) and not NOISE.match(line)]

    def offered(self) -> list[str]:
        """Return the keys that were offered, or whose files were tried, as ssh names them."""
        return [key.strip() for key in OFFERED.findall(self.text)]

    def host_key(self) -> tuple[str, str]:
        """Return type and fingerprint of the key that the host presented last; empty strings without one."""
        found = HOST_KEY.findall(self.text)
        return found[-1] if found else ("", "")

    def missing(self) -> list[str]:
        """Return the key files that are missing."""
        return list(dict.fromkeys(MISSING.findall(self.text)))
