"""Password files of fronts: made on the controller, so that a host never sees a password."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping

import bcrypt

from provision.errors import ProvError
from provision.secrets import Secret

#: 2 to the power of this many rounds, some 15 ms: fronts hash the password again with each request, and nginx
#: serves nobody else meanwhile. htpasswd(1) takes 5.
COST = 8
#: bytes that bcrypt looks at
LONGEST = 72
#: the alphabets of RFC 4648 and of bcrypt
STANDARD = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BCRYPT = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def htpasswd(users: Mapping[str, Secret], site: str) -> Secret:
    """The text of a password file for nginx and Apache: a line `name:$2y$...` for each user, by name.

    site: what the file is for; the same password looks different in another one. The same users, passwords and
    site give the same text in every run. Raises ProvError for a password that bcrypt can't take whole.
    """
    return Secret("".join(f"{name}:{hashed(name, users[name], site)}\n" for name in sorted(users)))


@functools.cache
def hashed(name: str, password: Secret, site: str) -> str:
    """A password's hash. The salt is made of what everybody may know, the name and the site: one that is made of
    the password would be the fast hash by which to guess it."""
    word = password.reveal().encode()
    if not word or len(word) > LONGEST or b"\0" in word:
        raise ProvError(
            f"the password of {name!r} must have 1 to {LONGEST} bytes, and no NUL",
            hint="bcrypt looks at no more of it: a longer one would only seem to be safer.",
        )
    seed = hashlib.sha256(f"prov htpasswd\0{site}\0{name}".encode()).digest()[:16]
    salt = base64.b64encode(seed).rstrip(b"=").translate(bytes.maketrans(STANDARD, BCRYPT))
    return bcrypt.hashpw(word, b"$2y$%02d$%s" % (COST, salt)).decode()
