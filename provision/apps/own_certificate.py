"""Checks the user's own certificates, before anything is changed, for what browsers or fronts refuse."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization

from provision.apps.tls_settings import OwnCertificate

PUBLIC = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def faults(own: OwnCertificate, domains: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a certificate for these domains: (the setting at fault, message).

    Source: RFC 5280, 4.1.2.5 (validity); RFC 6125, 6.4.3 (a wildcard stands for one label).
    """
    chain, fault = certificates(own.certificate)
    if fault:
        yield "certificate", f"{own.certificate}{fault}"
        return
    yield from (("certificate", f"{own.certificate} {fault}") for fault in chain_faults(chain, domains))
    if own.authority is not None:
        fault = authority_fault(own.authority, chain[-1])
        if fault:
            yield "authority", f"{own.authority}{fault}"
    fault = key_fault(own.key, chain[0])
    if fault:
        yield "key", f"{own.key}{fault}"


def days_left(own: OwnCertificate) -> int | None:
    """Return the whole days until a certificate ends; None if it can't be read, which `faults` tells."""
    chain, _ = certificates(own.certificate)
    return (chain[0].not_valid_after_utc - datetime.datetime.now(datetime.UTC)).days if chain else None


def certificates(path: Path) -> tuple[list[x509.Certificate], str]:
    """Return the certificates in a file, and why there are none, as the end of a sentence that begins with
    its path."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes()), ""
    except OSError as error:
        return [], f": {(error.strerror or str(error)).lower()}"
    except ValueError:
        return [], " contains no PEM certificate"


def chain_faults(chain: Sequence[x509.Certificate], domains: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with a certificate and its chain."""
    leaf, now = chain[0], datetime.datetime.now(datetime.UTC)
    if leaf.not_valid_after_utc < now:
        yield f"expired on {leaf.not_valid_after_utc:%Y-%m-%d}"
    if leaf.not_valid_before_utc > now:
        yield f"is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    names = names_of(leaf)
    missing = [domain for domain in domains if not covered(domain, names)]
    if missing:
        yield f"is not for {', '.join(missing)}, but for {', '.join(names) or 'no name at all'}"
    for one, above in pairwise(chain):
        try:
            one.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            subject = above.subject.rfc4514_string()
            yield (
                f"continues with {subject}, which has not signed the certificate above it;"
                " put the site's own certificate first"
            )
            return


def authority_fault(path: Path, last: x509.Certificate) -> str:
    """Return what is wrong with an authority, to complete a sentence that begins with its path, or "".

    last: the certificate that is closest to the authority.
    """
    authorities, fault = certificates(path)
    if fault:
        return fault
    for each in authorities:
        with contextlib.suppress(ValueError, TypeError, InvalidSignature):
            last.verify_directly_issued_by(each)
            return ""
    return f" has not signed {last.subject.rfc4514_string()}, with which the certificate's file ends"


def names_of(certificate: x509.Certificate) -> list[str]:
    """Return the DNS names that a certificate is for, in lower case."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in found.value.get_values_for_type(x509.DNSName)]


def covered(domain: str, names: Sequence[str]) -> bool:
    """Return whether a certificate's names cover a domain."""
    return domain in names or "*." + domain.partition(".")[2] in names


def key_fault(path: Path, certificate: x509.Certificate) -> str:
    """Return what is wrong with a private key, as the end of a sentence that begins with its path; "" for
    nothing."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        return f": {(error.strerror or str(error)).lower()}"
    except TypeError:
        return " is encrypted; the web server starts unattended and cannot ask for a passphrase"
    except ValueError:
        return " contains no PEM private key"
    if key.public_key().public_bytes(*PUBLIC) != certificate.public_key().public_bytes(*PUBLIC):
        return " is not the key of that certificate"
    return ""
