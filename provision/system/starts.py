"""Keep new packages from starting anything, so that a role can configure them first.

Package scripts ask /usr/sbin/policy-rc.d, if it exists (invoke-rc.d(8), deb-systemd-invoke(1p)). Shipped with
the steps that use apt.
"""

import contextlib
import os
from typing import Iterator

POLICY = "/usr/sbin/policy-rc.d"
MARK = "# made by prov"
TEXT = """#!/bin/sh
%s, and gone with its run: packages start nothing before it is configured
[ -d /proc/%d ] || exit 0
case " $* " in *" stop "*) exit 0 ;; esac
exit 101
"""


def own_policy() -> bool:
    """Return whether the host has a policy of its own, which stays."""
    if not os.path.lexists(POLICY):
        return False
    with open(POLICY, encoding="utf-8", errors="replace") as f:
        return MARK not in f.read()


@contextlib.contextmanager
def forbidden(wanted: bool) -> Iterator[None]:
    """Keep package scripts from starting anything in the block, if wanted.

    A policy of the host's own stays.
    """
    if own_policy():
        yield
        return
    if os.path.lexists(POLICY):
        # left by a run that was killed
        os.remove(POLICY)
    if not wanted:
        yield
        return
    with open(POLICY + ".new", "w", encoding="utf-8") as f:
        f.write(TEXT % (MARK, os.getpid()))
        os.chmod(f.fileno(), 0o755)
    os.rename(POLICY + ".new", POLICY)
    try:
        yield
    finally:
        os.remove(POLICY)
