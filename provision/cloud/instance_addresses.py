"""Where the instance of a host is, and by which keys it is known: looked up by tags, and cached for a while.

A cached address is never trusted: the pinned host key says whether what answers there is the instance.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from provision.cloud import instance_tags
from provision.cloud.host_key_pairs import is_host_key, write_known_hosts
from provision.cloud.instance_spec import InstanceSpec
from provision.controller.transport import Target
from provision.user_cache import cache_folder
from provision.values import dataclass

#: seconds for which an address is used without another look; `prov ec2 up`, `down` and `list` look each time
CACHED = 3600


@dataclass(frozen=True)
class InstanceAddress:
    """Where a host's instance is. address: for prov; its id if Session Manager leads there.

    private: for other hosts of the same network.
    keys: the public host keys that are good for it.  booted: whether its first boot was seen through.
    """

    id: str
    address: str
    private: str
    keys: tuple[str, ...]
    booted: bool


class AddressCache:
    """The cached address of one host's instance."""

    def __init__(self, spec: InstanceSpec, host: str) -> None:
        identity = repr((spec.project, spec.region, spec.profile, spec.address, host))
        self.folder = cache_folder("ec2") / hashlib.sha256(identity.encode()).hexdigest()[:32]

    @property
    def known_hosts(self) -> Path:
        """The known_hosts file of the instance."""
        return self.folder / "known_hosts"

    def read(self) -> InstanceAddress | None:
        """Return the address, unless it is missing, old or damaged."""
        file = self.folder / "instance.json"
        try:
            age = time.time() - file.stat().st_mtime
            found: Any = json.loads(file.read_text(encoding="utf-8"))
            address = InstanceAddress(**{**found, "keys": tuple(found["keys"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return address if 0 <= age < CACHED and self.known_hosts.is_file() else None

    def write(self, found: InstanceAddress) -> None:
        """Keep an address, and the known_hosts for it. Raises OSError."""
        write_known_hosts(self.known_hosts, found.keys)
        new = self.folder / "instance.json.new"
        new.write_text(json.dumps(asdict(found)), encoding="utf-8")
        new.replace(self.folder / "instance.json")

    def forget(self) -> None:
        """Remove the address: the instance is gone, or stopped."""
        for name in ("instance.json", "known_hosts"):
            with suppress(FileNotFoundError):
                (self.folder / name).unlink()


def address_of_instance(instance: dict[str, Any], spec: InstanceSpec) -> InstanceAddress:
    """Return where an instance is, from AWS's description."""
    tags = instance_tags.of(instance)
    private = instance.get("PrivateIpAddress", "")
    public = instance.get("PublicIpAddress", "")
    keys = (tags.get(instance_tags.HOST_KEY, ""), tags.get(instance_tags.NEXT_HOST_KEY, ""))
    return InstanceAddress(
        instance["InstanceId"],
        {"private": private, "ssm": instance["InstanceId"]}.get(spec.address, public),
        private,
        tuple(key for key in keys if is_host_key(key)),
        tags.get(instance_tags.FIRST_BOOT) == instance_tags.DONE,
    )


def reached(target: Target, spec: InstanceSpec, address: str, known_hosts: Path) -> Target:
    """Return how to log in to an instance: by its pinned keys alone, and over Session Manager if the block says so.

    target: how to log in otherwise.
    """
    way = (f"-oProxyCommand={session_manager(spec)}",) if spec.address == "ssm" else ()
    return replace(target, address=address, pinned=known_hosts, arguments=(*way, *target.arguments))


def session_manager(spec: InstanceSpec) -> str:
    """Return ssh's ProxyCommand for Session Manager: one channel to sshd, which needs no open port.

    Source: AWS Systems Manager User Guide, "Allow and control permissions for SSH connections".
    """
    words = ["aws", "ssm", "start-session", "--region", spec.region]
    words += ["--profile", spec.profile] if spec.profile else []
    words += ["--document-name", "AWS-StartSSHSession"]
    # ssh replaces %h and %p, and only those
    fixed = shlex.join(words).replace("%", "%%")
    return f"{fixed} --target %h --parameters portNumber=%p"
