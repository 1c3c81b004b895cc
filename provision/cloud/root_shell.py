"""Commands on an instance before prov's agent can be there: over a transport, with the instance's pinned keys."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import replace

from provision.controller.transport import Target
from provision.controller.transport_choice import transport_to
from provision.errors import StepError, UnreachableError
from provision.values import dataclass

#: seconds between tries to log in, and until prov gives up on an instance that does not answer
PAUSE, PATIENCE = 3.0, 420.0
#: the same, if it answers and refuses the login: cloud-init installs keys of users a moment after sshd has started
DENIED_PATIENCE = 120.0
CONNECT_SECONDS = 10
#: the last line of each script's stderr: its exit status
STATUS = "prov-exit-status "


@dataclass(frozen=True)
class Said:
    """What a script printed. status: its exit status."""

    status: int
    out: str
    err: str


class RootShell:
    """Logs in to one instance. target: how, with its pinned keys.  note: called with progress."""

    def __init__(self, target: Target, note: Callable[[str], None]) -> None:
        self._target = replace(target, persist=0)
        self._note = note

    def wait(self) -> None:
        """Wait until the instance lets prov in. Raises UnreachableError: why it did not, the last time."""
        began, said = time.monotonic(), ""
        while True:
            try:
                self.run("exit 0", seconds=60.0)
                return
            except UnreachableError as error:
                denied = "Permission denied" in error.message or "refused the login" in error.message
                patience = DENIED_PATIENCE if denied else PATIENCE
                if time.monotonic() - began > patience:
                    raise UnreachableError(
                        f"{self._target.address} did not let prov in within {patience:.0f} s: {error.message}",
                        hint=f"{error.hint}\nThe console may say why:  aws ec2 get-console-output --latest"
                        " --instance-id ID.  Do the security groups let this machine in?",
                    ) from None
                if error.message != said:
                    self._note(f"waiting for SSH at {self._target.address}: {error.message}")
                    said = error.message
            time.sleep(PAUSE)

    def run(self, script: str, *, seconds: float) -> Said:
        """Run a script as root. seconds: until it must have ended.

        Raises UnreachableError if there is no login, StepError if it takes too long or sudo refuses.
        """
        # never over a connection that the user keeps: it was not verified by the pinned key
        transport = transport_to(self._target).new_login(int(CONNECT_SECONDS))
        transport.open()
        try:
            ending = f"\n) </dev/null\nprintf '{STATUS}%d\\n' $? >&2\n"
            root = "" if transport.user == "root" else "sudo -n "
            channel = transport.channel(f"{root}sh -c {shlex.quote('(' + chr(10) + script + ending)}")
            channel.end_input()
            end = time.monotonic() + seconds
            while not channel.eof:
                channel.wait(0.5)
                if time.monotonic() > end:
                    channel.close()
                    raise StepError(
                        f"a command did not end within {seconds:.0f} s", stdout=channel.out.decode()
                    )
            out, err = (bytes(data).decode(errors="replace") for data in (channel.out, channel.err))
            failure = channel.failure
            channel.close()
        finally:
            transport.close()
        before, found, status = err.rpartition(STATUS)
        if not found:
            if failure is not None:
                raise failure
            raise UnreachableError(
                f"the login works, and no command could be run as root: {err.strip()[-300:]}",
                hint="The login user needs sudo without a password, as the images of distributions give it.",
            )
        return Said(int(status), out, before)
