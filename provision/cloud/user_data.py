"""User data: what cloud-init reads when an instance boots for the first time.

Source: cloud-init's documentation, "User-data formats" (MIME multi-part, gzip) and the module `ssh`: with `ssh_keys`,
cloud-init removes the image's host keys, and makes none.
"""

from __future__ import annotations

import gzip
import json
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

from provision.cloud.host_key_pairs import HostKeyPair
from provision.errors import ConfigError
from provision.secrets import Secret

#: bytes that EC2 takes, before base64
MOST = 16384
#: first words of a user's own file -> its type
KINDS = {
    "#cloud-config": "cloud-config",
    "#!": "x-shellscript",
    "#include": "x-include-url",
    "#cloud-boothook": "cloud-boothook",
}
#: keys of cloud-config that would take prov's host key away, or let any key in
PROVS_OWN = ("ssh_keys:", "ssh_deletekeys:", "ssh_genkeytypes:")


def user_data(key: HostKeyPair | None, own: Path | None = None) -> Secret:
    """Return the user data of a new instance. own: a file of the user's, which cloud-init reads as well.

    key: handed over; None has the instance make one of its own.
    Raises ConfigError for a file that cloud-init would not read, or too large a text.
    """
    if key is None:
        text = own_text(own) if own is not None else ""
        if own is not None:
            kind_of(text, own)
        return Secret(text)
    settings = {
        "ssh_deletekeys": True,
        "ssh_keys": {"ed25519_private": key.private.reveal(), "ed25519_public": key.public},
    }
    # JSON is YAML
    config = "#cloud-config\n" + json.dumps(settings, indent=1) + "\n"
    if own is None:
        return Secret(config)
    text = own_text(own)
    whole = MIMEMultipart()
    for part, kind in ((text, kind_of(text, own)), (config, "cloud-config")):
        whole.attach(MIMEText(part, kind))
    return Secret(whole.as_string())


def own_text(own: Path) -> str:
    """Return the text of a user's file. Raises ConfigError."""
    try:
        text = own.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"user data can't be read: {error}", where=str(own)) from None
    for line in text.splitlines():
        if line.startswith(PROVS_OWN):
            raise ConfigError(
                f"{line.split(':')[0]} is set by prov, so that it knows the instance from the first packet",
                where=str(own),
                hint="Remove it from the file.",
            )
    return text


def kind_of(text: str, own: Path) -> str:
    """Return the MIME subtype of a user's file by its first line. Raises ConfigError."""
    for start, kind in KINDS.items():
        if text.startswith(start):
            return kind
    raise ConfigError(
        "cloud-init would not read it: its first line is neither #cloud-config nor #!/bin/sh or the like",
        where=str(own),
    )


def packed(data: Secret, where: str = "") -> bytes:
    """Return user data as it is sent: compressed if it is too large otherwise. Raises ConfigError."""
    plain = data.reveal().encode()
    if len(plain) <= MOST:
        return plain
    small = gzip.compress(plain, mtime=0)
    if len(small) > MOST:
        raise ConfigError(
            f"user data has {len(plain)} bytes, {len(small)} compressed; EC2 takes {MOST}",
            where=where,
            hint="Put less into it: roles can do the rest once the instance runs.",
        )
    return small
