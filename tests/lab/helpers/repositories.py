"""Repositories of tiny packages on a lab host's own disk, to install, hold, upgrade and remove."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from helpers.hosts import Hosts, on


@dataclass(frozen=True)
class Tiny:
    """A package that brings a configuration file /etc/NAME.conf, which says the version.

    needs: its Depends, as Debian or rpm write them.  preset: an rpm's script enables its unit by presets.
    """

    name: str
    version: str = "1.0"
    needs: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    preset: bool = False


def prepare(hosts: Hosts, host: str) -> Signer:
    """A host with the tools of both families and no repository: apt and dnf then answer at once."""
    hosts.one(host)
    if on(host, "sh", "-c", "ls /srv/prepared || true") == "":
        wanted = ("gpg", "gpg-agent", "dnf", "rpm", "createrepo-c")
        on(host, "apt-get", "-qq", "install", "--no-install-recommends", *wanted, timeout=200)
        on(
            host,
            "sh",
            "-ec",
            "rm -f /etc/apt/sources.list.d/* /var/lib/apt/lists/*_*; mkdir -p /etc/pki /srv/prepared",
        )
    return Signer(host)


def send(host: str, folder: Path, to: str) -> None:
    """Put a folder's files onto a host."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(folder, arcname=".")
    text = base64.b64encode(buffer.getvalue()).decode()
    on(host, "mkdir", "-p", to)
    on(host, "python3", "-c", UNPACK, to, text)


UNPACK = """
import base64, io, sys, tarfile
tarfile.open(fileobj=io.BytesIO(base64.b64decode(sys.argv[2]))).extractall(sys.argv[1])
"""


class Signer:
    """A GnuPG key of its own, made and used on a host. key: the public half, armored."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.home = "/srv/signer"
        name = "Tests <tests@example>"
        on(host, "install", "-d", "-m", "0700", self.home)
        if not self.gpg("--list-keys"):
            self.gpg("--quick-generate-key", "--passphrase", "", name, "rsa2048", "sign", "never")
        self.key = self.gpg("--armor", "--export") + "\n"

    def gpg(self, *argv: str) -> str:
        return on(self.host, "gpg", "--homedir", self.home, "--batch", "--yes", "--quiet", *argv)


def deb_repository(
    folder: Path, host: str, signer: Signer, packages: list[Tiny], at: str, release: str = ""
) -> None:
    """Build packages and a signed index of them, and put both below `at` on the host. release: by which name; apt
    then takes packages from there if it is asked to, as from Debian's backports."""
    folder.mkdir()
    index = ""
    for package in packages:
        control = {
            "Package": package.name,
            "Version": package.version,
            "Architecture": "all",
            "Maintainer": "Tests <tests@example>",
            **({"Depends": package.needs} if package.needs else {}),
            **package.fields,
            "Description": "a test",
        }
        text = "".join(f"{name}: {value}\n" for name, value in control.items())
        deb = build_deb(folder, package, text)
        data = deb.read_bytes()
        index += f"{text}Filename: ./{deb.name}\nSize: {len(data)}\nSHA256: {sha256(data)}\n\n"
    (folder / "Packages").write_text(index)
    lines = f" {sha256(index.encode())} {len(index.encode())} Packages\n"
    named = f"Codename: {release}\nNotAutomatic: yes\nButAutomaticUpgrades: yes\n" if release else ""
    (folder / "Release").write_text(f"{named}Date: Sat, 01 Jan 2022 00:00:00 UTC\nSHA256:\n{lines}")
    on(host, "rm", "-rf", at)
    send(host, folder, at)
    signer.gpg("--output", f"{at}/InRelease", "--clearsign", f"{at}/Release")


def build_deb(folder: Path, package: Tiny, control: str) -> Path:
    tree = folder / f"tree-{package.name}-{package.version}"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "etc").mkdir()
    (tree / "DEBIAN/control").write_text(control)
    (tree / "DEBIAN/conffiles").write_text(f"/etc/{package.name}.conf\n")
    (tree / f"etc/{package.name}.conf").write_text(f"version {package.version}\n")
    deb = folder / f"{package.name}_{package.version}_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, capture_output=True)
    return deb


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def rpm_repository(host: str, signer: Signer, packages: list[Tiny], at: str) -> None:
    """Build signed packages below `at` on the host, with rpm's own tools, and an index of them."""
    on(host, "rm", "-rf", at)
    on(host, "mkdir", "-p", at)
    script = ""
    for package in packages:
        name = f"{package.name}-{package.version}"
        script += f"cat > {at}/{name}.spec <<'END'\n{spec_of(package)}END\n"
    sign = (
        f"--define '_gpg_name tests@example' --define '_gpg_path {signer.home}' --define '__gpg /usr/bin/gpg'"
    )
    script += (
        f"cd {at}\nfor s in *.spec; do rpmbuild --quiet -bb --define '_rpmdir {at}' $s >&2; rm $s; done\n"
    )
    script += f"rpmsign {sign} --addsign */*.rpm\n"
    on(host, "sh", "-ec", script)
    index_rpms(host, at)


def index_rpms(host: str, at: str) -> None:
    on(host, "createrepo_c", "-q", at)


def spec_of(package: Tiny) -> str:
    fields = {
        "Name": package.name,
        "Version": package.version,
        "Release": "1",
        "Summary": "a test",
        "License": "MIT",
        "BuildArch": "noarch",
        "AutoReqProv": "no",
        **({"Requires": package.needs} if package.needs else {}),
        **package.fields,
    }
    name = package.name
    unit = f"[Unit]\nDescription={name}\n[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=multi-user.target"
    units = "%{buildroot}/usr/lib/systemd/system"
    return (
        "".join(f"{field}: {value}\n" for field, value in fields.items())
        + "%description\na test\n%install\n"
        + f"mkdir -p %{{buildroot}}/etc {units}\necho version {package.version} > %{{buildroot}}/etc/{name}.conf\n"
        + f"cat > {units}/{name}.service <<'UNIT'\n{unit}\nUNIT\n"
        + (
            f"%post -p <lua>\nos.execute('systemctl --no-reload preset {name}.service')\n"
            if package.preset
            else ""
        )
        + f"%files\n%config(noreplace) /etc/{name}.conf\n/usr/lib/systemd/system/{name}.service\n"
    )
