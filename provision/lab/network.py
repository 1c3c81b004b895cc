"""The lab's network: a private bridge, a namespace and a veth pair for each host, and masquerading.

A host's address is set in its namespace before it boots. So the host needs no network setup of its own, and
the address survives its reboots.
Source: nft(8), ip-link(8), ip-netns(8).
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError
from provision.lab import firewall, forwarding, guest, programs_run, store
from provision.lab.store import HostDir, Lab
from provision.locks import locked

# private (RFC 1918), and unlike the defaults of routers, Docker and libvirt
_RANGES = ("10.213.0.0/16", "10.187.0.0/16", "172.29.0.0/16", "172.26.0.0/16", "192.168.128.0/17")
_FIRST = ("10.213.77.0/24", "10.187.43.0/24", "172.29.213.0/24", "172.26.87.0/24", "192.168.187.0/24")

_FIRST_HOST = 11  # .1 is the bridge

Network = ipaddress.IPv4Network
Address = ipaddress.IPv4Address


def _gateway(subnet: Network) -> str:
    return str(subnet[1])


def _mac(address: str) -> str:
    """Return a hardware address derived from the IP address.

    So no neighbour table is stale after a host is made again. The first byte marks it as locally
    administered.
    """
    return "02:70:" + ":".join(f"{byte:02x}" for byte in Address(address).packed)


def _veth(lab: Lab, address: str) -> str:
    return f"{lab.tag}-{address.rpartition('.')[2]}"


def _exists(interface: str) -> bool:
    return Path("/sys/class/net", interface).exists()


def candidates() -> Iterator[Network]:
    """Yield the subnets that a lab may take, in the order in which they are tried."""
    first = [Network(text) for text in _FIRST]
    yield from first
    for text in _RANGES:
        yield from (subnet for subnet in Network(text).subnets(new_prefix=24) if subnet not in first)


def _routes() -> list[tuple[Network, str]]:
    """Yield the destinations of this machine's routes, except default ones, and the interface of each."""
    routes = json.loads(programs_run.run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]")
    found = []
    for route in routes:
        with suppress(ValueError):  # "default"
            found.append((Network(route["dst"], strict=False), str(route.get("dev", ""))))
    return found


def _name_servers() -> list[Network]:
    """Return the addresses that hosts must reach to resolve names."""
    found = []
    for word in guest.resolv_conf().split():
        with suppress(ValueError):  # another setting of resolv.conf
            found.append(Network(word))
    return found


def choose(used: Iterable[Network]) -> Network:
    """Return the first subnet that overlaps none in use. Raises LabError if each does."""
    taken = list(used)
    for subnet in candidates():
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise LabError(
        f"no subnet is free for the lab: this machine has routes into all of {', '.join(_RANGES)}",
        hint="Look at `ip -4 route show table all`; a /24 of one of these must be free.",
    )


def subnet(lab: Lab) -> Network:
    """Return the lab's subnet: the one it has, else one that is free now. The caller holds the lab's lock.

    The bridge claims it: from then on every process of this machine sees the route to it. Labs look and claim
    one at a time, so that two that start together, before their bridges exist, do not choose the same.
    Raises LabError if none is free, or if the lab's own has been taken while its bridge was gone.
    """
    recorded = _recorded(lab)
    if recorded and (recorded, lab.tag) in _routes():
        return recorded
    with locked(forwarding.STATE):
        others = [(net, device) for net, device in _routes() if device != lab.tag]
        if recorded and _is_taken(lab, recorded, others):
            recorded = None
        net = recorded or choose([*(net for net, _ in others), *_name_servers()])
        store.write_atomic(lab.network, json.dumps({"subnet": str(net)}) + "\n")
        _bridge(lab, net)
    return net


def _recorded(lab: Lab) -> Network | None:
    """Return the subnet that the lab has taken."""
    state = store.read_json(lab.network)
    try:
        return Network(state["subnet"]) if state else None
    except (KeyError, ValueError):
        raise LabError(
            "the record of the lab's subnet is damaged", where=str(lab.network), hint="prov lab down --all"
        ) from None


