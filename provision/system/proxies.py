"""The proxies that a host sets for all logins. Shipped.

pam_env(8) applies these files to a login, and sudo drops the result. Only proxies are taken from them,
because PATH, LD_PRELOAD and the like would decide what root runs.
"""

import os
import re
from typing import Callable, Dict, Iterator, Tuple

ENVIRONMENT = "/etc/environment"
#: read before /etc/environment (pam_env.conf(5))
CONFIGURATION = "/etc/security/pam_env.conf"
NAME = re.compile(r"^([a-z]+_proxy|[A-Z]+_PROXY)\Z")
#: values in pam_env.conf(5): quoted or a word, in which \\$ and \\@ stand for those characters
SETTING = re.compile(r'\b(DEFAULT|OVERRIDE)=("[^"]*"|\S*)')

_known: "Dict[str, Tuple[Tuple[int, ...], Dict[str, str]]]" = {}


def proxies() -> Dict[str, str]:
    """Return the host's variables that name its proxies now: https_proxy, NO_PROXY and the like."""
    found: Dict[str, str] = {}
    for path, read in ((CONFIGURATION, configured), (ENVIRONMENT, assigned)):
        # the last line of a variable counts, and an empty value removes it
        found.update(_said(path, read))
    return {
        name: value for name, value in found.items() if NAME.match(name) and value and value.isprintable()
    }


def _said(path: str, read: Callable[[str], Iterator[Tuple[str, str]]]) -> Dict[str, str]:
    """Return the settings of a file, which is read again if it has changed."""
    try:
        now = os.stat(path)
        state = (now.st_ino, now.st_size, now.st_mtime_ns)
        if _known.get(path, ((), {}))[0] != state:
            with open(path, encoding="utf-8", errors="replace") as f:
                _known[path] = (state, dict(read(f.read())))
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError):
        return {}
    return _known[path][1]


def assigned(text: str) -> Iterator[Tuple[str, str]]:
    """Yield the settings of /etc/environment: NAME=value lines.

    They are read as pam_env does, not as a shell does.
    """
    for line in text.split("\n"):
        name, sign, value = line.split("#")[0].strip().partition("=")
        if name.startswith("export "):
            name = name[len("export ") :].lstrip()
        if sign and re.match(r"^\w+\Z", name, re.ASCII):
            if value[:1] in ("'", '"'):
                # the quotes need not match, and only one at the end is dropped
                value = value[1:-1] if value[1:][-1:] in ("'", '"') else value[1:]
            yield name, value


def configured(text: str) -> Iterator[Tuple[str, str]]:
    """Yield the settings of pam_env.conf: NAME DEFAULT=value OVERRIDE=value.

    Values that refer to other variables are skipped.
    """
    for line in re.sub(r"\\\n\s*", "", text).split("\n"):
        name, *words = re.sub(r"(^|\s)#.*", "", line).split(None, 1) or [""]
        rest = "".join(words)
        values = {word: value.strip('"') for word, value in SETTING.findall(rest)}
        value = values.get("OVERRIDE") or values.get("DEFAULT", "")
        if values and not re.search(r"(?<!\\)[$@]\{", value):
            yield name, re.sub(r"\\([$@])", r"\1", value)
