"""Acting as another user for the time of a step. Shipped."""

import contextlib
import os
from typing import TYPE_CHECKING, Iterator

from provision.errors import StepError
from provision.system.identity import as_ids

if TYPE_CHECKING:
    from provision.system.host import System


@contextlib.contextmanager
def acting_as(system: "System", user: str) -> Iterator[None]:
    """Have the kernel judge the block as for that user, and commands be run as that user.

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
