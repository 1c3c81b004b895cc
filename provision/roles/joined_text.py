"""Text made of parts that may be secrets."""

from __future__ import annotations

from typing import Any

from provision.secrets import Secret


def joined(*parts: object, sep: str = "") -> Any:
    """Return parts as one text: a Secret if one of them is, where an f-string would contain its mask.

        files.file(c, "/etc/shop.conf", joined("password=", c.vars["password"], "\\n"))

    parts: texts, numbers, secrets.  sep: goes between them.
    """
    text = sep.join(part.reveal() if isinstance(part, Secret) else str(part) for part in parts)
    return Secret(text) if any(isinstance(part, Secret) for part in parts) else text
