"""The lab's network: a bridge with a private subnet, a namespace and a veth pair per host, and masquerading.

A host's address is set in its namespace before it boots: it needs no network set-up of its own, and the
address survives its reboots.
Source: nft(8), ip-link(8), ip-netns(8).
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from provision.errors import LabError
from provision.lab import commands, firewall, forwarding, guest, store
from provision.lab.store import HostDir, Lab

# private (RFC 1918), and away from what routers, Docker and libvirt take by default
SUBNETS = (
    "10.213.77.0/24",
    "10.187.43.0/24",
    "172.29.213.0/24",
    "172.26.87.0/24",
    "192.168.187.0/24",
    "192.168.239.0/24",
)

_FIRST_HOST = 11  # .1 is the bridge

Network = ipaddress.IPv4Network


def _gateway(subnet: Network) -> str:
    return str(subnet[1])


def _mac(address: str) -> str:
    """A hardware address that belongs to the IP address, so that no neighbour's table goes stale when a host
    is made anew. The first byte says "locally administered"."""
    return "02:70:" + ":".join(f"{byte:02x}" for byte in ipaddress.IPv4Address(address).packed)


def _veth(lab: Lab, address: str) -> str:
    return f"{lab.tag}-{address.rpartition('.')[2]}"


def _exists(interface: str) -> bool:
    return Path("/sys/class/net", interface).exists()


def _used() -> list[Network]:
    """What this machine has routes to besides the default ones, and its name servers."""
    routes = json.loads(commands.run(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]")
    found = []
    for destination in [*(route["dst"] for route in routes), *guest.resolv_conf().split()]:
        with suppress(ValueError):  # "default"; what else a resolv.conf says
            found.append(Network(destination, strict=False))
    return found


def choose(candidates: Iterable[str], used: Iterable[Network]) -> Network:
    """The first subnet that overlaps nothing in use. Raises LabError if each does."""
    taken = list(used)
    tried = [Network(candidate) for candidate in candidates]
    for subnet in tried:
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise LabError(
        f"no subnet is free for the lab: this machine has routes into {', '.join(map(str, tried))}",
        hint="Look at `ip -4 route show table all`; one of these must be free.",
    )


def subnet(lab: Lab) -> Network:
    """The lab's subnet: the one it has, else one that is free now, which is kept. The caller holds the lab's lock."""
    state = store.read_json(lab.network)
    if state:
        return Network(state["subnet"])
    chosen = choose(SUBNETS, _used())
    store.write_atomic(lab.network, json.dumps({"subnet": str(chosen)}) + "\n")
    return chosen


def free_address(subnet: Network, taken: Iterable[str]) -> str:
    """The lowest address that no host has. Raises LabError if all are taken."""
    used = set(taken)
    for address in list(subnet.hosts())[_FIRST_HOST - 1 :]:
        if str(address) not in used:
            return str(address)
    raise LabError(f"all addresses of {subnet} are taken", hint="prov lab down --all")


def ensure(lab: Lab) -> None:
    """Make the bridge, the masquerading and the forwarding, whatever of it is not there. The caller holds the
    lab's lock, and subnet() has been called."""
    net = subnet(lab)
    bridge = lab.tag
    if not _exists(bridge):
        _ip([f"link add {bridge} address {_mac(_gateway(net))} type bridge"])
    _ip([f"addr replace {_gateway(net)}/{net.prefixlen} dev {bridge}", f"link set {bridge} up"])
    table = f"table ip {lab.tag}"
    chain = (
        "chain postrouting { type nat hook postrouting priority srcnat; policy accept; "
        f'ip saddr {net} oifname != "{bridge}" masquerade; }}'
    )
    # the first two lines empty it if it is there: one transaction, so no packet sees it missing
    commands.run(["nft", "-f", "-"], stdin=f"add {table}\ndelete {table}\n{table} {{\n{chain}\n}}\n")
    firewall.open_for(bridge)
    forwarding.open_for(bridge, uplinks())


def uplinks() -> list[str]:
    """The interfaces of the machine's default routes; none if it is offline."""
    routes = json.loads(commands.run(["ip", "-json", "-4", "route", "show", "default"]) or "[]")
    return sorted({route["dev"] for route in routes if "dev" in route})


def remove(lab: Lab) -> None:
    """Undo ensure(). The caller holds the lab's lock, and no host is left."""
    table = f"table ip {lab.tag}"
    commands.run(["nft", "-f", "-"], stdin=f"add {table}\ndelete {table}\n")
    firewall.close_for(lab.tag)
    if _exists(lab.tag):
        _ip([f"link delete {lab.tag}"])
    forwarding.close_for(lab.tag)
    lab.network.unlink(missing_ok=True)


def connect(lab: Lab, host: HostDir, address: str) -> None:
    """Make the host's namespace and its cable to the bridge, afresh."""
    disconnect(lab, host, address)
    net = subnet(lab)
    veth = _veth(lab, address)
    host.netns.touch()
    commands.run(["unshare", f"--net={host.netns}", "true"])
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
    """Remove the host's cable and namespace, whatever of it is there.

    address: empty if the host's record is lost; the cable then goes with the namespace, a moment later.
    """
    if address and _exists(_veth(lab, address)):
        _ip([f"link delete {_veth(lab, address)}"])
    if os.path.ismount(host.netns):  # Path.is_mount() denies any file up to Python 3.11
        commands.run(["umount", str(host.netns)])


def _ip(lines: Iterable[str], namespace: Path | None = None) -> None:
    """Run several ip(8) commands in one process, up to the first that fails."""
    inside = ["nsenter", f"--net={namespace}"] if namespace else []
    commands.run([*inside, "ip", "-batch", "-"], stdin="".join(f"{line}\n" for line in lines))
