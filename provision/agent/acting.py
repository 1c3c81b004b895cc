"""Act as another user during a step. Shipped."""

import contextlib
import os
from typing import TYPE_CHECKING, Iterator

from provision.errors import StepError
from provision.system.identity import as_ids

if TYPE_CHECKING:
    from provision.system.host import System


@contextlib.contextmanager
def acting_as(system: "System", user: str) -> Iterator[None]:
    """Have the kernel check access in the block as that user, and run commands as that user.

    The effective user and group ids become the user's (credentials(7)). New files belong to the user, and no
    link or mode lets the step go where the user could not. The real user id stays root's: the user cannot
    send signals to the agent, and the change can be reverted. Commands become the user for good
    (commands.execute). Raises StepError if the user does not exist, or if the process is not root.
    """
    if not user:
        yield
        return
    # in a plan, this finds users that an earlier step adds
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
