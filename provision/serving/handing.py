"""Passwords of services: made on the service's host, handed to the hosts of the applications that use them.

A password is in the application's environment file (0600) and in this process's memory. The service's host keeps
only what verifies it. So it asks the applications' hosts what they have, and makes a new one if the two don't fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provision.apps.bindings import TO_BE_MADE, Binding
from provision.controller.events import Notice
from provision.controller.login import NoPython
from provision.controller.outcome import Outcome
from provision.errors import ProvError
from provision.roles.role_host import Host
from provision.secrets import Secret
from provision.serving.instances import environment_path
from provision.steps.base import Step
from provision.steps.held_password import HELD, MADE, HeldPassword

#: given the passwords that applications' hosts have, and whether it may make one, and replace what these have
Make = Callable[[Sequence[Secret], bool, bool], Step]


def hand_over(c: Host, bindings: Sequence[Binding], make: Make) -> Outcome:
    """Have this host see to the password of one user, and hand it to the applications; return what came of it.

    bindings: of this user.  make: returns the step. Its output is HELD and the index of the one that is in force,
    or MADE and a new one; nothing if it has none, or would make one.
    """
    held: list[Secret] = []
    # what no application gets would be made once more in each run
    may_make = any(map(c.hands_over, bindings))
    may_replace = may_make
    for binding in bindings:
        try:
            word = held_by(c, binding)
        except ProvError as error:
            may_replace = False
            text = f"{binding.client.name} could not be asked for the password of {binding.app.name}: "
            c.emit(Notice(c.name, text + error.message))
            continue
        if word:
            # a new one has to reach all that have the present one, or some could not log in any more
            may_replace = may_replace and c.hands_over(binding)
            held += [Secret(word)] if Secret(word) not in held else []
    outcome = c.submit(make(held, may_make, may_replace))
    secret = said(outcome, held)
    for binding in bindings:
        binding.handed.secret = secret
    return outcome


def said(outcome: Outcome, held: Sequence[Secret]) -> Secret | None:
    """Return the password that a step has told; None if there is none."""
    text = outcome.stdout
    if text.startswith(MADE):
        return Secret(text[len(MADE) :])
    if text.startswith(HELD):
        return held[int(text[len(HELD) :])]
    return TO_BE_MADE if outcome.changed else None


def held_by(c: Host, binding: Binding) -> str:
    """Return the password that an application has in its environment file; "" if it has none. Raises ProvError."""
    step = HeldPassword(environment_path(binding.app), binding.password_variable)
    if not binding.is_elsewhere:
        return c.submit(step).stdout
    try:
        return c.answer_of(binding.client, step)
    except NoPython:
        # a new host: prov has not been there
        return ""


def receive(c: Host, binding: Binding) -> None:
    """Have the password of a service ready for its application: the one that this run has handed over, else the
    one that the application has. Raises StepFailed if there is neither."""
    if binding.handed.secret is not None:
        return
    provider = binding.provider.name
    hint = f"{provider} makes it: deploy both together: prov deploy {provider},{c.name}"
    if c.planning and c.is_provided_now(binding):
        # a host without python3, which can be planned no further
        hint = ""
    step = HeldPassword(environment_path(binding.app), binding.password_variable, hint)
    word = c.submit(step).stdout
    if word:
        binding.handed.secret = Secret(word)
