"""A firewall: the ports that this host's roles need, those that you name, and SSH. All else is dropped.

Fronts open 80 and 443. `postgres` and `redis` open the port of each application that uses them from another host, for
that host's address alone; nothing is opened for those that use the socket. Outgoing connections are not affected. The
rules are a table of nftables of its own, so those of others, such as containers, stay.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from provision.role import Host, Params, task
from provision.steps import apt, nftables
from provision.steps.support.ports import parse_opening


def opening(value: Any) -> str:
    """Return an opening as text; YAML reads a port as a number. Raises ValueError if it is none."""
    text = str(value) if type(value) is int else value
    parse_opening(text)
    return str(text)


PortText = Annotated[str, BeforeValidator(opening)]


class FirewallRole(Params):
    """Parameters of the role `firewall`."""

    open: tuple[PortText, ...] = ()
    """Further openings: `[8080, 53/udp, "9100 from 10.0.0.0/8", "any on wg0"]`."""
    limited: tuple[PortText, ...] = ()
    """Openings in which an address may begin six connections in 30 seconds: `["22"]`. prov's own logins count, too."""
    denied: tuple[PortText, ...] = ()
    """Closed although something opens them: `["443 from 203.0.113.7"]`."""


@task
def install(c: Host, p: FirewallRole) -> None:
    """Let in what this host's roles and the inventory open, and the ports of sshd; drop the rest."""
    apt.packages(c, "nftables")
    of_roles = [text for params in c.assignment.params.values() for text in params.openings(c)]
    of_services = [binding.opening for binding in c.provided if binding.is_elsewhere]
    openings = dict.fromkeys([*of_roles, *of_services, *p.open])
    nftables.firewall(c, list(openings), limited=p.limited, denied=p.denied)
