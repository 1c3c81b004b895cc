"""Basics of every host: a name, a time zone, people with keys, a careful sshd, security updates."""

from __future__ import annotations

import base64
from typing import Annotated

from pydantic import AfterValidator, Field

from provision.role import Host, Params, task
from provision.steps import apt, files, ssh, sudoers, system, systemd, users
from provision.steps.authorized_keys import parts
from provision.system.writers import sudoers as sudoers_word


def public_key(line: str) -> str:
    """Check a public key as sshd(8) reads it: its data begins with its type (RFC 4253, 6.6). Raises ValueError."""
    _, kind, data = parts(line)
    try:
        blob = base64.b64decode(data, validate=True)
    except ValueError:
        blob = b""
    name = kind.encode()
    if not kind or not blob.startswith(len(name).to_bytes(4, "big") + name) or len(blob) < len(name) + 36:
        raise ValueError(f"{line[:50]!r} is not a public key; write a line as in id_ed25519.pub")
    return line


class Person(Params):
    """A person who may log in."""

    name: Annotated[str, AfterValidator(sudoers_word)]
    """Login name."""
    keys: tuple[Annotated[str, AfterValidator(public_key)], ...] = Field(min_length=1)
    """Public keys, as in id_ed25519.pub."""
    groups: tuple[str, ...] = ()
    """Supplementary groups."""
    sudo: bool = False
    """Allowed to become root without a password."""
    shell: str = "/bin/bash"
    """Login shell."""


class Base(Params):
    """Parameters of the role `base`."""

    hostname: str | None = None
    """The host's name. Default: left as it is."""
    timezone: str | None = None
    """Time zone, such as Europe/Berlin. Default: left as it is."""
    users: tuple[Person, ...] = ()
    """People with an account on the host."""
    packages: tuple[str, ...] = ("ca-certificates", "curl")
    """Packages that every host should have."""
    harden_ssh: bool = True
    """Keys only, no root password, for sshd. Passwords stay allowed while prov itself logs in with one."""
    automatic_updates: bool = True
    """Install security updates every day (unattended-upgrades), by apt's timers."""


@task
def identity(c: Host, p: Base) -> None:
    """The host's name and time zone."""
    if p.hostname:
        system.hostname(c, p.hostname)
    if p.timezone:
        apt.packages(c, "tzdata")
        system.timezone(c, p.timezone)


@task
def packages(c: Host, p: Base) -> None:
    """Packages that every host should have."""
    if p.packages:
        apt.packages(c, p.packages)


@task
def people(c: Host, p: Base) -> None:
    """Accounts, keys and sudo."""
    if any(person.sudo for person in p.users):
        apt.packages(c, "sudo")
    for person in p.users:
        users.user(c, person.name, groups=person.groups, shell=person.shell)
        users.authorized_keys(c, person.name, person.keys)
        if person.sudo:
            sudoers.sudoers(c, f"prov-{person.name}", f"{sudoers_word(person.name)} ALL=(ALL) NOPASSWD: ALL")
        else:
            sudoers.no_sudoers(c, f"prov-{person.name}")


@task
def sshd(c: Host, p: Base) -> None:
    """Write a drop-in for sshd, judged first; a new login must work, or the host removes it again."""
    if not p.harden_ssh:
        return
    by_password = c.inventory.connection.password is not None
    text = c.render("sshd.conf.j2", passwords=by_password)
    drop_in = ssh.sshd_drop_in(c, "10-prov.conf", text)
    systemd.service(c, "ssh", reload_on=[drop_in], check_with=["sshd", "-t"])


@task
def updates(c: Host, p: Base) -> None:
    """Install security updates automatically."""
    if not p.automatic_updates:
        return
    apt.packages(c, "unattended-upgrades")
    # not 20auto-upgrades: the package owns that file, and writes it on installation
    files.template(c, "auto-upgrades.j2", to="/etc/apt/apt.conf.d/21prov-upgrades")
    # what installs them; images may come with these timers switched off
    for timer in ("apt-daily.timer", "apt-daily-upgrade.timer"):
        systemd.service(c, timer)
