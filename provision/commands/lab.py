"""`prov lab`: boot and remove throwaway hosts to try things on."""

from __future__ import annotations

import os
from typing import Any

import click

from provision import lab as labs
from provision.cli.complete import complete_lab_hosts
from provision.cli.nearest_names import NearestNames
from provision.cli.options import format_option
from provision.errors import LabError, UsageError
from provision.lab import LabHost
from provision.names import suggestion
from provision.report.columns import aligned
from provision.report.formats import Format
from provision.report.screen import say


@click.group(cls=NearestNames, epilog="Example:  prov lab up web1 web2  &&  prov lab ssh web1")
def lab() -> None:
    """Boot and remove throwaway hosts to try things on."""


def _event(host: LabHost, **more: object) -> dict[str, Any]:
    """A host as --json shows it; without its password."""
    return {
        "event": "lab_host",
        "name": host.name,
        "address": host.address,
        "image": host.image,
        "state": host.state,
        "login": host.login,
        "user": host.user,
        "port": host.port,
        "python": host.python,
        "key": str(host.key),
        "known_hosts": str(host.known_hosts),
        "driver": host.driver,
        **more,
    }


@lab.command(epilog="Example:  prov lab up web1 web2 --image debian-13 --login sudo")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--driver", default="nspawn", show_default=True, help="nspawn: in namespaces; vagrant: virtual machines."
)
@click.option("--image", default="", help=f"One of {', '.join(labs.IMAGES)}.  [default: debian-12]")
@click.option(
    "--login", default="", help=f"One of {', '.join(labs.LOGINS)}.  [default: root; sudo on virtual machines]"
)
@click.option("--without-python", is_flag=True, help="Boot the host without python3.")
@click.option("--install", is_flag=True, help="Install the system packages that the lab needs, with apt.")
@format_option
def up(
    names: tuple[str, ...],
    driver: str,
    image: str,
    login: str,
    without_python: bool,
    install: bool,
    out: Format,
) -> None:
    """Boot hosts and wait until each answers on SSH. Running hosts stay as they are."""
    if install:
        for package in labs.install(driver):
            out.message(f"installed {package}")
    before = {host.name for host in labs.hosts() if host.state == "running"}
    ready = labs.up(
        names, driver=driver, image=image, login=login, python=not without_python, progress=out.message
    )
    out.show(_event(host, changed=host.name not in before) for host in ready)
    out.end()


@lab.command(epilog="Example:  prov lab down web1    or    prov lab down --all")
@click.argument("names", metavar="NAME...", nargs=-1, shell_complete=complete_lab_hosts)
@click.option("--all", "everything", is_flag=True, help="Remove every host of the lab.")
@click.option("--images", is_flag=True, help="With --all: also remove the cached base images and boxes.")
@format_option
def down(names: tuple[str, ...], everything: bool, images: bool, out: Format) -> None:
    """Remove hosts and everything that belongs to them."""
    if bool(names) == everything:
        raise UsageError("name the hosts to remove, or give --all", hint="prov lab down web1")
    if images and not everything:
        raise UsageError(
            "--images needs --all, because hosts are built on the images", hint="prov lab down --all --images"
        )
    gone = list(dict.fromkeys(names))
    if everything:
        gone = labs.down_all(images=images, progress=out.message)
        if not gone:
            out.show((), ["The lab has no hosts."])
    else:
        labs.down(gone, progress=out.message)
    out.show({"event": "lab_host", "name": name, "state": "gone"} for name in gone)
    out.end()


@lab.command(name="list", epilog="Example:  prov lab list --json")
@format_option
def list_(out: Format) -> None:
    """List the lab's hosts."""
    known = labs.hosts()
    if not known and not out.FOR_PROGRAMS:
        say("The lab has no hosts. Boot one:  prov lab up web1", err=True)
        return
    columns = ("NAME", "ADDRESS", "DRIVER", "IMAGE", "LOGIN", "STATE")
    rows = [(host.name, host.address, host.driver, host.image, host.login, host.state) for host in known]
    out.show(map(_event, known), aligned([columns, *rows]))
    out.end()


@lab.command(epilog="Example:  prov lab snapshot web1 clean")
@click.argument("name")
@click.argument("snapshot", default="saved", required=False)
@format_option
def snapshot(name: str, snapshot: str, out: Format) -> None:
    """Save a host's state, to be restored later. Without SNAPSHOT, the name is "saved"."""
    labs.snapshot(name, snapshot, progress=out.message)
    _tell_one(name, out, snapshot=snapshot)


@lab.command(epilog="Example:  prov lab restore web1 clean")
@click.argument("name")
@click.argument("snapshot", default="saved", required=False)
@format_option
def restore(name: str, snapshot: str, out: Format) -> None:
    """Bring a host back to the state that `prov lab snapshot` saved."""
    labs.restore(name, snapshot, progress=out.message)
    _tell_one(name, out, snapshot=snapshot)


def _tell_one(name: str, out: Format, **more: object) -> None:
    found = labs.find(name)
    if found:
        out.show([_event(found, **more)])
        out.end()


@lab.group(cls=NearestNames, epilog="Example:  prov lab box build --image debian-13")
def box() -> None:
    """Build boxes for virtual machines, where public boxes cannot be downloaded."""


@box.command(epilog="Example:  prov lab box build --image debian-13")
@click.option("--image", default="debian-12", show_default=True, help=f"One of {', '.join(labs.IMAGES)}.")
@click.option("--again", is_flag=True, help="Build it again if it exists.")
@click.option("--install", is_flag=True, help="Install the system packages that the build needs, with apt.")
@format_option
def build(image: str, again: bool, install: bool, out: Format) -> None:
    """Build a Vagrant box (for libvirt) from the package mirror that this machine uses."""
    if install:
        for package in labs.install("vagrant"):
            out.message(f"installed {package}")
    path = labs.build_box(image, again=again, progress=out.message)
    words = f"The box is {path}; `prov lab up NAME --driver vagrant` uses it automatically."
    out.show([{"event": "lab_box", "image": image, "path": path}], [words])
    out.end()


@lab.command(epilog="Example:  prov lab ssh web1 -- systemctl --failed")
@click.argument("name", shell_complete=complete_lab_hosts)
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
def ssh(name: str, argv: tuple[str, ...]) -> None:
    """Open a shell on a lab host, or run one command there."""
    host = labs.find(name)
    if not host:
        known = [host.name for host in labs.hosts()]
        raise UsageError(f"no lab host {name!r}.{suggestion(name, known)}", hint=f"prov lab up {name}")
    if host.state != "running":
        raise LabError(f"{name} is stopped", hint=f"prov lab up {name}")
    from provision.lab import openssh

    words = openssh.argv(host, argv)
    os.execvp(words[0], words)
