"""Acting as another user for the time of a step. Shipped."""

import contextlib
import os
from typing import TYPE_CHECKING, Iterator, Sequence

from provision.errors import StepError

if TYPE_CHECKING:
    from provision.system.host import System


@contextlib.contextmanager
def acting_as(system: "System", user: str) -> Iterator[None]:
    """Have the kernel judge all that is done meanwhile as for that user, and commands be run as that user.

    Effective ids and groups are the user's (credentials(7)), so files that are made are theirs, and no link or
    mode lets the step where they could not go themselves. The real id stays root's, which keeps the user from
    sending us signals, and lets it be taken back. Commands become the user for good (commands.execute).
    Raises StepError if there is no such user, or if we are not root.
    """
    if not user:
        yield
        return
    # in a plan, also one that an earlier step adds
    account = system.accounts.user(user)
    if account is None:
        raise StepError("there is no user %r on this host" % user, hint="Add a users.user step first.")
    if os.geteuid() not in (0, account.uid):
        raise StepError("only root can act as %s" % user, hint="Let prov use sudo (ansible_become: true).")
    with as_ids(account.uid, account.gid, os.getgrouplist(user, account.gid)):
        system.user = user
        try:
            yield
        finally:
            system.user = ""


@contextlib.contextmanager
def as_ids(uid: int, gid: int, groups: Sequence[int]) -> Iterator[None]:
    """Have the kernel judge what is done meanwhile as for that user. Nothing if we are not root."""
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
    """For prov's own records: be root meanwhile, if we are, whoever the step acts as."""
    us = os.geteuid()
    if us and not os.getuid():
        os.seteuid(0)
    try:
        yield
    finally:
        if us != os.geteuid():
            os.seteuid(us)
