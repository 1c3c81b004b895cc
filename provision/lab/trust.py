"""Give a lab host access to this machine's package registries: certificates and pip's index.

Certificates that this machine's administrator added (a company's proxy, a private registry) are put where
update-ca-certificates(8) looks for local ones, so that they stay when a host rewrites its bundle.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

# the certificate bundle in Debian's and in Fedora's family
BUNDLES = (Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/certs/ca-bundle.crt"))

# Debian's ca-certificates package, which a lab host has too
_DISTRIBUTED = Path("/usr/share/ca-certificates")

LOCAL = "usr/local/share/ca-certificates"

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

_PIP_FILES = (Path("/etc/pip.conf"), Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf")


def certificates(text: str) -> list[str]:
    """Return the PEM certificates in a text, each stripped."""
    return [re.sub(r"\s*\n\s*", "\n", match) for match in _PEM.findall(text)]


def added(bundle: str, distributed: Iterable[str]) -> list[str]:
    """Return the certificates of a bundle that are in none of the distributed texts."""
    own = {certificate for text in distributed for certificate in certificates(text)}
    return [certificate for certificate in dict.fromkeys(certificates(bundle)) if certificate not in own]


def added_here() -> list[str]:
    """Return the certificates that this machine trusts in addition to Debian's."""
    bundle = next((path for path in BUNDLES if path.is_file()), None)
    if not bundle or not _DISTRIBUTED.is_dir():
        return []
    return added(bundle.read_text(), (path.read_text() for path in sorted(_DISTRIBUTED.rglob("*.crt"))))


def pip_conf(
    certificates_added: bool,
    files: Iterable[Path] = _PIP_FILES,
    environment: Mapping[str, str] = os.environ,
) -> str:
    """Return a pip.conf for lab hosts; "" if pip needs none.

    certificates_added: pip before 24.2 trusts only its own certificates, unless it is told to use the
    system's.  files: this machine's pip configuration; an index on the network is taken over.  environment:
    its PIP_INDEX_URL and the like override the files (pip's documentation, "Configuration").
    """
    ours: dict[str, str] = {}
    parser = configparser.RawConfigParser()
    parser.read(files)
    for key in ("index-url", "extra-index-url", "trusted-host"):
        set_here = environment.get(f"PIP_{key.upper().replace('-', '_')}", "")
        words = (set_here or str(parser.get("global", key, fallback=""))).split()
        remote = [word for word in words if key == "trusted-host" or word.startswith(("http:", "https:"))]
        if remote:
            ours[key] = " ".join(remote)
    if certificates_added:
        ours["cert"] = "/etc/ssl/certs/ca-certificates.crt"
    return "".join(["[global]\n", *(f"{key} = {value}\n" for key, value in ours.items())]) if ours else ""
