"""Certificates of users, as ssh-keygen shows them."""

from __future__ import annotations

import re
import subprocess
from datetime import datetime

VALID = re.compile(r"^\s*Valid: from (\S+) to (\S+)$", re.MULTILINE)
#: seconds for ssh-keygen
PATIENCE = 5.0


def expired(path: str) -> str:
    """Return "the certificate FILE expired on DATE" or "... is valid from DATE"; empty for what is valid, and no file.

    path: of a certificate, or of the key that it is beside, as ssh looks for it (ssh_config(5), CertificateFile).
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
    """Return what ssh-keygen says of a certificate; empty if it is none."""
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
