"""Password files of web servers: hashes are made on the controller, so that a host never sees a password."""

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
#: bytes that bcrypt looks at
LONGEST = 72
#: RFC 7914, 2: some 10 ms and 4 MB. Less than the hash costs, as it is computed in every run; but it is kept for root
#: alone, and who is root on the host sees the passwords themselves when people log in.
SCRYPT = {"n": 4096, "r": 8, "p": 1, "dklen": 32}


def hashes_of(path: str, users: Mapping[str, Secret]) -> Source:
    """Hashes for a host that asks for them, with the names of users as a list: "name": "$2y$...".

    Raises ConfigError for a password that bcrypt can't take whole.
    """
    words = {name: checked(name, word) for name, word in users.items()}

    def make(request: bytes) -> bytes:
        # only what it asks for, and is there: a host is not to be trusted with the time of this machine
        names = [name for name in json.loads(request) if name in words]
        return json.dumps({name: hashed(words[name]) for name in dict.fromkeys(names)}).encode()

    return Source.made_by(f"passwords {path}", make)


def checked(name: str, word: Secret) -> bytes:
    """The bytes of a password. Raises ConfigError."""
    data = word.reveal().encode()
    if not data or len(data) > LONGEST or b"\0" in data:
        raise ConfigError(
            f"the password of {name!r} must have 1 to {LONGEST} bytes, and no NUL",
            hint="bcrypt looks at no more of it: a longer one would only seem to be safer.",
        )
    return data


def hashed(word: bytes) -> str:
    """A password's hash, with a salt of its own. nginx and Apache know the prefix 2y."""
    return bcrypt.hashpw(word, bcrypt.gensalt(COST)).decode().replace("$2b$", "$2y$", 1)


@functools.cache
def mark_of(path: str, name: str, word: Secret) -> Secret:
    """What tells a user's password from another one, without saying what it is: the same in every run."""
    salt = f"prov mark\0{path}\0{name}".encode()
    return Secret(hashlib.scrypt(word.reveal().encode(), salt=salt, **SCRYPT).hex())
