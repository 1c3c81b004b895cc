"""The change of a private authority's key: for a while, clients trust two of them.

begin   a second certificate is in ca.crt; the old key still signs     then deploy: all trust both
switch  the new key signs                                              then deploy: all have its certificates
finish  the old certificate leaves ca.crt                              then deploy
"""

from __future__ import annotations

from typing import Literal

from provision.apps.authority import Authority
from provision.apps.certificate_files import (
    certificate,
    certificate_of,
    certificates_of,
    key_of,
    new_key,
    settle,
    write_certificates,
)
from provision.apps.intermediates import renew_intermediate
from provision.errors import ProvError

Stage = Literal["settled", "begun", "switched"]


def stage(authority: Authority) -> Stage:
    """Return how far a change is. The caller holds the lock. Raises ProvError."""
    settle(authority)
    if len(certificates_of(authority)) == 1:
        return "settled"
    return "begun" if authority.next_key_path.exists() else "switched"


def begin(authority: Authority) -> None:
    """Have clients trust a second key, which does not sign yet. Raises ProvError."""
    with authority.alone():
        require(authority, "settled")
        path = authority.next_key_path
        # a key without a certificate is of a run that died
        key = key_of(authority, path) if path.exists() else new_key(authority, path)
        coming = certificate(authority, key)
        write_certificates(authority, [certificate_of(authority), coming])


def switch(authority: Authority) -> None:
    """Have the second key sign from now on. The old one is removed, its certificate still trusted. Raises ProvError."""
    with authority.alone():
        require(authority, "begun")
        # it opens, or nothing is changed
        key = key_of(authority, authority.next_key_path)
        old, new = certificates_of(authority)
        if authority.issuing_path.exists():
            # all clients trust the new key already
            renew_intermediate(authority, new, key)
        write_certificates(authority, [new, old])
        settle(authority)


def finish(authority: Authority) -> None:
    """Have clients trust the new key alone. Raises ProvError."""
    with authority.alone():
        require(authority, "switched")
        write_certificates(authority, [certificate_of(authority)])


def require(authority: Authority, wanted: Stage) -> None:
    """Raise ProvError unless a change is at that stage."""
    if not authority.exists():
        raise ProvError(
            "there is no private CA yet", where=str(authority.folder), hint="The first deploy makes it."
        )
    found = stage(authority)
    if found != wanted:
        refusal = {
            "settled": ("no change of the private CA is under way", "Begin one: prov tls ca rotate TARGET"),
            "begun": (
                "a change of the private CA has begun",
                "Deploy every host, then run: prov tls ca rotate TARGET --switch",
            ),
            "switched": (
                "the new key of the private CA signs already",
                "Deploy every host, then run: prov tls ca rotate TARGET --finish",
            ),
        }[found]
        raise ProvError(refusal[0], where=str(authority.folder), hint=refusal[1])
