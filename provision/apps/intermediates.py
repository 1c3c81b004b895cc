"""An intermediate of a private authority: it signs for hosts, so that the root's key can be kept elsewhere.

Clients trust the root, and get the intermediate's certificate from the hosts. Source: RFC 5280, 4.2.1.9 and 6.1.
"""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from provision.apps.authority import Authority
from provision.apps.authority_files import AuthorityFiles, write_whole
from provision.apps.certificate_files import (
    certificate_of,
    issuing_certificate,
    key_of,
    new_key,
    refuse_other_key,
    settle,
    signing_only,
)
from provision.errors import ProvError


def make_intermediate(authority: Authority, days: int) -> str:
    """Make an intermediate, in place of one that exists, and return the date of its end, such as "2031-11-28".

    days: its lifetime, at most the root's.
    Raises ProvError if the root's key can't be read, or its certificate permits no intermediate.
    """
    with authority.alone():
        settle(authority)
        root, key = certificate_of(authority), key_of(authority)
        refuse_other_key(authority, root, key)
        length = root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        if length == 0:
            raise ProvError(
                "the certificate of the private CA permits no intermediate",
                where=str(authority.certificate_path),
                hint="Change its key first: prov tls ca rotate TARGET",
            )
        made = put(authority, root, key, datetime.timedelta(days=days))
    return f"{made.not_valid_after_utc:%Y-%m-%d}"


def renew_intermediate(
    authority: AuthorityFiles, root: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    """Make an intermediate of another root, with the lifetime of the present one. The caller holds the lock."""
    now = issuing_certificate(authority)
    put(authority, root, key, now.not_valid_after_utc - now.not_valid_before_utc)


def put(
    authority: AuthorityFiles,
    root: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    lifetime: datetime.timedelta,
) -> x509.Certificate:
    """Put a new key and certificate in place, and return the certificate.

    Until the certificate is there, the former pair signs; from then on `settle` puts the key in place if a run dies.
    """
    own = new_key(authority, authority.next_issuing_key_path)
    now = datetime.datetime.now(datetime.UTC)
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"prov private CA, intermediate of {now:%Y-%m-%d}")]
    )
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(root.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(min(now + lifetime, root.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signing_only(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )
    write_whole(authority.issuing_path, made.public_bytes(serialization.Encoding.PEM), 0o644)
    settle(authority)
    return made
