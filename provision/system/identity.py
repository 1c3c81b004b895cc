"""Switch the ids that the kernel uses for access checks. Shipped."""

import contextlib
import os
from typing import Iterator, Sequence


@contextlib.contextmanager
def as_ids(uid: int, gid: int, groups: Sequence[int]) -> Iterator[None]:
    """Have the kernel check access in the block as that user. Does nothing if the process is not root."""
    if os.geteuid() != 0:
        yield
        return
    before, group = os.getgroups(), os.getegid()
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(before)


@contextlib.contextmanager
def as_root() -> Iterator[None]:
    """Be root in the block if the process can, whatever user the step acts as; for prov's own records."""
    us = os.geteuid()
    if us and not os.getuid():
        os.seteuid(0)
    try:
        yield
    finally:
        if us != os.geteuid():
            os.seteuid(us)
