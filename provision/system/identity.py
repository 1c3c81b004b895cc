"""The ids that the kernel judges us by, for a while. Shipped."""

import contextlib
import os
from typing import Iterator, Sequence


@contextlib.contextmanager
def as_ids(uid: int, gid: int, groups: Sequence[int]) -> Iterator[None]:
    """Have the kernel judge the block as for that user. Nothing if we are not root."""
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
    """For prov's own records: be root in the block, if we are, whatever user the step acts as."""
    us = os.geteuid()
    if us and not os.getuid():
        os.seteuid(0)
    try:
        yield
    finally:
        if us != os.geteuid():
            os.seteuid(us)
