"""Password files of web servers, hashed on the controller, so that hosts never see a password."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping

import bcrypt

from provision.errors import ConfigError
from provision.secrets import Secret
from provision.system.source import Source

#: 2 to the power of this many rounds, some 0.25 s
COST = 12
#: how many bytes of a password bcrypt uses
LONGEST = 72
#: RFC 7914, 2: some 10 ms and 4 MB. Cheaper than the hash, because it is computed in every run. That is
#: enough: only root can read it, and root on the host sees the passwords themselves when people log in.
SCRYPT = {"n": 4096, "r": 8, "p": 1, "dklen": 32}


def hashes_of(path: str, users: Mapping[str, Secret]) -> Source:
    """Return hashes for the users that a host asks for, as "name": "$2y$..." pairs.

    Raises ConfigError for a password that is too long for bcrypt.
    """
    words = {name: checked(name, word) for name, word in users.items()}

    def make(request: bytes) -> bytes:
        # only users that exist: a host must not be able to take up this machine's time
        names = [name for name in json.loads(request) if name in words]
        return json.dumps({name: hashed(words[name]) for name in dict.fromkeys(names)}).encode()

    return Source.made_by(f"passwords {path}", make)


def checked(name: str, word: Secret) -> bytes:
    """Return a password as bytes. Raises ConfigError."""
    data = word.reveal().encode()
    if not data or len(data) > LONGEST or b"\0" in data:
        raise ConfigError(
            f"the password of {name!r} must have 1 to {LONGEST} bytes, and no NUL",
            hint="bcrypt looks at no more of it: a longer one would only seem to be safer.",
        )
    return data


def hashed(word: bytes) -> str:
    """Return a password's hash, with a salt of its own. nginx and Apache know the prefix 2y."""
    return bcrypt.hashpw(word, bcrypt.gensalt(COST)).decode().replace("$2b$", "$2y$", 1)


@functools.cache
def mark_of(path: str, name: str, word: Secret) -> Secret:
    """Return a mark that changes with a user's password but does not reveal it: the same in every run."""
    salt = f"prov mark\0{path}\0{name}".encode()
    return Secret(hashlib.scrypt(word.reveal().encode(), salt=salt, **SCRYPT).hex())
