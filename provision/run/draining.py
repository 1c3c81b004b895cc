"""Hosts that are out of their balancers while they are deployed: no request meets what a deploy does to them."""

from __future__ import annotations

import posixpath
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from provision.apps.balancing import apps_before
from provision.apps.host_addresses import address_of, addresses_of
from provision.apps.settings import known_roles
from provision.controller.events import Attention, Notice
from provision.declared.fronts import Front, named
from provision.errors import ProvError
from provision.inventory import InventoryHost
from provision.roles.other_hosts import act_on
from provision.roles.role_host import Host
from provision.run.work import Work
from provision.serving.instances import health_url
from provision.serving.sites import bracketed
from provision.serving.starting import DRAIN
from provision.steps.balancer_members import BalancerMember, connections_ended

#: ports of fronts
PORTS = (80, 443)
#: hosts of one run that change one balancer do it one after the other
LOCKS: dict[str, threading.Lock] = defaultdict(threading.Lock)


class Balancer(NamedTuple):
    """A host that balances to another one, and its front. urls: what other hosts are asked, to see that they answer."""

    host: InventoryHost
    front: Front
    urls: tuple[str, ...]


def drained(work: Work) -> Work:
    """Return work during which a host is out of the balancers before it, and its connections from there have ended."""

    def work_drained(host: Host) -> None:
        out: list[Balancer] = []
        try:
            for place in places(host):
                # also if that fails: it may be out then
                out.append(place)
                if not moved(host, place, out=True):
                    out.remove(place)
            if out:
                host.emit(Notice(host.name, f"is out of {names(out)} during its deploy"))
                before = addresses_of(each.host for each in out)
                connections_ended(host, before, PORTS, DRAIN).wait()
            work(host)
            host.started().wait_for_all()
        finally:
            for place in out:
                put_back(host, place)

    return work_drained


def places(host: Host) -> Iterator[Balancer]:
    """Yield the balancers before a host. Raises ConfigErrors."""
    for balancer in host.balancers:
        for name, apps in apps_before(host.inventory, balancer).items():
            front = named(name, known_roles(balancer)["roles"])
            if front.member:
                yield Balancer(
                    balancer, front, tuple(health_url(app) for app in host.apps if app.name in apps)
                )
            else:
                host.emit(Notice(host.name, f"stays in {balancer.name}: the role {name} declares no MEMBER"))


def moved(host: Host, place: Balancer, *, out: bool) -> bool:
    """Take a host out of a balancer, or put it back; return whether it is there now. Raises ProvError."""
    address = bracketed(address_of(host.inventory))
    step = BalancerMember(
        posixpath.dirname(place.front.sites),
        place.front.member,
        [f"{address}:{port}" for port in PORTS],
        out,
        place.front.unit,
        place.urls if out else (),
    )
    try:
        with LOCKS[place.host.name]:
            outcome = act_on(place.host, step, host.ask)
    except ProvError as error:
        error.where = error.where or place.host.name
        raise
    if outcome.stdout:
        host.emit(Notice(host.name, f"stays in {place.host.name}: {outcome.stdout}"))
    return not outcome.stdout


def put_back(host: Host, place: Balancer) -> None:
    """Put a host back into a balancer; say so if that fails, as the deploy itself has not."""
    try:
        moved(host, place, out=False)
    except ProvError as error:
        name = place.host.name
        text = f"may be out of {name} still: {error.message}; prov deploy {name} puts it back"
        host.emit(Attention(host.name, text))


def names(found: list[Balancer]) -> str:
    """Return the names of balancers."""
    return ", ".join(dict.fromkeys(place.host.name for place in found))
