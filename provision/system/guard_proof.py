"""Proof of a change that the guard watches: a new login confirms it. Shipped.

The code that arms the guard and restores (guard.py) travels only with the steps that need it.
"""

import contextlib
import os
import shutil
from typing import Any, Callable, Dict, NamedTuple

#: makes a booting host restore everything before logins are possible (systemd.special(7), bootup(7))
BOOT_UNIT = "/etc/systemd/system/prov-guard.service"
BOOT_LINK = "/etc/systemd/system/multi-user.target.wants/prov-guard.service"


class Proof(NamedTuple):
    """How a change is proved. home: the ledger's folder.  seconds: the time limit.
    prove: has the controller log in again and confirm a token there; returns "" or why it could not.
    """

    home: str
    seconds: float
    prove: Callable[[str, float], str]


def claim(folder: str, to: str) -> bool:
    """Claim the armed guard atomically; return False if it was already claimed."""
    try:
        os.rename(folder + "/armed", "%s/%s" % (folder, to))
    except FileNotFoundError:
        return False
    for path in (BOOT_LINK, BOOT_UNIT):
        with contextlib.suppress(OSError):
            os.unlink(path)
    return True


def confirm(home: str, token: str) -> None:
    """Confirm the change armed with a token, which then stays: a new login has worked."""
    folder = folder_of(home)
    with contextlib.suppress(FileNotFoundError):
        with open(folder + "/armed", encoding="utf-8") as f:
            ours = token in f.read()
        if ours and claim(folder, "confirmed"):
            os.unlink(folder + "/former.json")


def settle_earlier(home: str) -> str:
    """Confirm what an earlier run left armed, because this run could log in.

    Returns what was restored since then, as text.
    """
    path = folder_of(home) + "/restored"
    if claim(folder_of(home), "confirmed"):
        shutil.rmtree(folder_of(home), ignore_errors=True)
    if not os.path.exists(path):
        return ""
    # imported here: every agent has records, but guard_watch, which claims too, does not
    from provision.system.memory import records

    try:
        found: Dict[str, Any] = records.load(path, records.RESTORED)
    except (OSError, records.Damaged):
        found = {"at": "an unknown time", "paths": []}
    os.unlink(path)
    what = ", ".join(found["paths"]) or "a unit's state"
    message = "no new login confirmed a change, so the host reverted it at %s: %s" % (found["at"], what)
    left = ", ".join(found.get("left", ()))
    return "%s; could not put back %s" % (message, left) if left else message


def folder_of(home: str) -> str:
    """Return the folder of the guard."""
    return home + "/guard"
