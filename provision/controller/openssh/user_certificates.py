"""Certificates of users, as ssh-keygen shows them."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime

VALID = re.compile(r"^\s*Valid: from (\S+) to (\S+)$", re.MULTILINE)
#: seconds for ssh-keygen
PATIENCE = 5.0


def expired(path: str) -> str:
    """Return "the certificate FILE expired on DATE" or "...

    is valid from DATE"; "" for a valid or missing one.

    path: of a certificate, or of its key: ssh looks for the certificate beside the key (ssh_config(5),
    CertificateFile).
    """
    for name in (path, f"{path}-cert.pub"):
        found = VALID.search(shown(name)) if name.endswith(".pub") else None
        if found is None:
            continue
        begin, end = (datetime.fromisoformat(text) for text in found.groups())
        if end < datetime.now():
            return f"the certificate {name} expired on {end}"
        if begin > datetime.now():
            return f"the certificate {name} is valid from {begin} on"
    return ""


def shown(path: str) -> str:
    """Return ssh-keygen's output for a certificate; "" if the file is not a certificate."""
    try:
        done = subprocess.run(
            ["ssh-keygen", "-L", "-f", path],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
