"""prov bundle: one file that brings a host to its state, without a controller."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from provision.cli.complete import complete_target
from provision.cli.options import format_option, inventory_option
from provision.cli.prepare import select_one
from provision.errors import ConfigError, UsageError
from provision.report.formats import Format


@click.command(epilog="Example:  prov bundle web1 -o web1.pyz --secrets web1.secrets")
@click.argument("host", shell_complete=complete_target)
@inventory_option
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=None, metavar="FILE",
              help="The bundle. Default: HOST.pyz.")  # fmt: skip
@click.option("--secrets", type=click.Path(path_type=Path, dir_okay=False), default=None, metavar="FILE",
              help="Write the secrets that the bundle lacks into FILE, mode 0600.")  # fmt: skip
@click.option("--age", "recipients", multiple=True, metavar="RECIPIENT",
              help="Carry the secrets, encrypted for this public key of age or ssh; may be repeated.")  # fmt: skip
@click.option("--python", default="", metavar="VERSION",
              help="Python of the host, such as 3.13. Default: the one that prov runs on.")  # fmt: skip
@click.option("--machine", default="", metavar="NAME",
              help="Architecture of the host: x86_64, aarch64. Default: this machine's.")  # fmt: skip
@format_option
def bundle(
    host: str,
    inventory: Sequence[str],
    output: Path | None,
    secrets: Path | None,
    recipients: Sequence[str],
    python: str,
    machine: str,
    out: Format,
) -> int:
    """Write one file that brings HOST to its state with nothing but python3: no controller, no network but packages.

    Connects to no host. On the host, as root, `python3 HOST.pyz --check` shows the plan, and `python3 HOST.pyz` makes
    it so.

    Exit status: 0 done; 1 a source or library can't be had; 2 usage or configuration.
    """
    from provision.bundles.bundle_contents import bundle_of, check_target, this_python
    from provision.bundles.bundle_file import write_bundle
    from provision.roles.project import resolve

    own_python, own_machine = this_python()
    check_target(python or own_python)
    seal = sealing(recipients) if recipients else None
    chosen = select_one(inventory, host)
    if not chosen.roles:
        raise UsageError(
            f"{chosen.name} has no roles", hint="Add `roles: [...]` for the host or one of its groups."
        )
    (assignment,) = resolve([chosen])
    path = output or Path(f"{chosen.name}.pyz")
    made = bundle_of(assignment, python or own_python, machine or own_machine, seal)
    try:
        if secrets is not None:
            write_secrets(secrets, made.secrets)
        digest = write_bundle(path, made.about, made.data)
    except OSError as error:
        raise ConfigError(f"can't be written: {error.strerror}", where=str(error.filename or path)) from None
    size = path.stat().st_size
    event = {
        "event": "bundle",
        "host": chosen.name,
        "file": str(path),
        "sha256": digest,
        "bytes": size,
        "python": made.about["python"],
        "machine": made.about["machine"],
        "lacks": sorted(made.secrets),
        "unreadable": list(made.notes),
    }
    lines = [
        f"{path}: {chosen.name}, {size / 1e6:.1f} MB, for Python {made.about['python']} on {made.about['machine']}",
        f"  sha256 {digest}",
    ]
    if made.secrets:
        there = f"; they are in {secrets}" if secrets else ""
        lines.append(f"  lacks these secrets{there}: {', '.join(sorted(made.secrets))}")
    lines += [f"  lacks what can't be worked out here: {note}" for note in made.notes]
    out.show([event], lines)
    out.end()
    return 0


def write_secrets(path: Path, secrets: Mapping[str, Callable[[], Any]]) -> None:
    """Write secrets into a new file of mode 0600, in place of an old one. Raises OSError, ConfigError."""
    from provision.apps.authority_files import write_whole

    opened = {name: open_() for name, open_ in sorted(secrets.items())}
    write_whole(path, json.dumps(opened, indent=1).encode(), 0o600)


def sealing(recipients: Sequence[str]) -> Callable[[bytes], bytes]:
    """Return what encrypts for recipients of age. Raises UsageError."""
    try:
        import pyrage
    except ImportError:
        raise UsageError(
            "age needs pyrage, which is not installed", hint="pip install 'prov-deploy[age]'"
        ) from None
    keys = []
    for text in recipients:
        kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
        try:
            keys.append(kind.from_str(text))
        except pyrage.RecipientError as error:
            raise UsageError(f"not a recipient of age: {text!r}: {error}") from None
    return lambda data: bytes(pyrage.encrypt(data, keys))
