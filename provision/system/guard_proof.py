"""Proof of a change that the guard watches: a new login confirms it. Shipped.

What arms the guard and puts things back (guard.py) travels only with the steps that need it.
"""

import contextlib
import os
import shutil
from typing import Any, Callable, Dict, NamedTuple

#: has a booting host put everything back before anybody can log in (systemd.special(7), bootup(7))
BOOT_UNIT = "/etc/systemd/system/prov-guard.service"
BOOT_LINK = "/etc/systemd/system/multi-user.target.wants/prov-guard.service"


class Proof(NamedTuple):
    """home: the ledger's folder.  seconds: in which a change has to be proved.
    prove: has the controller log in again, and confirm a token there; "" or why it could not.
    """

    home: str
    seconds: float
    prove: Callable[[str, float], str]


def claim(folder: str, to: str) -> bool:
    """Claim what is armed, atomically; False if it was claimed already."""
    try:
        os.rename(folder + "/armed", "%s/%s" % (folder, to))
    except FileNotFoundError:
        return False
    for path in (BOOT_LINK, BOOT_UNIT):
        with contextlib.suppress(OSError):
            os.unlink(path)
    return True


def confirm(home: str, token: str) -> None:
    """Someone has logged in again: what is armed with that token stays."""
    folder = folder_of(home)
    with contextlib.suppress(FileNotFoundError):
        with open(folder + "/armed", encoding="utf-8") as f:
            ours = token in f.read()
        if ours and claim(folder, "confirmed"):
            os.unlink(folder + "/former.json")


def settle_earlier(home: str) -> str:
    """A run has logged in, so what an earlier one left armed stays. What was put back since then, in words."""
    path = folder_of(home) + "/restored"
    if claim(folder_of(home), "confirmed"):
        shutil.rmtree(folder_of(home), ignore_errors=True)
    if not os.path.exists(path):
        return ""
    # every agent has them; guard_watch, which claims too, has not
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
    """Where the guard keeps things."""
    return home + "/guard"
