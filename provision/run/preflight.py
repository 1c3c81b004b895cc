"""What is looked at before a run touches anything: what a deploy would refuse, and what it may lack."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from provision.apps.renewals import acme_state, issuer_on
from provision.apps.tls import certificate_path
from provision.controller.events import Attention, Notice
from provision.controller.outcome import Outcome
from provision.errors import ProvError
from provision.roles.role_host import Host
from provision.steps.holds import changes_allowed
from provision.steps.tree import Entry

#: bytes
BLOCK = 4096
#: seconds that clocks may differ: what is mentioned, and from when on passwords and tokens of a time are refused. A
#: one-time password holds for half a minute (RFC 6238, 5.2)
NOTICED, HARMFUL = 5.0, 30.0


def preflight(host: Host) -> None:
    """Refuse what can't be deployed, and tell what may go wrong. The agent refuses, so later steps do not run."""
    homes = homes_of(host)
    if not homes:
        return
    tell_clock(host)
    allowed = changes_allowed(host, homes, *needs(host), certificates=renewed_here(host))
    if host.planning:
        host.at_end.append(lambda: tell_forecast(host, allowed))


def homes_of(host: Host) -> list[str]:
    """Return the folders of the applications that a run of these roles deploys."""
    names = {role.name for role, _ in host.assignment.roles}
    if host.dry_build:
        # nothing comes into service
        return []
    return [f"/srv/{app.name}" for app in host.apps if names & {"app", app.server, app.front}]


def needs(host: Host) -> tuple[Mapping[str, Sequence[int]], Sequence[str]]:
    """Return the sizes of the releases that a run brings, in bytes and files by their folders, and the folders of
    their environments."""
    if "app" not in {role.name for role, _ in host.assignment.roles}:
        return {}, []
    try:
        releases = [app.release for app in host.apps]
        sizes = {each.path: [sum(map(on_disk, each.entries)), len(each.entries)] for each in releases}
        return sizes, [each.venv for each in releases]
    except ProvError:
        # the role says it
        return {}, []


def on_disk(entry: Entry) -> int:
    """Return the bytes that an entry of a release takes on a disk of common blocks."""
    return -(-entry[2].size // BLOCK) * BLOCK if entry[2] else BLOCK


def renewed_here(host: Host) -> dict[str, list[str]]:
    """Return where the certificates of ACME authorities are, and what the host remembers of their renewals."""
    return {
        app.name: [certificate_path(app), acme_state(app)]
        for app in host.assignment.served.every
        if issuer_on(app, host.inventory, host.balancers) == "acme"
    }


def tell_clock(host: Host) -> None:
    """Say how far the clock of a host is from this machine's, if it matters."""
    off = host.started().clock_off
    if abs(off) < NOTICED:
        return
    said = f"its clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} this machine's"
    if abs(off) < HARMFUL:
        host.emit(Notice(host.name, said))
        return
    why = "one-time passwords, signed tokens and new certificates may not hold"
    host.emit(Attention(host.name, f"{said}: {why}. Set the wrong one: timedatectl set-ntp true"))


def tell_forecast(host: Host, allowed: Outcome) -> None:
    """Say what a deploy would refuse, and how applications will be switched. allowed: the step that has asked."""
    # imported here: only plans tell it
    from provision.serving.switches import switches

    found = json.loads(allowed.stdout)
    for line in found["refused"]:
        host.emit(Attention(host.name, f"{line}; a deploy refuses"))
    for line in found["certificates"]:
        host.emit(Attention(host.name, line))
    for switch in switches(host, found["memory"]):
        host.emit(switch)
