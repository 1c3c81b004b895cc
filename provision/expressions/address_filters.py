"""Filters for IP addresses: ipaddr and its relatives, in the queries that inventories use.

Source: Ansible's collection ansible.utils, "Using the ipaddr filter".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from provision.expressions.bounds import LARGEST, ExpressionError

Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def interface(value: Any) -> Interface | None:
    """Return an address with its network, or None if a value is not one."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    try:
        return ipaddress.ip_interface(value)
    except ValueError:
        return None


QUERIES: dict[str, Callable[[Interface, bool], Any]] = {
    "address": lambda it, _: str(it.ip),
    "broadcast": lambda it, _: (
        str(it.network.broadcast_address) if it.version == 4 and it.network.prefixlen < 31 else None
    ),
    "host": lambda it, _: str(it),
    "host/prefix": lambda it, given: str(it) if given and _is_host(it) else None,
    "hostmask": lambda it, _: str(it.hostmask),
    "int": lambda it, _: int(it.ip),
    "ip/prefix": lambda it, given: str(it) if given and _is_host(it) else None,
    "loopback": lambda it, _: str(it.ip) if it.is_loopback else None,
    "multicast": lambda it, _: str(it.ip) if it.is_multicast else None,
    "net": lambda it, given: str(it.network) if given and it.ip == it.network.network_address else None,
    "netmask": lambda it, _: str(it.netmask),
    "network": lambda it, _: str(it.network.network_address),
    "network/prefix": lambda it, _: str(it.network),
    "prefix": lambda it, _: it.network.prefixlen,
    "private": lambda it, _: str(it.ip) if it.ip.is_private else None,
    "public": lambda it, _: str(it.ip) if it.ip.is_global else None,
    "revdns": lambda it, _: f"{it.ip.reverse_pointer}.",
    "size": lambda it, _: it.network.num_addresses,
    "subnet": lambda it, _: str(it.network),
    "type": lambda it, given: "network" if given and not _is_host(it) else "address",
    "version": lambda it, _: it.version,
}


def _is_host(it: Interface) -> bool:
    """Whether an interface is a host in a network, and not the network."""
    return it.ip != it.network.network_address or it.network.num_addresses <= 2


def ipaddr(value: Any, query: Any = "", version: int | None = None) -> Any:
    """Return an address, a part of it, or the addresses of a list; False for what is not an address.

    query: what is asked for: "" (the value itself), "address", "network", "netmask", "prefix", ..., a network that
    the address must be in, or a number: the address of that index in the network.
    Raises ExpressionError for a query that there is not.
    """
    if isinstance(value, (list, tuple)):
        found = [ipaddr(each, query, version) for each in value]
        return [each for each in found if each not in (False, None)]
    it = interface(value)
    if it is None or version not in (None, it.version):
        return False
    given = isinstance(value, str) and "/" in value
    if query in ("", None):
        return str(it) if given else str(it.ip)
    if query in QUERIES:
        return QUERIES[query](it, given)
    index = int(query) if isinstance(query, str) and query.lstrip("-").isdecimal() else query
    if isinstance(index, int):
        return f"{_nth(it, index)}/{it.network.prefixlen}"
    inside = interface(query)
    if inside is None:
        raise ExpressionError(
            f"ipaddr has no query {query!r}: it has {', '.join(QUERIES)}, networks and numbers"
        )
    return str(value) if inside.version == it.version and it.ip in inside.network else False


def _nth(it: Interface, index: int) -> Any:
    """The address of that index in a network; negative ones count from its end."""
    try:
        return it.network[index]
    except IndexError:
        raise ExpressionError(f"{it.network} has no address of index {index}") from None


def ipwrap(value: Any) -> Any:
    """Return an IPv6 address in brackets, and anything else as it is."""
    it = interface(value)
    return f"[{value}]" if it is not None and it.version == 6 and "/" not in str(value) else value


def nthhost(value: Any, query: int) -> Any:
    """Return the address of an index in a network."""
    it = interface(value)
    return False if it is None else str(_nth(it, int(query)))


def ipsubnet(value: Any, query: Any = "", index: Any = None) -> Any:
    """Return the network of a value, how many smaller networks it has, or one of them by its index."""
    it = interface(value)
    if it is None:
        return False
    if query == "":
        return str(it.network)
    prefix = int(query)
    if prefix < it.network.prefixlen or prefix > it.network.max_prefixlen:
        return False
    count = 2 ** (prefix - it.network.prefixlen)
    if index is None:
        return count
    at = int(index) % count if -count <= int(index) < count else None
    if at is None:
        return False
    first = int(it.network.network_address) + at * 2 ** (it.network.max_prefixlen - prefix)
    return str(ipaddress.ip_network((first, prefix)))


def ipmath(value: Any, amount: int) -> Any:
    """Return an address that is some further."""
    it = interface(value)
    if it is None or abs(amount) > LARGEST:
        raise ExpressionError(f"{value!r} is not an address, or {amount} is too large")
    return str(it.ip + amount)


FILTERS: dict[str, Callable[..., Any]] = {
    "ipaddr": ipaddr,
    "ipmath": ipmath,
    "ipsubnet": ipsubnet,
    "ipv4": lambda value, query="": ipaddr(value, query, 4),
    "ipv6": lambda value, query="": ipaddr(value, query, 6),
    "ipwrap": ipwrap,
    "nthhost": nthhost,
}
