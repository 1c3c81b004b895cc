"""Secrets that an application's units read as credentials of systemd: encrypted where its host can.

Decision D30. Commands of a release, which run outside units, get theirs in memory (steps/support/handed_credentials).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from provision.apps.app_releases import Release
from provision.controller.events import Attention
from provision.steps import credentials, files

if TYPE_CHECKING:
    from provision.roles.role_host import Host

#: the end of an encrypted file's name
ENCRYPTED = ".cred"
#: releases of distributions from which on systemd is 250 or newer, which brings systemd-creds
FIRST = {
    "debian": 12, "ubuntu": 22.10, "fedora": 36, "amzn": 2023,
    "rhel": 9, "centos": 9, "rocky": 9, "almalinux": 9, "ol": 9,
}  # fmt: skip


def why_plain(c: Host, *, in_image: bool) -> str:
    """Return why credentials are files in plain text on this host; "" if they are encrypted.

    in_image: the server runs images, which read the files themselves.
    """
    if in_image:
        return "containers read the files themselves"
    if c.facts.init != "systemd" or not c.facts.is_from(FIRST):
        return f"{c.facts.distribution} {c.facts.version} has no systemd-creds, which systemd has from 250 on"
    return ""


def credential_paths(c: Host, release: Release, *, in_image: bool) -> dict[str, str]:
    """Return the files that systemd hands to an application's processes as credentials, by name."""
    end = "" if why_plain(c, in_image=in_image) else ENCRYPTED
    return {name: f"{release.credentials_folder}/{name}{end}" for name in sorted(release.credentials)}


def credential_lines(paths: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Return the setting of systemd.exec(5), name and path of each credential, for a unit."""
    return [
        ("LoadCredentialEncrypted" if path.endswith(ENCRYPTED) else "LoadCredential", name, path)
        for name, path in paths.items()
    ]


def read_by(release: Release, paths: Sequence[str]) -> dict[str, str]:
    """Return those of the files that an instance reads which are credentials, by name."""
    folder = f"{release.credentials_folder}/"
    found = [path.removeprefix(folder) for path in paths if path.startswith(folder)]
    return {name.removesuffix(ENCRYPTED): folder + name for name in found}


def credential_files(c: Host, release: Release, *, in_image: bool) -> None:
    """Write the credentials of an application: root's alone, unless a container's processes read the files.

    Once the front has switched, those in the other form are removed: no plain text stays.
    """
    if not release.credentials:
        return
    plain, group = why_plain(c, in_image=in_image), release.app.user if in_image else "root"
    if plain and c.planning:
        c.emit(Attention(c.name, f"credentials of {release.app.name} are in plain text: {plain}"))
    folder = release.credentials_folder
    files.directory(c, folder, mode=0o750 if in_image else 0o700, owner="root", group=group)
    paths = credential_paths(c, release, in_image=in_image)
    for name, path in paths.items():
        if not plain:
            credentials.credential(c, path, name, release.credentials[name])
            continue
        mode = 0o640 if in_image else 0o600
        files.file(c, path, release.credentials[name], mode=mode, owner="root", group=group)

    def remove_others() -> None:
        for name in paths:
            files.absent(c, f"{folder}/{name}{ENCRYPTED if plain else ''}")

    c.later(remove_others)