def _is_taken(lab: Lab, recorded: Network, others: Iterable[tuple[Network, str]]) -> bool:
    """Return whether the lab's subnet has been taken since.

    That happens if the machine was restarted, or if the lab's process was killed before it made the bridge.
    Raises LabError if hosts have addresses in the subnet, because they keep them as long as they exist.
    """
    by = sorted({device for net, device in others if net.overlaps(recorded)})
    records = filter(None, (store.read_record(lab, name) for name in lab.names()))
    if by and any(record.address and Address(record.address) in recorded for record in records):
        raise LabError(
            f"the lab's subnet {recorded} has been taken by {', '.join(filter(None, by)) or 'another route'}",
            where=str(lab.path),
            hint="Take that down, or this lab: prov lab down --all; hosts that are made again get a free subnet.",
        )
    return bool(by)


def _bridge(lab: Lab, net: Network) -> None:
    """Make the missing parts of the bridge, with its address, and set it up."""
    if not _exists(lab.tag):
        _ip([f"link add {lab.tag} address {_mac(_gateway(net))} type bridge"])
    _ip([f"addr replace {_gateway(net)}/{net.prefixlen} dev {lab.tag}", f"link set {lab.tag} up"])


def free_address(subnet: Network, taken: Iterable[str]) -> str:
    """Return the lowest address that no host has. Raises LabError if all are taken."""
    used = set(taken)
    for address in list(subnet.hosts())[_FIRST_HOST - 1 :]:
        if str(address) not in used:
            return str(address)
    raise LabError(f"all addresses of {subnet} are taken", hint="prov lab down --all")


def ensure(lab: Lab) -> None:
    """Make the missing parts of bridge, masquerading and forwarding. The caller holds the lab's lock."""
    net = subnet(lab)
    bridge = lab.tag
    table = f"table ip {lab.tag}"
    chain = (
        "chain postrouting { type nat hook postrouting priority srcnat; policy accept; "
        f'ip saddr {net} oifname != "{bridge}" masquerade; }}'
    )
    # the first two lines empty the table if it exists: in one transaction, so no packet sees it missing
    programs_run.run(["nft", "-f", "-"], stdin=f"add {table}\ndelete {table}\n{table} {{\n{chain}\n}}\n")
    firewall.open_for(bridge)
    forwarding.open_for(bridge, uplinks())


def uplinks() -> list[str]:
    """Return the interfaces of the machine's default routes; none if it is offline."""
    routes = json.loads(programs_run.run(["ip", "-json", "-4", "route", "show", "default"]) or "[]")
    return sorted({route["dev"] for route in routes if "dev" in route})


def remove(lab: Lab) -> None:
    """Undo ensure(). The caller holds the lab's lock, and no host is left."""
    table = f"table ip {lab.tag}"
    programs_run.run(["nft", "-f", "-"], stdin=f"add {table}\ndelete {table}\n")
    firewall.close_for(lab.tag)
    if _exists(lab.tag):
        _ip([f"link delete {lab.tag}"])
    forwarding.close_for(lab.tag)
    lab.network.unlink(missing_ok=True)


def connect(lab: Lab, host: HostDir, address: str) -> None:
    """Make the host's namespace and its cable to the bridge, in place of old ones."""
    disconnect(lab, host, address)
    net = subnet(lab)
    veth = _veth(lab, address)
    host.netns.touch()
    programs_run.run(["unshare", f"--net={host.netns}", "true"])
    _ip(
        [
            f"link add {veth} type veth peer name eth0 address {_mac(address)} netns {host.netns}",
            f"link set {veth} master {lab.tag} up",
        ]
    )
    _ip(
        [
            "link set lo up",
            f"addr add {address}/{net.prefixlen} dev eth0",
            "link set eth0 up",
            f"route add default via {_gateway(net)}",
        ],
        namespace=host.netns,
    )


def disconnect(lab: Lab, host: HostDir, address: str) -> None:
    """Remove what exists of the host's cable and namespace.

    address: empty if the host's record is lost; the kernel then removes the cable with the namespace, a
    moment later.
    """
    if address and _exists(_veth(lab, address)):
        _ip([f"link delete {_veth(lab, address)}"])
    if os.path.ismount(host.netns):  # Path.is_mount() returns False for any file up to Python 3.11
        programs_run.run(["umount", str(host.netns)])


def _ip(lines: Iterable[str], namespace: Path | None = None) -> None:
    """Run several ip(8) commands in one process, up to the first that fails."""
    inside = ["nsenter", f"--net={namespace}"] if namespace else []
    programs_run.run([*inside, "ip", "-batch", "-"], stdin="".join(f"{line}\n" for line in lines))
