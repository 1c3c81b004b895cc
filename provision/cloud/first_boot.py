"""The first boot of an instance: cloud-init has ended, the host has a key of its own, dpkg is free.

The host key that came with user data can be read there by programs of the instance. Over a connection that it has
verified, the host makes another one; prov notes it in a tag before the host uses it, so that a run that is cut at any
point finds the host by one of the two.
"""

from __future__ import annotations

from dataclasses import replace

from provision.cloud import instance_tags
from provision.cloud.boot_scripts import CLOUD_INIT, DPKG, NEW_KEY, TAKE_KEY, USED_KEY
from provision.cloud.cloud_errors import CloudError
from provision.cloud.cloud_host import CloudHost
from provision.cloud.console_keys import key_on_console
from provision.cloud.host_key_pairs import is_host_key, write_known_hosts
from provision.cloud.instance_addresses import reached
from provision.cloud.root_shell import RootShell, Said
from provision.controller.transport import Target
from provision.errors import StepError
from provision.steps.base import Change, Diff

#: seconds for cloud-init, which may install packages; for dpkg's lock; for the other scripts
CLOUD_INIT_SECONDS, DPKG_SECONDS, SECONDS = 900.0, 620.0, 60.0
#: exit status of flock if the lock stayed taken, and of a shell that finds no such command
LOCKED, NO_COMMAND = 75, 127
#: cloud-init's: it failed, and it ended with errors that it got over
FAILED, RECOVERED = 1, 2


class FirstBoot:
    """The instance has booted for the first time, and its host key is one that it made."""

    name = "first boot"

    def __init__(self, host: CloudHost) -> None:
        self._host = host

    def check(self) -> Diff:
        instance = self._host.instance
        if instance and instance_tags.of(instance).get(instance_tags.FIRST_BOOT) == instance_tags.DONE:
            return Diff([], "is done")
        how = "made on the host"
        if self._host.spec.host_key == "console":
            how += ", and read from its console"
        return Diff([Change("cloud-init", "", "ended"), Change("host key", "", how)])

    def apply(self) -> None:
        host = self._host
        host.remember_address()
        found = host.cache.read()
        assert found is not None  # it has just been written
        console = host.spec.host_key == "console"
        if console and not found.keys:
            host.set_tags({instance_tags.HOST_KEY: key_on_console(host)})
            host.remember_address()
            found = host.cache.read()
            assert found is not None
        if not found.keys:
            raise CloudError(
                f"{found.id} has no host key in the tag {instance_tags.HOST_KEY}: prov did not make it",
                hint="Take prov's tags off it, or have prov read the key from its console: `host_key: console`.",
            )
        target = reached(host.target, host.spec, found.address, host.cache.known_hosts)
        shell = RootShell(target, host.note)
        shell.wait()
        host.note("logged in over the pinned host key; waiting for cloud-init")
        check_cloud_init(shell.run(CLOUD_INIT, seconds=CLOUD_INIT_SECONDS), host)
        if not console:
            self._replace_key(shell, target)
        locked = shell.run(DPKG, seconds=DPKG_SECONDS)
        if locked.status == LOCKED:
            raise StepError("another program holds dpkg's lock", stderr=locked.err)
        host.set_tags({instance_tags.FIRST_BOOT: instance_tags.DONE})
        host.remember_address()

    def _replace_key(self, shell: RootShell, target: Target) -> None:
        """Replace the handed key by one that the host makes: noted first, then used, then alone."""
        host = self._host
        public = public_key(shell.run(USED_KEY, seconds=SECONDS))
        if public != instance_tags.of(host.look_again()).get(instance_tags.NEXT_HOST_KEY):
            # no run that was cut has put it in place
            public = public_key(shell.run(NEW_KEY, seconds=SECONDS))
            host.set_tags({instance_tags.NEXT_HOST_KEY: public})
            host.remember_address()
        succeeded(shell.run(TAKE_KEY, seconds=SECONDS))
        alone = host.cache.folder / "known_hosts.next"
        write_known_hosts(alone, (public,))
        RootShell(replace(target, pinned=alone), host.note).wait()
        host.set_tags({instance_tags.HOST_KEY: public}, gone=(instance_tags.NEXT_HOST_KEY,))
        host.remember_address()


def public_key(said: Said) -> str:
    """Return the public key that a script has printed. Raises StepError."""
    found = " ".join(succeeded(said).out.split()[:2])
    if not is_host_key(found):
        raise StepError(f"the instance printed {found[:100]!r}, expected a public host key")
    return found


def succeeded(said: Said) -> Said:
    """Return what a script said. Raises StepError if it failed."""
    if said.status:
        raise StepError(
            "the instance's host key could not be replaced",
            status=said.status,
            stdout=said.out,
            stderr=said.err,
        )
    return said


def check_cloud_init(said: Said, host: CloudHost) -> None:
    """Raise StepError with cloud-init's own words if it failed. Errors that it got over are noted."""
    if said.status == NO_COMMAND:
        raise StepError(
            "the image has no cloud-init",
            hint="Take an image with cloud-init: those of distributions have it.",
        )
    if said.status == FAILED:
        raise StepError(
            "cloud-init failed on the first boot",
            status=said.status,
            stdout=said.out,
            stderr=said.err,
            hint=f"Read /var/log/cloud-init-output.log there. A new instance:  prov ec2 down {host.name},"
            f" then prov ec2 up {host.name}",
        )
    if said.status == RECOVERED:
        host.note(f"cloud-init ended with errors that it got over:\n{said.out.strip()}")
