"""Steps on a plain fabric.Connection, in a fabfile: each step is awaited at once.

    @task
    def motd(c):
        if files.file(c, "/etc/motd", "hello\\n").changed:
            c.run("wall 'a new motd'")

A connection gets one agent with its first step, and keeps it until it is closed or the process ends. It
becomes root by sudo where the login is not root, with the password in `sudo.password` of Fabric's configuration.
"""

from __future__ import annotations

import atexit
import logging
import shlex
from collections.abc import Iterator
from functools import partial
from typing import Any

from provision.controller.channel import SshChannel
from provision.controller.connection import open_explained
from provision.controller.events import Event, Notice, StepDone
from provision.controller.login import Login
from provision.controller.outcome import Outcome, StepFailed
from provision.controller.run_options import RunOptions
from provision.controller.session import Session
from provision.controller.visible import visible
from provision.errors import ConfigError, ProvError, UsageError
from provision.secrets import Secret
from provision.steps.base import Step

#: logs what steps did, at INFO; prov prints nothing in a fabfile
LOG = logging.getLogger("prov")
#: sessions that have not ended yet
_open: list[Session] = []


def submit_and_wait(c: Any, step: Step) -> Outcome:
    """Send a step to the connection's host and wait for it. Raises StepFailed, UnreachableError,
    ConfigError."""
    session = session_of(c)
    try:
        return session.submit(step).wait()
    except StepFailed as failed:
        # only Python's traceback reports it here, and that shows notes
        failed.add_note("\n".join(details(failed)))
        raise
    except ConfigError:
        raise
    except ProvError:
        # the agent is gone: the next step starts a new one
        forget(c).abandon()
        raise


def details(failed: StepFailed) -> Iterator[str]:
    """Yield the details of a failure besides its message."""
    yield f"step: {failed.outcome.label}"
    if failed.argv:
        yield f"command: {shlex.join(failed.argv)}, exit status {failed.status}"
    yield from (text.rstrip() for text in (failed.stdout, failed.stderr, failed.hint) if text)


def session_of(c: Any) -> Session:
    """Return the connection's session, started if necessary. Raises UsageError for what is not a
    fabric.Connection."""
    found: Session | None = getattr(c, "__dict__", {}).get("_prov_session")
    if found is not None:
        return found
    if not hasattr(c, "transport"):
        raise UsageError(
            f"a step's first argument is a host, not {type(c).__name__}",
            hint="In a fabfile, name hosts: fab -H web1 TASK",
        )
    c.open()

    def reopen() -> None:
        type(c).close(c)
        open_explained(c)

    password = c.config.sudo.password
    login = Login(sudo=c.user != "root", password=Secret(password) if password else None)
    session = Session(c.host, partial(SshChannel, c), login, RunOptions(emit=log), reopen=reopen)
    _open.append(session)
    # _set: fabric keeps attributes that it does not know in its configuration
    c._set(_prov_session=session, close=lambda: close(c))
    return session


def close(c: Any) -> None:
    """End the agent properly, then the connection; a later step starts both again."""
    try:
        forget(c).finish()
    finally:
        c.close()


def forget(c: Any) -> Session:
    """Detach and return the connection's session."""
    session: Session = c.__dict__.pop("_prov_session")
    c.__dict__.pop("close")
    _open.remove(session)
    return session


@atexit.register
def end_all() -> None:
    """Close connections that are still open at exit; fab closes only those of its own tasks."""
    while _open:
        session = _open.pop()
        try:
            session.finish()
        except ProvError as error:
            LOG.warning("%s: %s", session.host, visible(str(error)))


def log(event: Event) -> None:
    """Log what a step did."""
    if isinstance(event, StepDone):
        LOG.info("%s: %s: %s %s", event.host, visible(event.step), event.state, visible(event.why))
    elif isinstance(event, Notice):
        LOG.warning("%s: %s", event.host, visible(event.text))
